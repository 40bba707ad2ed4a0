"""What Twilio's stand-in knows: its account, people, messages, contents and files; and the webhooks it owes."""

from __future__ import annotations

import mimetypes
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, Protocol
from urllib.parse import parse_qsl, urlencode

import msgspec
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]  # it brings no types

from channels.sandboxes import Attachment, PhoneFile
from channels.twilio.sandbox_people import Fields, Person, consent_word, new_sid
from channels.twilio.sandbox_rules import Form, Json, Refusal, Shown, check_message, check_window
from channels.twilio.sandbox_screen import drawn
from channels.twilio.settings import App, app_of
from gateway.core.clock import Clock

WINDOW_S = 86_400.0
KEPT_MESSAGES = 2_000
KEPT_FILES = 200
TYPING_S = 25.0

_STATUSES = ("sent", "delivered")
_NOBODY: Mapping[App, tuple[int, str]] = {
    "whatsapp": (63024, "Invalid message recipient"),
    "sms": (30005, "Unknown destination handset"),
}
_STOPPED = "You have successfully been unsubscribed. You will not receive any more messages from this number."
_STARTED = "You have successfully been re-subscribed to messages from this number."


class TakenMessage(msgspec.Struct):
    """A message that the API took. ``form`` is the call's, ``status`` what became of it so far."""

    sid: str
    at: datetime
    form: dict[str, list[str]]
    body: str
    shown: Shown | None
    status: str
    error_code: int = 0
    error_message: str = ""
    direction: str = "outbound-api"

    def one(self, name: str) -> str:
        return self.form.get(name, [""])[-1]


class Send(Protocol):
    """``WebhookSender.put``, as far as it is used."""

    def __call__(
        self,
        body: bytes,
        *,
        key: object,
        on_taken: Callable[[], None],
        url: str,
        sign: Callable[[bytes], Mapping[str, str]],
    ) -> None: ...


def _nothing() -> None:
    pass


class World:
    """One account of Twilio's, with one sender for each app."""

    def __init__(self, clock: Clock, webhook_url: str) -> None:
        self.clock = clock
        self.url = ""
        self.send: Send | None = None
        self.account_sid = new_sid("AC")
        self.auth_token = secrets.token_hex(16)
        self.senders: dict[App, str] = {"whatsapp": "whatsapp:+15005550010", "sms": "+15005550020"}
        self.inbound_urls: dict[App, str] = dict.fromkeys(self.senders, webhook_url)
        self.status_urls: dict[App, str] = dict.fromkeys(self.senders, "")
        self.inbound_methods: dict[App, str] = dict.fromkeys(self.senders, "POST")
        self.sids: dict[str, str] = {"sms": new_sid("PN"), "whatsapp": new_sid("XE")}
        self.contents: dict[str, Json] = {}
        self.approvals: dict[str, str] = {}
        self.template_names: dict[str, str] = {}
        self.taken: list[TakenMessage] = []
        self.files: dict[str, PhoneFile] = {}
        self.reads_at_once = True
        self._people: dict[tuple[str, App], Person] = {}
        self._validator = RequestValidator(self.auth_token)

    # ------------------------------------------------------------ people and what they do

    def person(self, name: str, app: App) -> Person:
        return self._people.setdefault((name, app), Person(name, app, self.senders[app]))

    def at_address(self, address: str) -> Person | None:
        """Who is reached there, by the number or by the name that lasts."""
        return next((one for one in self._people.values() if address in {one.address, one.known_as}), None)

    def post(self, person: Person, fields: Fields, on_taken: Callable[[], None]) -> None:
        """A message of a person reaches Twilio, which tells us."""
        person.heard_at = self.clock.monotonic()
        word = consent_word(fields["Body"]) if person.app == "sms" else ""
        told = {**fields, "AccountSid": self.account_sid}
        if word:
            told["OptOutType"] = word
            self._consent(person, word)
        self.webhook(told, self.inbound_urls[person.app], key=person.address, on_taken=on_taken)

    def _consent(self, person: Person, word: str) -> None:
        """Twilio answers STOP and START by itself."""
        if word == "HELP":
            return
        person.is_opted_out = word == "STOP"
        if person.handset is not None:
            body = _STOPPED if person.is_opted_out else _STARTED
            person.handset.shows(drawn(new_sid("SM"), self.clock.now(), person.app, body, None, ()))

    def store(self, sid: str, content: bytes, mime: str) -> str:
        """Keep a file that somebody sent; the answer is its address at the API."""
        media = new_sid("ME")
        self.files[media] = PhoneFile(content, mime)
        while len(self.files) > KEPT_FILES:
            del self.files[next(iter(self.files))]
        return f"{self.url}/2010-04-01/Accounts/{self.account_sid}/Messages/{sid}/Media/{media}"

    # ------------------------------------------------------------ webhooks

    def signed(self, url: str, body: bytes) -> Mapping[str, str]:
        """The headers of a webhook, signed by Twilio's own code."""
        fields = dict(parse_qsl(body.decode(), keep_blank_values=True))
        signature = self._validator.compute_signature(url.partition("#")[0], fields)
        return {"X-Twilio-Signature": str(signature), "I-Twilio-Idempotency-Token": secrets.token_hex(16)}

    def webhook(self, fields: Fields, url: str, *, key: object = "", on_taken: Callable[[], None] = _nothing) -> None:
        """Send a form to *url*, after all that has the same key."""
        called = url.partition("#")[0]
        if called and self.send is not None:
            body = urlencode(fields).encode()
            self.send(body, key=key, on_taken=on_taken, url=called, sign=lambda sent: self.signed(called, sent))

    # ------------------------------------------------------------ messages of ours

    def take(self, form: Form) -> TakenMessage:
        """A message of ours, as the API takes it; what becomes of it is told by callbacks. Raises ``Refusal``."""
        shown = check_message(form, self.contents)
        sender, to = form["From"][-1], form["To"][-1]
        app = app_of(to)
        if sender not in self.senders.values():
            raise _unknown_sender(sender)
        person = self.at_address(to)
        if person is not None and person.is_opted_out:
            raise Refusal(400, 21610, "Attempt to send to unsubscribed recipient")
        body = shown.body if shown is not None else (form.get("Body") or [""])[-1]
        copy = {name: list(values) for name, values in form.items()}
        prefix = "MM" if form.get("MediaUrl") else "SM"
        message = TakenMessage(new_sid(prefix), self.clock.now(), copy, body, shown, "queued")
        self.taken.append(message)
        del self.taken[:-KEPT_MESSAGES]
        self._deliver(message, app, person)
        return message

    def _deliver(self, message: TakenMessage, app: App, person: Person | None) -> None:
        if person is None:
            code, words = _NOBODY[app]
            self._fails(message, app, code, words)
            return
        try:
            if app == "whatsapp":
                check_window(message.shown, is_open=self._is_open(person))
        except Refusal as refusal:
            self._fails(message, app, refusal.code, refusal.message)
            return
        self._show(message, app, person)
        for status in _STATUSES:
            self._tell(message, app, status)
        if app == "whatsapp" and self.reads_at_once:
            self._tell(message, app, "read")

    def _is_open(self, person: Person) -> bool:
        return person.heard_at is not None and self.clock.monotonic() - person.heard_at < WINDOW_S

    def _show(self, message: TakenMessage, app: App, person: Person) -> None:
        if person.handset is None:
            return
        urls = message.form.get("MediaUrl", ())
        files = [Attachment(_kind_of(url), url.rpartition("/")[2][:60], url=url) for url in urls]
        files += [_place(action) for action in message.form.get("PersistentAction", ())]
        body = "" if message.form.get("PersistentAction") else message.body
        person.handset.shows(drawn(message.sid, message.at, app, body, message.shown, files))

    def _fails(self, message: TakenMessage, app: App, code: int, words: str) -> None:
        message.error_code, message.error_message = code, words
        self._tell(message, app, "undelivered")

    def _tell(self, message: TakenMessage, app: App, status: str) -> None:
        """The callback for a status, to the message's own address, else to the sender's."""
        message.status = status
        to, sender = message.one("To"), message.one("From")
        fields = {
            "MessageSid": message.sid,
            "SmsSid": message.sid,
            "AccountSid": self.account_sid,
            "From": sender,
            "To": to,
            "ApiVersion": "2010-04-01",
            "MessageStatus": status,
            "SmsStatus": status,
        }
        if app == "whatsapp":
            fields |= {
                "ChannelInstallSid": self.sids["whatsapp"],
                "ChannelPrefix": "whatsapp",
                "ChannelToAddress": to.removeprefix("whatsapp:"),
                "StructuredMessage": "false",
                "EventType": status.upper(),
            }
        elif status == "delivered":
            fields["RawDlrDoneDate"] = f"{self.clock.now():%y%m%d%H%M}"
        if status in {"undelivered", "failed"}:
            fields |= {"ErrorCode": str(message.error_code), "ErrorMessage": message.error_message}
        self.webhook(fields, message.one("StatusCallback") or self.status_urls[app], key=(message.sid, "status"))

    # ------------------------------------------------------------ what the API asks

    def typing(self, sid: str) -> bool:
        """Show the person who wrote that message that an answer is coming; whether there is such a message."""
        for person in self._people.values():
            handset = person.handset
            if handset is not None and person.app == "whatsapp" and handset.message(sid) is not None:
                handset.ticked(sid, 2)
                handset.typing(TYPING_S)
                return True
        return False

    def listed(self, to: str, sender: str) -> Sequence[TakenMessage]:
        """Messages of that pair, newest first; an empty name means any."""
        return [
            message
            for message in reversed(self.taken)
            if message.one("To") == (to or message.one("To")) and message.one("From") == (sender or message.one("From"))
        ]

    def add_template(self, name: str, content: Json, *, approval: str = "approved") -> str:
        """A content that the company made beforehand; the answer is its sid."""
        sid = new_sid("HX")
        self.contents[sid] = content
        self.approvals[sid] = approval
        self.template_names[name] = sid
        return sid

    def ages(self, name: str, app: App, by: timedelta) -> None:
        """That person last wrote so much earlier."""
        person = self.person(name, app)
        if person.heard_at is not None:
            person.heard_at -= by.total_seconds()


def _unknown_sender(sender: str) -> Refusal:
    if sender.startswith("whatsapp:"):
        return Refusal(400, 63007, "Twilio could not find a Channel with the specified From address")
    return Refusal(400, 21659, f"'From' {sender} is not a Twilio phone number or Short Code country mismatch")


def _kind_of(url: str) -> Literal["image", "video", "audio", "file"]:
    mime = mimetypes.guess_type(url.partition("?")[0])[0] or ""
    match mime.partition("/")[0]:
        case "video":
            return "video"
        case "audio":
            return "audio"
        case "image" | "":
            return "image"
        case _:
            return "file"


def _place(action: str) -> Attachment:
    degrees, _, label = action.removeprefix("geo:").partition("|")
    return Attachment("place", label, degrees)
