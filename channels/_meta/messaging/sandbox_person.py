"""A customer in the sandbox: what they do becomes webhooks, what the API takes becomes bubbles on their phone."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, cast

import msgspec

from channels._meta.messaging.sandbox_phone import Drawn, Press
from channels._meta.messaging.sandbox_rules import Json
from channels._meta.messaging.sandbox_world import INBOX_APP, Standing, milliseconds, new_mid
from channels.sandbox_kit import Handset, HandsetCustomer
from channels.sandboxes import PhoneButton, PhoneMessage, Run

if TYPE_CHECKING:
    from channels._meta.messaging.sandbox import MessagingSandbox

_EMOJIS = {"love": "❤", "like": "👍", "dislike": "👎", "smile": "😆", "wow": "😮", "sad": "😢", "angry": "😡"}
_LOCALES = {"es": "es_ES", "en": "en_US", "pt": "pt_BR"}
_TYPING_S = 20.0


class MessagingActs:
    """What the person's handset does with the app; fits ``Acts``."""

    def __init__(self, sandbox: MessagingSandbox, address: str, standing: Standing) -> None:
        self._sandbox = sandbox
        self.address = address
        self.standing = standing
        self.language = ""
        self.presses_by_message: dict[str, dict[str, Press]] = {}

    def speaks(self, language: str) -> None:
        self.language = language

    async def writes(self, text: str) -> str:
        return self.says({"text": text})

    async def presses(self, message_id: str, button: PhoneButton) -> str:
        """A chip is a message of one's own; a button is a press, which the app shows as one."""
        press = self.presses_by_message[message_id][button.key]
        if press.kind == "quick_reply":
            return self.says({"text": press.title, "quick_reply": {"payload": press.payload}})
        mid = new_mid(self._sandbox.app.mid_prefix)
        self.tell({"postback": {"mid": mid, "title": press.title, "payload": press.payload}}, mid=mid)
        return mid

    async def sends_picture(self, content: bytes, *, name: str, mime: str, caption: str) -> str:
        """Pictures bear no words in this app: those follow by themselves."""
        url = self._sandbox.keep(content, mime, name)
        mid = self.says({"attachments": [{"type": "image", "payload": {"url": url}}]})
        if caption:
            self.says({"text": caption})
        return mid

    async def sends_place(self, latitude: float, longitude: float) -> str:
        if not self._sandbox.app.has_places:
            raise ValueError("this app sends no places")
        coordinates = {"lat": latitude, "long": longitude}
        return self.says({"attachments": [{"type": "location", "payload": {"coordinates": coordinates}}]})

    def says(self, message: Json) -> str:
        """A message of that content; returns its mid."""
        mid = new_mid(self._sandbox.app.mid_prefix)
        self.tell({"message": {"mid": mid, **message}}, mid=mid)
        return mid

    def tell(self, item: Json, *, mid: str = "", opens: bool = True) -> None:
        """Something that this person did; *opens*: it opens the window."""
        sandbox = self._sandbox
        if opens:
            self.standing.heard_at = sandbox.clock.now()
        array = "messaging" if self.standing.owner in {"", sandbox.app_id} else "standby"
        parties = {"sender": {"id": self.address}, "recipient": {"id": sandbox.account.id}}
        sandbox.tell(self.address, {**parties, **item}, array=array, mid=mid)


class MessagingPerson(HandsetCustomer):
    """Somebody with the app. ``has_open``: they look at the chat, so that all they get is read at once.

    ``shows_profile``: they let businesses that they write to know who they are. ``typing_as``: the persona that was
    seen typing last.
    """

    def __init__(self, sandbox: MessagingSandbox, address: str, name: str, language: str, standing: Standing) -> None:
        self._sandbox = sandbox
        self._acts = MessagingActs(sandbox, address, standing)
        self._acts.speaks(language)
        self.name = name
        self.standing = standing
        self.has_open = True
        self.shows_profile = True
        self.typing_as = ""
        chars = sandbox.app.text_chars
        super().__init__(Handset(sandbox.skin, address, self._acts, clock=sandbox.clock, text_chars=chars))

    @property
    def address(self) -> str:
        return self._acts.address

    @property
    def facts(self) -> dict[str, str]:
        """Who they are, by Meta's names of its fields."""
        first, _, last = self.name.partition(" ")
        return {
            "name": self.name,
            "first_name": first,
            "last_name": last,
            "username": ".".join(self.name.lower().split()),
            "locale": _LOCALES.get(self._acts.language, ""),
        }

    # ------------------------------------------------------------ what they do besides

    def reacts(self, mid: str, reaction: str = "love") -> None:
        """React to a message; an empty *reaction* takes it back."""
        about: Json = {"mid": mid, "action": "react" if reaction else "unreact"}
        if reaction:
            about |= {"reaction": reaction, "emoji": _EMOJIS.get(reaction, reaction)}
        self._acts.tell({"reaction": about})

    def edits(self, mid: str, text: str, number: int = 1) -> None:
        """Change a message of their own."""
        self._acts.tell({"message_edit": {"mid": mid, "text": text, "num_edit": number}}, opens=False)
        if (shown := self.handset.message(mid)) is not None:
            self.handset.shows(msgspec.structs.replace(shown, runs=(Run(text),), is_edited=True))

    def unsends(self, mid: str) -> None:
        """Take a message of their own back."""
        self._acts.tell({"message": {"mid": mid, "is_deleted": True}}, opens=False)
        self.handset.takes_back(mid)

    def comes_by_ad(self, ad_id: str, ref: str = "", title: str = "") -> None:
        """Come by an advertisement, which opens the window for a week."""
        context = {"ad_title": title} if title else {}
        referral: Json = {"source": "ADS", "type": "OPEN_THREAD", "ad_id": ad_id, "ads_context_data": context}
        if ref:
            referral["ref"] = ref
        self.standing.ad_at = self._sandbox.clock.now()
        self._acts.tell({"referral": referral})

    def comes_by_link(self, ref: str) -> None:
        self._acts.tell({"referral": {"ref": ref, "source": "SHORTLINK", "type": "OPEN_THREAD"}})

    def blocks(self) -> None:
        """Meta tells nobody of it: only sends fail from now on."""
        self.standing.is_blocked = True

    def unblocks(self) -> None:
        self.standing.is_blocked = False

    def stops_notifications(self) -> None:
        about = {"type": "notification_messages", "notification_messages_status": "STOP_NOTIFICATIONS"}
        self._acts.tell({"optin": about}, opens=False)

    def ages(self, seconds: float) -> None:
        """All that this person did lies that much further back: windows close."""
        back = timedelta(seconds=seconds)
        for name in ("heard_at", "ad_at"):
            moment = getattr(self.standing, name)
            setattr(self.standing, name, moment - back if moment is not None else None)

    # ------------------------------------------------------------ what people at the business do

    def hears_agent(self, text: str) -> str:
        """Somebody answers in Meta's own inbox; returns the mid of what they wrote."""
        mid = new_mid(self._sandbox.app.mid_prefix)
        now = self._sandbox.clock.now()
        self.handset.shows(PhoneMessage(id=mid, at=now, runs=(Run(text),)))
        self._sandbox.echo(self.address, mid, {"text": text})
        return mid

    def passes_to_inbox(self) -> None:
        """Meta's own inbox takes the thread: we only listen from now on."""
        self._moves("take_thread_control", INBOX_APP, self._sandbox.app_id)

    def passes_to_us(self) -> None:
        self._moves("pass_thread_control", self._sandbox.app_id, INBOX_APP)

    def _moves(self, how: str, to: str, away_from: str) -> None:
        self.standing.owner = self._sandbox.app_id
        self._acts.tell({how: {"new_owner_app_id": to, "previous_owner_app_id": away_from}}, opens=False)
        self.standing.owner = to

    # ------------------------------------------------------------ what the app shows

    def taken(self, mid: str) -> None:
        """The webhook of their message was answered."""
        self.handset.ticked(mid, 1)

    def gets(self, message: Drawn) -> None:
        """A message of the account arrives."""
        self._acts.presses_by_message[message.shown.id] = message.presses
        self.handset.shows(message.shown)

    def sees_action(self, body: Json, who: str = "") -> None:
        """Typing, seen, or a reaction to one of their messages."""
        action = body["sender_action"]
        if action in {"typing_on", "typing_off"}:
            self.typing_as = who if action == "typing_on" else ""
            self.handset.typing(_TYPING_S if action == "typing_on" else 0.0)
        elif action == "mark_seen":
            own = [message.id for message in self.handset.messages if message.is_own]
            if own:
                self.handset.ticked(own[-1], 2)
        else:
            payload = cast("dict[str, str]", body["payload"])
            shown = self.handset.message(payload["message_id"])
            emoji = _EMOJIS.get(payload.get("reaction", ""), "❤")
            if shown is not None:
                reactions = (emoji,) if action == "react" else ()
                self.handset.shows(msgspec.structs.replace(shown, reactions=reactions))

    def reports(self, mid: str, at: datetime) -> None:
        """Meta tells that a message arrived, and that it was read when the chat is open."""
        app, fields = self._sandbox.app, self._sandbox.account.fields
        if app.has_deliveries and "message_deliveries" in fields:
            self._acts.tell({"delivery": {"mids": [mid], "watermark": milliseconds(at)}}, opens=False)
        if self.has_open:
            self.reads(mid, at)

    def reads(self, mid: str, at: datetime) -> None:
        """Read a message, and all before it."""
        app, fields = self._sandbox.app, self._sandbox.account.fields
        if app.sees_by_mid and "messaging_seen" in fields:
            self._acts.tell({"read": {"mid": mid}}, opens=False)
        elif not app.sees_by_mid and "message_reads" in fields:
            self._acts.tell({"read": {"watermark": milliseconds(at)}}, opens=False)
