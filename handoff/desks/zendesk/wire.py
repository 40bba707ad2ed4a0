"""Zendesk's JSON, as far as it is read: what webhooks bring and what the API answers. Ids are numbers or texts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from handoff.desks.zendesk.verify import moment

Id = int | str | None
Words = list[str] | str | None

MARKER = "tertulia"
"""The name, among a change's own metadata, of the mark by which we find it again."""


def number(value: Id) -> int:
    """An id as a number; 0 when there is none, or it is not one."""
    if isinstance(value, int):
        return max(0, value)
    text = (value or "").strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else 0


# ---------------------------------------------------------------- webhooks


class Attached(msgspec.Struct, frozen=True):
    id: Id = None
    content_url: str | None = None
    content_type: str | None = None
    filename: str | None = None
    file_name: str | None = None
    size: int | str | None = None
    is_public: bool = True


class Writer(msgspec.Struct, frozen=True):
    id: Id = None
    is_staff: bool | None = None
    name: str | None = None


class EventComment(msgspec.Struct, frozen=True):
    id: Id = None
    body: str | None = None
    is_public: bool | None = None
    author: Writer | None = None
    attachment: Attached | None = None


class EventBody(msgspec.Struct, frozen=True):
    """What changed; which of these there are depends on the type."""

    comment: EventComment | None = None
    current: Any = None
    previous: Any = None
    target_ticket_id: Id = None


class EventTicket(msgspec.Struct, frozen=True):
    id: Id = None
    status: str | None = None
    external_id: str | None = None
    requester_id: Id = None
    assignee_id: Id = None
    actor_id: Id = None
    updated_at: str | None = None
    tags: Words = None


class Envelope(msgspec.Struct, frozen=True):
    """An event that Zendesk's event bus sends."""

    type: str
    id: str | None = None
    time: str | None = None
    subject: str | None = None
    event: EventBody = EventBody()
    detail: EventTicket = EventTicket()


class Ping(msgspec.Struct, frozen=True):
    """What our own trigger sends: that something happened to a ticket, and nothing that could break JSON."""

    ticket_id: Id = None
    external_id: str | None = None


# ---------------------------------------------------------------- the API


class WireUser(msgspec.Struct, frozen=True):
    id: int = 0
    name: str | None = None
    alias: str | None = None
    email: str | None = None
    role: str | None = None
    active: bool | None = True
    suspended: bool | None = False
    external_id: str | None = None


class WireTicket(msgspec.Struct, frozen=True):
    id: int
    status: str = ""
    external_id: str | None = None
    requester_id: int | None = None
    assignee_id: int | None = None
    group_id: int | None = None
    created_at: str | None = None
    updated_at: str | None = None
    tags: list[str] = []


class WireComment(msgspec.Struct, frozen=True):
    id: int
    author_id: int | None = None
    body: str | None = None
    html_body: str | None = None
    plain_body: str | None = None
    public: bool = True
    created_at: str | None = None
    attachments: list[Attached] = []
    metadata: Any = None
    via: Any = None

    @property
    def at(self) -> datetime | None:
        return moment(self.created_at or "")

    @property
    def marker(self) -> str:
        """What we marked it with when we wrote it; empty for what others wrote."""
        custom = self.metadata.get("custom") if isinstance(self.metadata, dict) else None
        found = custom.get(MARKER) if isinstance(custom, dict) else None
        return found if isinstance(found, str) else ""


class AuditEvent(msgspec.Struct, frozen=True):
    id: int = 0
    type: str = ""


class Audit(msgspec.Struct, frozen=True):
    id: int = 0
    events: list[AuditEvent] = []


class Changed(msgspec.Struct, frozen=True):
    """The answer to a ticket that was made or changed."""

    ticket: WireTicket
    audit: Audit = Audit()

    @property
    def comment_id(self) -> int:
        """The comment that this change brought: its event in the audit has the same number; 0: none."""
        return next((event.id for event in self.audit.events if event.type == "Comment"), 0)


class OneTicket(msgspec.Struct, frozen=True):
    ticket: WireTicket


class Tickets(msgspec.Struct, frozen=True):
    tickets: list[WireTicket] = []


class Comments(msgspec.Struct, frozen=True):
    comments: list[WireComment] = []
    next_page: str | None = None


class Export(msgspec.Struct, frozen=True):
    """A page of the incremental export."""

    tickets: list[WireTicket] = []
    after_cursor: str | None = None
    end_of_stream: bool = True


class OneUser(msgspec.Struct, frozen=True):
    user: WireUser = WireUser()


class Uploaded(msgspec.Struct, frozen=True):
    token: str
    expires_at: str | None = None


class OneUpload(msgspec.Struct, frozen=True):
    upload: Uploaded


class Fault(msgspec.Struct, frozen=True):
    description: str | None = None
    error: str | None = None


class Problem(msgspec.Struct, frozen=True):
    """A refusal. ``error`` is a word, or an object with title and message."""

    error: Any = None
    description: str | None = None
    details: Any = None

    @property
    def code(self) -> str:
        if isinstance(self.error, dict):
            return str(self.error.get("title", ""))[:100]
        return self.error[:100] if isinstance(self.error, str) else ""

    @property
    def places(self) -> tuple[str, ...]:
        """The fields that were refused."""
        return tuple(str(name)[:60] for name in self.details)[:20] if isinstance(self.details, dict) else ()

    def says(self, words: str) -> bool:
        """Whether any of the details holds these words; details themselves may repeat what customers wrote."""
        return words in msgspec.json.encode([self.description, self.details]).decode().lower()


class WireWebhook(msgspec.Struct, frozen=True):
    id: Id = None
    name: str | None = None
    endpoint: str | None = None
    status: str | None = None
    subscriptions: list[str] = []
    http_method: str | None = None
    request_format: str | None = None


class Webhooks(msgspec.Struct, frozen=True):
    webhooks: list[WireWebhook] = []


class OneWebhook(msgspec.Struct, frozen=True):
    webhook: WireWebhook


class SigningSecret(msgspec.Struct, frozen=True):
    secret: str = ""


class OneSecret(msgspec.Struct, frozen=True):
    signing_secret: SigningSecret = SigningSecret()


class Named(msgspec.Struct, frozen=True):
    """Anything with a number and a name: a group, a field, a form, a brand, a trigger."""

    id: int = 0
    name: str | None = None
    title: str | None = None
    active: bool | None = True
    deleted: bool | None = False
    type: str | None = None
    actions: list[Any] = []


class Listed(msgspec.Struct, frozen=True):
    """A list of some kind; only the one that was asked for is there."""

    groups: list[Named] = []
    ticket_fields: list[Named] = []
    ticket_forms: list[Named] = []
    brands: list[Named] = []
    triggers: list[Named] = []
    next_page: str | None = None
