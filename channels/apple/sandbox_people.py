"""The customers of the sandbox and what their phones make of Apple's messages: bubbles, chips, lists, links, files."""

from __future__ import annotations

import base64
import gzip
import hashlib
import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import urlsplit
from uuid import uuid4

from channels.apple.sandbox_rules import Attached, OfferedData, OfferedList, Taken
from channels.apple.sandbox_store import FileStore, described, packed
from channels.apple.wire import ATTACHED, EXTENSION
from channels.sandbox_kit import Handset
from channels.sandboxes import (
    Attachment,
    PhoneButton,
    PhoneCard,
    PhoneMessage,
    PhoneSheet,
    Run,
    Shade,
    SheetRow,
    Skin,
)
from gateway.core.clock import Clock

MODERN = "QUICK,LIST,TIME,AUTH,AUTH2,FORM"
"""What a phone of these days can show."""

TYPING_S = 30.0
KEPT_OFFERS = 200
LOCALES = {"es": "es_ES", "en": "en_US", "pt": "pt_BR"}

_WORDS = {
    "choose": {"es": "Elegir", "en": "Choose", "pt": "Escolher"},
    "field": {"es": "Mensaje", "en": "Message", "pt": "Mensagem"},
}
_WEB_ADDRESS = re.compile(r"https?://[^\s)>\]]+")

Post = Callable[[bytes, Mapping[str, str], Callable[[], None]], None]
"""Sends a webhook's body with more headers; the last argument hears that it was taken."""


def address_of(name: str) -> str:
    """The opaque id that a person of that name has, the same in every run; with the characters that ids do have."""
    digest = hashlib.blake2b(name.encode(), digest_size=23).digest()
    return f"urn:mbid:AQAA{base64.b64encode(b'/' + digest).decode()}/+{base64.b64encode(digest[:4]).decode()}"


class Person:
    """One customer with a phone; fits :class:`channels.sandbox_kit.Acts`.

    ``capabilities`` is what the phone says of itself; empty for one of long ago. ``entry`` (``intent``, ``group``) goes
    with the next thing that is said, as after a link of the business.
    """

    def __init__(
        self, name: str, business: str, store: FileStore, post: Post, clock: Clock, *, title: str, language: str
    ) -> None:
        self.address = address_of(name)
        self.language = language
        self.capabilities = MODERN
        self.entry: dict[str, str] = {}
        self.is_closed = False
        self.has_written = False
        self._business = business
        self._store = store
        self._post = post
        self._clock = clock
        self._offers: dict[str, OfferedData] = {}
        self.handset = Handset(skin(title), self.address, self, clock=clock, text_chars=10_000)

    # ------------------------------------------------------------ what they do

    def speaks(self, language: str) -> None:
        self.language = language

    async def writes(self, text: str) -> str:
        """As on a phone: first a sign that somebody types, then the words."""
        self._send({"type": "typing_start"})
        return self._send({"type": "text", "body": text})

    async def begins_typing(self, *, and_stops: bool = False) -> None:
        self._send({"type": "typing_end" if and_stops else "typing_start"})

    async def presses(self, message_id: str, button: PhoneButton) -> str:
        offer = self._offers.get(message_id)
        if offer is None:
            raise LookupError("that message has nothing to press")
        answer = self._answer(offer, [button.key])
        return self._send({"type": "interactive", "interactiveData": answer})

    async def chooses(self, message_id: str, keys: list[str], *, is_large: bool = False) -> str:
        """Several lines of a list at once; *is_large*: the answer travels as a file of its own."""
        offer = self._offers[message_id]
        answer = self._answer(offer, keys)
        if not is_large:
            return self._send({"type": "interactive", "interactiveData": answer})
        content = packed({"interactiveData": answer})
        file, key = self._store.seal(content)
        ref = described(file, key, name="", mime="", size=len(content))
        title = offer.reply_message.title if offer.reply_message else ""
        return self._send({"type": "interactive", "interactiveDataRef": {**ref, "bid": EXTENSION, "title": title}})

    async def sends_picture(self, content: bytes, *, name: str, mime: str, caption: str) -> str:
        file, key = self._store.seal(content)
        attached = described(file, key, name=name, mime=mime, size=len(content))
        body = f"{caption} {ATTACHED}" if caption else ATTACHED
        return self._send({"type": "text", "body": body, "attachments": [attached]})

    async def sends_place(self, latitude: float, longitude: float) -> str:
        del latitude, longitude
        raise ValueError("the app does not share a place with a business")

    async def closes(self) -> None:
        """Delete the conversation: the business may not write until the customer does."""
        self._send({"type": "close"})
        self.is_closed = True

    # ------------------------------------------------------------ what reaches them

    def reads(self, message: Taken) -> None:
        """Draw what the gateway took. A message that comes twice under one id stays one bubble."""
        if message.type == "typing_start":
            self.handset.typing(TYPING_S)
        elif message.type == "typing_end":
            self.handset.typing(0)
        else:
            self.handset.shows(self._drawn(message))

    def can_show(self, message: Taken) -> bool:
        """A phone without quick replies or lists shows nothing of them."""
        if message.interactive_data is None:
            return True
        needed = "QUICK" if message.interactive_data.data.quick_reply is not None else "LIST"
        return needed in self.capabilities.upper().split(",")

    def _drawn(self, message: Taken) -> PhoneMessage:
        now = self._clock.now()
        if message.interactive_data is not None:
            data = message.interactive_data.data
            self._offers[message.id] = data
            while len(self._offers) > KEPT_OFFERS:
                del self._offers[next(iter(self._offers))]
            return self._offered(message.id, data)
        if (link := message.rich_link_data) is not None:
            if "maps.apple.com" in link.url:
                place = Attachment("place", link.title, url=link.url)
                return PhoneMessage(id=message.id, at=now, attachments=(place,))
            host = urlsplit(link.url).hostname or ""
            card = PhoneCard(title=link.title, subtitle=host, buttons=(PhoneButton(host, url=link.url),))
            return PhoneMessage(id=message.id, at=now, cards=(card,))
        text = message.body.replace(ATTACHED, "").strip()
        attachments = tuple(self._shown_file(file) for file in message.attachments)
        return PhoneMessage(id=message.id, at=now, runs=tuple(runs_of(text)), attachments=attachments)

    def _offered(self, message_id: str, data: OfferedData) -> PhoneMessage:
        now = self._clock.now()
        if data.quick_reply is not None:
            chips = tuple(PhoneButton(item.title, item.identifier) for item in data.quick_reply.items)
            return PhoneMessage(id=message_id, at=now, runs=tuple(runs_of(data.quick_reply.summary_text)), quick=chips)
        title = data.received_message.title if data.received_message else ""
        rows = tuple(
            SheetRow(title=item.title, key=item.identifier, description=item.subtitle, section=section.title)
            for section in (data.list_picker or OfferedList(())).sections
            for item in section.items
        )
        label = _WORDS["choose"].get(self.language[:2], _WORDS["choose"]["en"])
        return PhoneMessage(id=message_id, at=now, runs=(Run(title),), sheet=PhoneSheet(label=label, rows=rows))

    def _shown_file(self, file: Attached) -> Attachment:
        content = self._store.opened(file.url, file.owner, file.signature, file.key)
        if content is None or len(content) != int(file.size):
            return Attachment("file", file.name, "cannot be opened")
        key = self.handset.keep(content, file.mime)
        match file.mime.partition("/")[0]:
            case "image" | "video" | "audio" as kind:
                return Attachment(kind, file.name, file=key)
            case _:
                return Attachment("file", file.name, f"{len(content) / 1000:.0f} kB", file=key)

    # ------------------------------------------------------------ webhooks

    def _send(self, content: Mapping[str, object]) -> str:
        identity = str(uuid4())
        locale = LOCALES.get(self.language[:2], "en_US")
        body: dict[str, object] = {
            "v": 1,
            "id": identity,
            "sourceId": self.address,
            "destinationId": self._business,
            "locale": locale,
            **content,
        }
        if content["type"] in {"text", "interactive"}:
            body.update(self.entry)
            self.entry = {}
            self.is_closed, self.has_written = False, True
        headers = {
            "id": identity,
            "source-id": self.address,
            "destination-id": self._business,
            "device-agent": "iPhone OS",
            "locale": locale,
            **({"capability-list": self.capabilities} if self.capabilities else {}),
        }
        packed_body = gzip.compress(json.dumps(body, ensure_ascii=False).encode(), mtime=0)
        self._post(packed_body, headers, lambda: self.handset.ticked(identity, 1))
        return identity

    def _answer(self, offer: OfferedData, keys: list[str]) -> dict[str, object]:
        """What the app sends when something was chosen."""
        data: dict[str, object] = {"version": "1.0", "requestIdentifier": offer.request_identifier}
        if offer.quick_reply is not None:
            items = [{"identifier": item.identifier, "title": item.title} for item in offer.quick_reply.items]
            place = next(at for at, item in enumerate(items) if item["identifier"] == keys[0])
            data["quick-reply"] = {"items": items, "selectedIndex": place, "selectedIdentifier": keys[0]}
            data["replyMessage"] = {"title": items[place]["title"]}
        elif offer.list_picker is not None:
            data["listPicker"] = {"sections": _chosen_sections(offer.list_picker, keys)}
            data["replyMessage"] = {"title": offer.reply_message.title if offer.reply_message else "", "style": "icon"}
        return {"bid": EXTENSION, "data": data, "sessionIdentifier": str(uuid4())}


def _chosen_sections(picker: OfferedList, keys: list[str]) -> list[dict[str, object]]:
    sections: list[dict[str, object]] = []
    for section in picker.sections:
        items = [
            {"identifier": item.identifier, "title": item.title, "subtitle": item.subtitle, "order": item.order}
            for item in section.items
            if item.identifier in keys
        ]
        if items:
            sections.append({"title": section.title, "order": section.order, "items": items})
    return sections


def runs_of(text: str) -> Iterator[Run]:
    """The text with its web addresses as links, as the phone finds them."""
    edges = [0, *itertools.chain.from_iterable(found.span() for found in _WEB_ADDRESS.finditer(text)), len(text)]
    for number, (start, end) in enumerate(itertools.pairwise(edges)):
        if piece := text[start:end]:
            yield Run(piece, url=piece if number % 2 else "")


def skin(title: str) -> Skin:
    """How the app looks: white paper, grey bubbles, the business in the middle at the top, chips below, no faces."""
    return Skin(
        app="Apple Messages",
        title=title,
        subtitle={"es": "Empresa", "en": "Business", "pt": "Empresa"},
        header=Shade("#f6f6f8", "#1c1c1e"),
        on_header=Shade("#111114", "#f4f4f6"),
        wallpaper=Shade("#ffffff", "#000000"),
        bubble=Shade("#e9e9eb", "#26262a"),
        ink=Shade("#111114", "#f4f4f6"),
        own_bubble=Shade("#3d3d43", "#5b5b63"),
        own_ink=Shade("#ffffff", "#ffffff"),
        soft=Shade("#6b6b73", "#9c9ca5"),
        accent=Shade("#0066cc", "#5eb0ff"),
        buttons="chips",
        ticks="below",
        tail=True,
        radius_px=18,
        times="gaps",
        head="middle",
        field=_WORDS["field"],
    )
