"""What the stand-in for WhatsApp remembers: the number, people, files, templates, and what was said."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import msgspec

from channels._meta.verify import signature
from channels.sandboxes import PhoneFile
from gateway.core.clock import Clock

Json = dict[str, object]
Emit = Callable[..., None]

WINDOW_S = 86_400.0
KEPT_FILES = 200
KEPT_MESSAGES = 50_000


def nothing() -> None:
    """For a webhook whose taking interests nobody."""


class Number(msgspec.Struct, kw_only=True):
    """The business's number and what belongs to it. Secrets are new in every sandbox."""

    phone_number_id: str = "106540000000001"
    waba_id: str = "102290000000001"
    app_id: str = "700000000000001"
    display_phone_number: str = "34910000001"
    verified_name: str = "Tertulia"
    app_secret: str = msgspec.field(default_factory=lambda: secrets.token_hex(16))
    verify_token: str = msgspec.field(default_factory=lambda: secrets.token_urlsafe(16))
    access_token: str = msgspec.field(default_factory=lambda: f"EAA{secrets.token_hex(24)}")


class StoredTemplate(msgspec.Struct, frozen=True):
    """A text with blanks ``{{1}}``, ``{{2}}`` …, and what Meta thinks of it."""

    text: str
    status: str = "APPROVED"


class Said(msgspec.Struct):
    """One message of either side. ``body``: as the API took it; empty for a person's."""

    address: str
    body: Json
    is_ours: bool


class World:
    """The state. ``emit`` sends a webhook's value: ``emit(field, value, key=…, on_taken=…)``."""

    def __init__(self, clock: Clock, number: Number, emit: Emit) -> None:
        self.clock = clock
        self.number = number
        self.emit = emit
        self.files: dict[str, PhoneFile] = {}
        self.said: dict[str, Said] = {}
        self.heard_at: dict[str, datetime] = {}
        self.templates: dict[tuple[str, str], StoredTemplate] = {}
        self._files = itertools.count(900_000_000_000_001)
        self._start = self.clock.now()

    def new_id(self) -> str:
        """A message's id, in WhatsApp's form."""
        return "wamid." + base64.b64encode(b"HB" + secrets.token_bytes(24)).decode()

    def timestamp(self) -> str:
        return str(int(self.clock.now().timestamp()))

    def keep_file(self, content: bytes, mime: str) -> str:
        """Keep a file; the answer is its media id. The oldest are forgotten."""
        media_id = str(next(self._files))
        self.files[media_id] = PhoneFile(content, mime)
        while len(self.files) > KEPT_FILES:
            del self.files[next(iter(self.files))]
        return media_id

    def remember(self, message_id: str, said: Said) -> None:
        self.said[message_id] = said
        while len(self.said) > KEPT_MESSAGES:
            del self.said[next(iter(self.said))]

    def is_window_open(self, address: str) -> bool:
        """Whether anything may be said to that person now."""
        heard_at = self.heard_at.get(address)
        return heard_at is not None and (self.clock.now() - heard_at).total_seconds() < WINDOW_S

    def metadata(self) -> Json:
        number = self.number
        return {
            "display_phone_number": number.display_phone_number,
            "phone_number_id": number.phone_number_id,
        }

    def webhook(self, field: str, value: Mapping[str, object]) -> bytes:
        """The bytes of a webhook with one change."""
        whole = {"messaging_product": "whatsapp", "metadata": self.metadata(), **value}
        change = {"value": whole, "field": field}
        entry = {"id": self.number.waba_id, "changes": [change]}
        return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()

    def signed(self, body: bytes) -> Mapping[str, str]:
        return {"X-Hub-Signature-256": signature(body, self.number.app_secret)}


def joined(bodies: Sequence[bytes]) -> bytes:
    """Several webhooks in one: their entries one after the other."""
    entries = [entry for body in bodies for entry in json.loads(body)["entry"]]
    return json.dumps({"object": "whatsapp_business_account", "entry": entries}).encode()


def digits_for(name: str) -> str:
    """The same digits for the same name, in every run."""
    return str(int.from_bytes(hashlib.blake2b(name.encode(), digest_size=6).digest()) % 10**9).zfill(9)
