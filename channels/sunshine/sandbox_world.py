"""What Zendesk knows, behind the sandbox: people, conversations with their messages, the switchboard, webhooks."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from channels.sandboxes import PhoneFile
from channels.sunshine.sandbox_rules import Json
from gateway.core.clock import Clock

AGENTS = "zd:agentWorkspace"
MESSAGES_AT_MOST = 30_000
KEPT_FILES = 200
_TICKET_TAGS = "dataCapture.systemField.tags"
_TICKET_FIELD = "dataCapture.ticketField."


class Seat(msgspec.Struct):
    """One place on the switchboard."""

    id: str
    name: str
    integration_id: str
    integration_type: str
    hears_standby: bool = False
    following: str = ""

    def described(self) -> Json:
        """As webhooks tell it."""
        return {
            "id": self.id,
            "name": self.name,
            "integrationId": self.integration_id,
            "integrationType": self.integration_type,
        }

    def configured(self) -> Json:
        """As the API for the switchboard's configuration tells it."""
        more = {"nextSwitchboardIntegrationId": self.following} if self.following else {}
        return {**self.described(), "deliverStandbyEvents": self.hears_standby, **more}


class Hook(msgspec.Struct):
    """A custom integration with its one webhook."""

    id: str
    name: str
    webhook_id: str
    target: str
    triggers: tuple[str, ...]
    secret: str
    has_full_user: bool = True
    has_full_source: bool = True

    def webhook(self) -> Json:
        return {
            "id": self.webhook_id,
            "version": "v2",
            "target": self.target,
            "triggers": list(self.triggers),
            "secret": self.secret,
            "includeFullUser": self.has_full_user,
            "includeFullSource": self.has_full_source,
        }

    def described(self) -> Json:
        webhooks = [self.webhook()]
        return {
            "id": self.id, "type": "custom", "status": "active", "displayName": self.name, "webhooks": webhooks
        }  # fmt: skip


class Talk(msgspec.Struct):
    """One conversation of one visitor. *active* and *pending* are ids of seats.

    *ticket* is what agents were given with control: tags, fields, and how much had been said by then.
    """

    id: str
    user: Json
    messages: list[Json] = []
    active: str = ""
    pending: str = ""
    metadata: Json = {}
    offered: Json = {}
    ticket: Json = {}
    is_announced: bool = False
    on_message: Callable[[Json], None] | None = None
    on_typing: Callable[[bool], None] | None = None
    on_read: Callable[[], None] | None = None


class NoSuchThing(LookupError):
    """What a call names does not exist; ``code`` is Sunshine's."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class NotAllowed(Exception):
    """The switchboard's rules forbid it."""


class World:
    """Everything that outlives one request. *emit* is called with every event, its trigger, and whom it concerns."""

    def __init__(self, clock: Clock, app_id: str) -> None:
        self.clock = clock
        self.app_id = app_id
        self.talks: dict[str, Talk] = {}
        self.users: dict[str, Json] = {}
        """People whom somebody made through the API, by id."""
        self.messages_at_most = MESSAGES_AT_MOST
        self.hooks: dict[str, Hook] = {}
        self.seats: dict[str, Seat] = {}
        self.files: dict[str, PhoneFile] = {}
        self.switchboard_id = new_id()
        self.is_enabled = True
        self.first = ""
        self.widget_first = ""
        """Who answers first in the widget, where that is not the switchboard's first."""
        self.on_event: Callable[[Hook, bytes, str], None] = lambda _hook, _body, _key: None
        self.add_seat(Seat(new_id(), "agents", new_id(), AGENTS))

    # ------------------------------------------------------------ the switchboard

    def add_seat(self, seat: Seat) -> Seat:
        self.seats[seat.id] = seat
        return seat

    def seat_called(self, wanted: str, active: str) -> Seat:
        """By id, name or type, or the one that follows the active. Raises ``NoSuchThing``."""
        if wanted == "next":
            following = self.seats[active].following if active in self.seats else ""
            wanted = following or "\0"
        for seat in self.seats.values():
            if wanted in {seat.id, seat.name}:
                return seat
        by_type = [seat for seat in self.seats.values() if seat.integration_type == wanted]
        if len(by_type) != 1:
            raise NoSuchThing("switchboard_integration_not_found")
        return by_type[0]

    def pass_control(self, talk: Talk, wanted: str, *, metadata: object = None, reason: str = "") -> None:
        """Make another active. Doing it again changes nothing."""
        seat = self.seat_called(wanted, talk.active)
        if talk.active == seat.id:
            return
        talk.active, talk.pending = seat.id, ""
        self._make_ticket(talk, metadata)
        self.tell_control(talk, "passControl", metadata, reason)

    def offer_control(self, talk: Talk, wanted: str, metadata: object) -> None:
        seat = self.seat_called(wanted, talk.active)
        if seat.id == talk.active:
            raise NotAllowed("the target is in control already")
        talk.pending = seat.id
        talk.offered = metadata if isinstance(metadata, dict) else {}
        self.tell_control(talk, "offerControl", metadata, "")

    def accept_control(self, talk: Talk, metadata: object) -> None:
        if not talk.pending:
            raise NotAllowed("nobody was offered control")
        talk.active, talk.pending = talk.pending, ""
        self._make_ticket(talk, metadata or talk.offered)
        self.tell_control(talk, "acceptControl", metadata, "")

    def release_control(self, talk: Talk, *, metadata: object = None, reason: str = "") -> None:
        talk.active, talk.pending = "", ""
        self.tell_control(talk, "releaseControl", metadata, reason)

    def _make_ticket(self, talk: Talk, metadata: object) -> None:
        """The agents' workspace makes a ticket of what it is given, or hears first, unless one is open."""
        if self.seats[talk.active].integration_type != AGENTS or talk.ticket.get("status") == "open":
            return
        given = metadata if isinstance(metadata, dict) else {}
        fields = {key.rpartition(".")[2]: value for key, value in given.items() if key.startswith(_TICKET_FIELD)}
        tags = [tag for tag in str(given.get(_TICKET_TAGS, "")).split(",") if tag]
        talk.ticket = {"status": "open", "tags": tags, "fields": fields, "said_before": len(talk.messages)}

    def tell_control(self, talk: Talk, kind: str, metadata: object, reason: str) -> None:
        payload: Json = {"conversation": self.described(talk), "metadata": metadata or {}}
        if reason:
            payload["reason"] = reason
        self.emit(talk, f"switchboard:{kind}", payload)

    # ------------------------------------------------------------ people and what they say

    def talk_with(self, name: str, language: str) -> Talk:
        """The conversation with somebody of that name: the same one in every run."""
        digest = hashlib.blake2b(name.encode(), digest_size=12).hexdigest()
        if digest not in self.talks:
            profile = {"givenName": name, "locale": language}
            user: Json = {"id": digest[::-1], "authenticated": False, "profile": profile, "metadata": {}}
            self.talks[digest] = Talk(digest, user, active=self.widget_first or self.first)
        return self.talks[digest]

    def talk(self, conversation: str) -> Talk:
        """Raises ``NoSuchThing``."""
        if conversation not in self.talks:
            raise NoSuchThing("conversation_not_found")
        return self.talks[conversation]

    def hears(self, talk: Talk, content: Json, source: Json, **more: object) -> str:
        """A visitor says something. Whoever was offered control takes it now. Returns the message's id."""
        if talk.pending and self.seats[talk.pending].integration_type == AGENTS:
            self.accept_control(talk, None)
        if not talk.active:
            talk.active = self.widget_first or self.first
        if not talk.messages and not talk.is_announced:
            talk.is_announced = True
            self.emit(talk, "conversation:create", self._creation(talk, source, "message"))
        author: Json = {"type": "user", "userId": talk.user["id"], "user": talk.user}
        author["displayName"] = str(msgspec.convert(talk.user["profile"], Json).get("givenName", ""))
        message = self._message(author, content, source, more)
        talk.messages.append(message)
        self.emit(talk, "conversation:message", {"conversation": self.described(talk), "message": message})
        if talk.active:
            self._make_ticket(talk, None)
        return str(message["id"])

    def _creation(self, talk: Talk, source: Json, reason: str) -> Json:
        described = self.described(talk)
        return {"conversation": described, "creationReason": reason, "source": source, "user": talk.user}

    def make_user(self, external_id: str, profile: Json, metadata: Json) -> Json:
        """Raises ``NotAllowed`` where somebody has that name already."""
        if any(user.get("externalId") == external_id for user in self.users.values()):
            raise NotAllowed("externalId is taken")
        user: Json = {"id": new_id(), "externalId": external_id, "profile": profile, "metadata": metadata}
        self.users[str(user["id"])] = {**user, "authenticated": False}
        return self.users[str(user["id"])]

    def user(self, name: str) -> Json:
        """By id, or by external id. Raises ``NoSuchThing``."""
        for user in self.users.values():
            if name in {user["id"], user.get("externalId")}:
                return user
        raise NoSuchThing("user_not_found")

    def make_talk(self, user: Json, metadata: Json) -> Talk:
        """A conversation that nobody has written in yet; whoever is first on the switchboard has it."""
        talk = Talk(new_id(), user, active=self.first, metadata=metadata, is_announced=True)
        self.talks[talk.id] = talk
        self.emit(talk, "conversation:create", self._creation(talk, {"type": "api:conversations"}, "none"))
        return talk

    def remove_talk(self, talk: Talk) -> None:
        """An administrator deletes it."""
        del self.talks[talk.id]
        self.emit(talk, "conversation:remove", {"conversation": {"id": talk.id}, "user": talk.user})

    def remove_user(self, user: Json) -> None:
        """An administrator deletes a person, with all that they have."""
        del self.users[str(user["id"])]
        theirs = [talk for talk in self.talks.values() if talk.user is user]
        for talk in theirs:
            del self.talks[talk.id]
        self.emit(Talk("", user), "user:remove", {"user": user})

    def _message(self, author: Json, content: Json, source: Json, more: Json) -> Json:
        now = stamp(self.clock.now())
        return {"id": new_id(), "received": now, "author": author, "content": content, "source": source, **more}

    def says(self, talk: Talk, author: Json, content: Json, source: str, metadata: object = None) -> Json:
        """The business says something: it stands in the widget at once, and everybody who listens is told."""
        message = self._message(author, content, {"type": source}, {"metadata": metadata} if metadata else {})
        talk.messages.append(message)
        if talk.on_message is not None:
            talk.on_message(message)
        self.emit(talk, "conversation:message", {"conversation": self.described(talk), "message": message})
        for kind in ("channel", "user"):
            self.emit(talk, f"conversation:message:delivery:{kind}", self._delivery(talk, message))
        return message

    def _delivery(self, talk: Talk, message: Json) -> Json:
        return {
            "user": talk.user,
            "conversation": self.described(talk),
            "message": {"id": message["id"]},
            "destination": {"type": "web", "integrationId": "widget"},
            "externalMessages": [],
            "isFinalEvent": True,
        }

    def described(self, talk: Talk) -> Json:
        """A conversation as webhooks tell it."""
        described: Json = {"id": talk.id, "type": "personal"}
        if talk.metadata:
            described["metadata"] = talk.metadata
        if talk.active in self.seats:
            described["activeSwitchboardIntegration"] = self.seats[talk.active].described()
        if talk.pending in self.seats:
            described["pendingSwitchboardIntegration"] = self.seats[talk.pending].described()
        return described

    def add_private(self, content: bytes, mime: str) -> str:
        """Keep a file of a visitor; the answer is its path."""
        return f"/sc/attachments/private/{self.add_file(content, mime)}"

    def add_file(self, content: bytes, mime: str) -> str:
        key = secrets.token_hex(12)
        self.files[key] = PhoneFile(content, mime)
        while len(self.files) > KEPT_FILES:
            del self.files[next(iter(self.files))]
        return key

    # ------------------------------------------------------------ webhooks

    def emit(self, talk: Talk, trigger: str, payload: Json) -> None:
        """Tell every webhook that listens to it, and whose integration may hear of this conversation now."""
        for hook in self.hooks.values():
            if trigger in hook.triggers and self._may_hear(hook, talk):
                event: Json = {
                    "id": new_id(),
                    "type": trigger,
                    "createdAt": stamp(self.clock.now()),
                    "payload": payload,
                }
                self.on_event(hook, enveloped(self.app_id, hook.webhook_id, [event]), talk.id)

    def _may_hear(self, hook: Hook, talk: Talk) -> bool:
        seat = next((seat for seat in self.seats.values() if seat.integration_id == hook.id), None)
        if seat is None or not self.is_enabled:
            return True
        return seat.hears_standby or seat.id in {talk.active, talk.pending} or not talk.active


def enveloped(app_id: str, webhook_id: str, events: Sequence[Json]) -> bytes:
    """One webhook's body."""
    body = {"app": {"id": app_id}, "webhook": {"id": webhook_id, "version": "v2"}, "events": list(events)}
    return json.dumps(body, ensure_ascii=False).encode()


def joined(bodies: Sequence[bytes]) -> bytes:
    """Several webhooks as one with all their events."""
    opened = [json.loads(body) for body in bodies]
    events = [event for body in opened for event in body["events"]]
    return json.dumps({**opened[0], "events": events}, ensure_ascii=False).encode()


def new_id() -> str:
    """As Sunshine makes them: 24 hexadecimal digits."""
    return secrets.token_hex(12)


def stamp(at: datetime) -> str:
    """A time with milliseconds, as on the wire."""
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"
