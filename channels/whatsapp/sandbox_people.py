"""The customers of the sandbox: what they do leaves as webhooks, under the names that WhatsApp gives them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Literal

import msgspec

from channels.handset import Handset
from channels.sandboxes import Attachment, PhoneButton, PhoneMessage, Run
from channels.whatsapp.sandbox_world import Json, Said, World, digits_for, nothing

HOME = (40.41694, -3.70346)
"""Where a person is who is asked for it: Madrid, Puerta del Sol."""

Shows = Literal["both", "phone", "user_id"]
"""By what WhatsApp names a person to the business: since 2026 some only by their user id."""


class Person:
    """Somebody with WhatsApp. Fits ``channels.handset.Acts``; every act answers with the message's id."""

    def __init__(self, world: World, name: str, *, language: str, shows: Shows, username: str) -> None:
        digits = digits_for(name)
        self.name = name
        self.language = language
        self.username = username
        self.phone = f"346{digits[:8]}" if shows != "user_id" else ""
        self.user_id = f"ES.{digits}{digits[::-1]}" if shows != "phone" else ""
        self._world = world
        self.handset: Handset | None = None

    @property
    def address(self) -> str:
        """As our webhooks give it."""
        return self.user_id or f"+{self.phone}"

    @property
    def names(self) -> frozenset[str]:
        """All by which a call may name this person."""
        return frozenset(filter(None, (self.user_id, self.phone)))

    # ------------------------------------------------------------ acts

    def speaks(self, language: str) -> None:
        self.language = language

    async def writes(self, text: str, *, reply_to: str = "", referral: Mapping[str, object] | None = None) -> str:
        extra: Json = {"text": {"body": text}}
        if referral is not None:
            extra["referral"] = dict(referral)
        return self._sends("text", extra, reply_to=reply_to)

    async def presses(self, message_id: str, button: PhoneButton) -> str:
        said = self._world.said.get(message_id)
        if said is None:
            raise LookupError("that message is forgotten")
        interactive = msgspec.convert(said.body.get("interactive", {}), dict[str, object])
        if interactive.get("type") == "location_request_message":
            return self._shows(await self.sends_place(*HOME), Attachment("place", facts=f"{HOME[0]}, {HOME[1]}"))
        if interactive.get("type") == "request_contact_info":
            return self._shows(await self.shares_number(), Attachment("contact", self.name, f"+{self.phone}"))
        kind = "list_reply" if interactive.get("type") == "list" else "button_reply"
        reply = {"id": button.key, "title": button.label}
        pressed = self._sends("interactive", {"interactive": {"type": kind, kind: reply}}, reply_to=message_id)
        return self._shows(pressed, label=button.label, quoted=message_id)

    def _shows(self, message_id: str, *attachments: Attachment, label: str = "", quoted: str = "") -> str:
        """The own bubble of what was done by pressing."""
        if self.handset is not None:
            question = self.handset.message(quoted)
            quotes = "".join(run.text for run in question.runs)[:120] if question is not None else ""
            runs = (Run(label),) if label else ()
            at = self._world.clock.now()
            own = PhoneMessage(id=message_id, at=at, is_own=True, runs=runs, attachments=attachments, quotes=quotes)
            self.handset.shows(own)
        return message_id

    async def sends_picture(self, content: bytes, *, name: str, mime: str, caption: str) -> str:
        del name
        if mime not in {"image/jpeg", "image/png"}:
            raise ValueError("WhatsApp sends JPEG and PNG pictures")
        return self.sends_file("image", content, mime, **({"caption": caption} if caption else {}))

    def sends_file(self, kind: str, content: bytes, mime: str, **more: object) -> str:
        """An ``image``, ``video``, ``audio``, ``document`` or ``sticker``."""
        media_id = self._world.keep_file(content, mime)
        sha256 = hashlib.sha256(content).hexdigest()
        return self._sends(kind, {kind: {"id": media_id, "mime_type": mime, "sha256": sha256, **more}})

    async def sends_place(self, latitude: float, longitude: float) -> str:
        return self._sends("location", {"location": {"latitude": latitude, "longitude": longitude}})

    async def shares_number(self) -> str:
        """The own contact card, because it was asked for."""
        if not self.phone:
            raise ValueError("this person shows no number")
        phones = [{"phone": f"+{self.phone}", "wa_id": self.phone, "type": "CELL"}]
        card = {"name": {"formatted_name": self.name, "first_name": self.name}, "phones": phones}
        return self._sends("contacts", {"contacts": [{**card, "origin": "contact_request"}]})

    async def reacts(self, message_id: str, emoji: str) -> str:
        """To one of our messages; an empty emoji takes it back."""
        return self._sends("reaction", {"reaction": {"message_id": message_id, "emoji": emoji}})

    async def edits(self, message_id: str, text: str) -> str:
        message = {"type": "text", "text": {"body": text}}
        return self._sends("edit", {"edit": {"original_message_id": message_id, "message": message}})

    async def takes_back(self, message_id: str) -> str:
        return self._sends("revoke", {"revoke": {"original_message_id": message_id}})

    async def sends_something_unknown(self, kind: str) -> str:
        """A poll, a picture to be seen once: what the Cloud API does not carry."""
        error = {"code": 131051, "title": "Message type unknown", "error_data": {"details": "not supported"}}
        return self._sends("unsupported", {"errors": [error], "unsupported": {"type": kind}})

    async def changes_number(self, digits: str) -> None:
        """From now on the same person has another number."""
        note: Json = {"type": "user_changed_number", "wa_id": digits, "body": "The number changed"}
        self._sends("system", {"system": note}, has_contact=False)
        self.phone = digits

    async def wants_no_adverts(self) -> None:
        self._prefers("stop")

    async def wants_adverts(self) -> None:
        self._prefers("resume")

    def _prefers(self, value: str) -> None:
        preference: Json = {
            "category": "marketing_messages",
            "value": value,
            "detail": f"User requested to {value} marketing messages",
            "timestamp": int(self._world.clock.now().timestamp()),
            **({"wa_id": self.phone} if self.phone else {}),
            **({"user_id": self.user_id} if self.user_id else {}),
        }
        value_of = {"contacts": [self.contact()], "user_preferences": [preference]}
        self._world.emit("user_preferences", value_of, key=self.address)

    # ------------------------------------------------------------ the wire

    def contact(self) -> Json:
        profile: Json = {"name": self.name}
        if self.username:
            profile["username"] = f"@{self.username}"
        contact: Json = {"profile": profile}
        if self.phone:
            contact["wa_id"] = self.phone
        if self.user_id:
            contact["user_id"] = self.user_id
        return contact

    def _sends(self, kind: str, content: Json, *, reply_to: str = "", has_contact: bool = True) -> str:
        message_id = self._world.new_id()
        message: Json = {"id": message_id, "timestamp": self._world.timestamp(), "type": kind, **content}
        if self.phone:
            message["from"] = self.phone
        if self.user_id:
            message["from_user_id"] = self.user_id
        if reply_to:
            message["context"] = {"from": self._world.number.display_phone_number, "id": reply_to}
        self._world.heard_at[self.address] = self._world.clock.now()
        self._world.remember(message_id, Said(self.address, {}, is_ours=False))
        value: Json = {"messages": [message]}
        if has_contact:
            value["contacts"] = [self.contact()]
        taken = nothing
        if self.handset is not None:
            handset = self.handset

            def taken() -> None:
                handset.ticked(message_id, 1)

        self._world.emit("messages", value, key=self.address, on_taken=taken)
        return message_id
