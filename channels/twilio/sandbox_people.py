"""The people of Twilio's stand-in: what they do on their phones becomes signed webhooks, as Twilio would send them."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping
from typing import Literal

from channels.sandbox_kit import Handset
from channels.sandboxes import PhoneButton
from channels.twilio.settings import App

Fields = dict[str, str]
Post = Callable[["Person", Fields, Callable[[], None]], None]
"""Sends the webhook of a message from a person; the last is called once it was taken."""

Store = Callable[[str, bytes, str], str]
"""Keeps a file of a message (its sid, content, type); the answer is its address."""

MAX_PICTURE_BYTES = 5_000_000

_STOP_WORDS = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "ALTO", "BAJA"})
_START_WORDS = frozenset({"START", "YES", "UNSTOP"})


def new_sid(prefix: str) -> str:
    """An id as Twilio makes them."""
    return prefix + secrets.token_hex(16)


def consent_word(text: str) -> Literal["", "STOP", "START", "HELP"]:
    """What Twilio hears in a text message by itself."""
    word = text.strip().upper()
    if word in _STOP_WORDS:
        return "STOP"
    return "START" if word in _START_WORDS else "HELP" if word == "HELP" else ""


class Person:
    """Somebody with one app: ``address`` is what Twilio calls them, ``lasting_id`` WhatsApp's name for them."""

    def __init__(self, name: str, app: App, ours: str) -> None:
        digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
        self.name = name
        self.app: App = app
        self.ours = ours
        self.phone = f"+3460{int.from_bytes(digest[:4]) % 10_000_000:07d}"
        self.address = f"whatsapp:{self.phone}" if app == "whatsapp" else self.phone
        self.lasting_id = f"whatsapp:ID.{int.from_bytes(digest) % 10**16:016d}" if app == "whatsapp" else ""
        self.language = "en"
        self.heard_at: float | None = None
        self.is_opted_out = False
        self.handset: Handset | None = None

    @property
    def known_as(self) -> str:
        """The address that webhooks give us."""
        return self.lasting_id or self.address

    def fields(self, sid: str, kind: str, body: str) -> Fields:
        """What every message of this person brings."""
        fields = {
            "SmsMessageSid": sid,
            "NumMedia": "0",
            "SmsSid": sid,
            "SmsStatus": "received",
            "Body": body,
            "To": self.ours,
            "NumSegments": "1",
            "MessageSid": sid,
            "From": self.address,
            "ApiVersion": "2010-04-01",
        }
        if self.app == "sms":
            return {**fields, "FromCountry": "ES", "ToCountry": "US", "FromCity": "", "FromState": "", "FromZip": ""}
        return {
            **fields,
            "ProfileName": self.name,
            "MessageType": kind,
            "WaId": self.phone.removeprefix("+"),
            "ReferralNumMedia": "0",
            "ExternalUserId": self.lasting_id,
        }


class PersonActs:
    """What a person does on the phone; fits ``channels.handset.Acts``."""

    def __init__(self, person: Person, post: Post, store: Store) -> None:
        self._person = person
        self._post = post
        self._store = store

    def speaks(self, language: str) -> None:
        self._person.language = language

    async def writes(self, text: str) -> str:
        return self._sends("text", text)

    async def presses(self, message_id: str, button: PhoneButton) -> str:
        """A button's key is ``<kind>:<value>``."""
        kind, _, value = button.key.partition(":")
        chosen = {"ListId": value, "ListTitle": button.label}
        if kind != "list":
            chosen = {"ButtonPayload": value, "ButtonText": button.label}
        replied = {"OriginalRepliedMessageSid": message_id, "OriginalRepliedMessageSender": self._person.ours}
        return self._sends("interactive", button.label, {**chosen, **replied})

    async def sends_picture(self, content: bytes, *, name: str, mime: str, caption: str) -> str:
        del name  # WhatsApp and text messages tell none
        if len(content) > MAX_PICTURE_BYTES:
            raise ValueError(f"a picture has at most {MAX_PICTURE_BYTES // 1_000_000} MB")
        sid = new_sid("MM")
        url = self._store(sid, content, mime)
        return self._sends("image", caption, {"NumMedia": "1", "MediaUrl0": url, "MediaContentType0": mime}, sid)

    async def sends_place(self, latitude: float, longitude: float) -> str:
        if self._person.app == "sms":
            raise ValueError("a text message holds no place")
        return self._sends("location", "", {"Latitude": str(latitude), "Longitude": str(longitude)})

    def _sends(self, kind: str, body: str, more: Mapping[str, str] | None = None, sid: str = "") -> str:
        sid = sid or new_sid("SM")
        fields = {**self._person.fields(sid, kind, body), **(more or {})}
        self._post(self._person, fields, lambda: self._taken(sid))
        return sid

    def _taken(self, sid: str) -> None:
        if self._person.handset is not None:
            self._person.handset.ticked(sid, 1)
