"""What a Zendesk account holds, and how each of it looks on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal
from urllib.parse import quote

import msgspec

from handoff.desks.zendesk.sandbox_time import stamp

Json = dict[str, object]

Role = Literal["admin", "agent", "end-user"]
Status = Literal["new", "open", "pending", "hold", "solved", "closed"]

STATUSES: tuple[Status, ...] = ("new", "open", "pending", "hold", "solved", "closed")
"""In the order in which triggers compare them."""


class Identity(msgspec.Struct):
    """One way by which a person is known."""

    id: int
    type: str
    value: str
    is_verified: bool = True
    is_primary: bool = False

    def described(self, user_id: int) -> Json:
        return {
            "id": self.id,
            "user_id": user_id,
            "type": self.type,
            "value": self.value,
            "verified": self.is_verified,
            "primary": self.is_primary,
        }


class Person(msgspec.Struct, kw_only=True):
    """A user: somebody who asks, or somebody who answers. ``merged_into`` names who took their place."""

    id: int
    name: str
    role: Role
    created_at: datetime
    updated_at: datetime
    external_id: str | None = None
    email: str | None = None
    phone: str | None = None
    locale: str = "en-US"
    time_zone: str = ""
    notes: str = ""
    details: str = ""
    tags: list[str] = []
    user_fields: dict[str, object] = {}
    identities: list[Identity] = []
    is_verified: bool = False
    is_active: bool = True
    merged_into: int = 0

    @property
    def is_staff(self) -> bool:
        return self.role != "end-user"

    def described(self, url: str) -> Json:
        return {
            "id": self.id,
            "url": f"{url}/users/{self.id}.json",
            "name": self.name,
            "email": self.email,
            "created_at": stamp(self.created_at),
            "updated_at": stamp(self.updated_at),
            "time_zone": self.time_zone or "UTC",
            "phone": self.phone,
            "locale": self.locale,
            "role": self.role,
            "verified": self.is_verified,
            "external_id": self.external_id,
            "tags": list(self.tags),
            "alias": "",
            "active": self.is_active,
            "shared": False,
            "suspended": False,
            "details": self.details,
            "notes": self.notes,
            "organization_id": None,
            "user_fields": dict(self.user_fields),
        }


class Attachment(msgspec.Struct, frozen=True):
    """A file. ``secret`` is the part of its address that cannot be guessed."""

    id: int
    file_name: str
    content_type: str
    size: int
    secret: str

    def described(self, origin: str) -> Json:
        address = f"{origin}/attachments/token/{self.secret}/?name={quote(self.file_name)}"
        return {
            "id": self.id,
            "url": f"{origin}/api/v2/attachments/{self.id}.json",
            "file_name": self.file_name,
            "content_url": address,
            "mapped_content_url": address,
            "content_type": self.content_type,
            "size": self.size,
            "width": None,
            "height": None,
            "inline": False,
            "deleted": False,
            "malware_access_override": False,
            "malware_scan_result": "malware_not_found",
            "thumbnails": [],
        }


class Comment(msgspec.Struct, kw_only=True):
    """``body`` is what was written, ``plain_body`` the same without any markup."""

    id: int
    author_id: int
    body: str
    html_body: str
    plain_body: str
    is_public: bool
    created_at: datetime
    audit_id: int
    channel: str
    attachments: list[Attachment] = []
    custom: dict[str, object] = {}

    def described(self, origin: str) -> Json:
        return {
            "id": self.id,
            "type": "Comment",
            "author_id": self.author_id,
            "body": self.body,
            "html_body": self.html_body,
            "plain_body": self.plain_body,
            "public": self.is_public,
            "attachments": [one.described(origin) for one in self.attachments],
            "audit_id": self.audit_id,
            "via": via(self.channel),
            "created_at": stamp(self.created_at),
            "metadata": {"system": {}, "custom": dict(self.custom)},
        }


class Audit(msgspec.Struct, frozen=True):
    """One act on a ticket, with everything that it changed; ``custom`` is what the caller wanted kept beside it."""

    id: int
    author_id: int
    channel: str
    created_at: datetime
    events: tuple[Json, ...]
    custom: Mapping[str, object] = {}

    def described(self, ticket_id: int) -> Json:
        return {
            "id": self.id,
            "ticket_id": ticket_id,
            "created_at": stamp(self.created_at),
            "author_id": self.author_id,
            "metadata": {"system": {}, "custom": dict(self.custom)},
            "events": [dict(event) for event in self.events],
            "via": via(self.channel),
        }


class Ticket(msgspec.Struct, kw_only=True):
    """``solved_at`` is when it was solved last; some time after, it is closed."""

    id: int
    subject: str
    description: str
    requester_id: int
    submitter_id: int
    created_at: datetime
    updated_at: datetime
    status: Status = "new"
    priority: str | None = None
    type: str | None = None
    assignee_id: int | None = None
    group_id: int | None = None
    brand_id: int | None = None
    ticket_form_id: int | None = None
    external_id: str | None = None
    tags: list[str] = []
    fields: dict[int, object] = {}
    comments: list[Comment] = []
    audits: list[Audit] = []
    channel: str = "api"
    followup_of: int = 0
    followup_ids: list[int] = []
    solved_at: datetime | None = None
    merged_into: int = 0
    is_deleted: bool = False
    is_spam: bool = False

    @property
    def is_closed(self) -> bool:
        return self.status == "closed"

    @property
    def is_public(self) -> bool:
        return any(comment.is_public for comment in self.comments)

    def described(self, url: str, fields: Mapping[int, object]) -> Json:
        """As the API tells it; *fields* are those that every ticket has."""
        values = [{"id": key, "value": self.fields.get(key)} for key in fields]
        return {
            "url": f"{url}/tickets/{self.id}.json",
            "id": self.id,
            "external_id": self.external_id,
            "via": via(self.channel, self.followup_of),
            "created_at": stamp(self.created_at),
            "updated_at": stamp(self.updated_at),
            "generated_timestamp": int(self.updated_at.timestamp()),
            "type": self.type,
            "subject": self.subject,
            "raw_subject": self.subject,
            "description": self.description,
            "priority": self.priority,
            "status": "deleted" if self.is_deleted else self.status,
            "recipient": None,
            "requester_id": self.requester_id,
            "submitter_id": self.submitter_id,
            "assignee_id": self.assignee_id,
            "organization_id": None,
            "group_id": self.group_id,
            "collaborator_ids": [],
            "follower_ids": [],
            "email_cc_ids": [],
            "forum_topic_id": None,
            "problem_id": None,
            "has_incidents": False,
            "is_public": self.is_public,
            "due_at": None,
            "tags": list(self.tags),
            "custom_fields": values,
            "satisfaction_rating": {"score": "unoffered"},
            "sharing_agreement_ids": [],
            "custom_status_id": STATUSES.index(self.status) + 1,
            "fields": values,
            "followup_ids": list(self.followup_ids),
            "ticket_form_id": self.ticket_form_id,
            "brand_id": self.brand_id,
            "allow_channelback": False,
            "allow_attachments": True,
            "from_messaging_channel": False,
        }


class Upload(msgspec.Struct):
    """Files that wait for the comment that names their token."""

    token: str
    attachments: list[Attachment]
    expires_at: datetime


class Field(msgspec.Struct, frozen=True):
    """A custom field. ``options`` are the values of a list; any text fits without them."""

    id: int
    type: str
    title: str
    options: tuple[str, ...] = ()
    is_active: bool = True

    def described(self, url: str) -> Json:
        described: Json = {
            "url": f"{url}/ticket_fields/{self.id}.json",
            "id": self.id,
            "type": self.type,
            "title": self.title,
            "raw_title": self.title,
            "active": self.is_active,
            "required": False,
            "removable": True,
        }
        if self.type in ("tagger", "multiselect"):
            described["custom_field_options"] = [{"name": value, "value": value} for value in self.options]
        return described


class Form(msgspec.Struct, frozen=True):
    id: int
    name: str
    is_default: bool
    field_ids: tuple[int, ...] = ()

    def described(self, url: str) -> Json:
        return {
            "url": f"{url}/ticket_forms/{self.id}.json",
            "id": self.id,
            "name": self.name,
            "raw_name": self.name,
            "display_name": self.name,
            "active": True,
            "default": self.is_default,
            "end_user_visible": True,
            "position": 1,
            "ticket_field_ids": list(self.field_ids),
        }


class Group(msgspec.Struct, frozen=True):
    id: int
    name: str
    is_default: bool = False

    def described(self, url: str) -> Json:
        return {
            "url": f"{url}/groups/{self.id}.json",
            "id": self.id,
            "name": self.name,
            "description": "",
            "default": self.is_default,
            "deleted": False,
            "is_public": True,
        }


class Hook(msgspec.Struct, kw_only=True):
    """A webhook. ``subscriptions`` are event types, or ``conditional_ticket_events`` when triggers send by it."""

    id: str
    name: str
    endpoint: str
    secret: str
    subscriptions: tuple[str, ...]
    created_at: datetime
    method: str = "POST"
    format: str = "json"
    status: str = "active"
    authentication: Json | None = None
    headers: dict[str, str] = {}

    @property
    def is_active(self) -> bool:
        return self.status == "active"

    @property
    def is_for_triggers(self) -> bool:
        return CONDITIONAL in self.subscriptions

    def described(self) -> Json:
        described: Json = {
            "id": self.id,
            "name": self.name,
            "description": "",
            "endpoint": self.endpoint,
            "http_method": self.method,
            "request_format": self.format,
            "status": self.status,
            "subscriptions": list(self.subscriptions),
            "created_at": stamp(self.created_at),
            "created_by": "1",
        }
        if self.authentication is not None:
            hidden = {key: value for key, value in self.authentication.items() if key != "data"}
            described["authentication"] = hidden
        if self.headers:
            described["custom_headers"] = dict(self.headers)
        return described


CONDITIONAL = "conditional_ticket_events"


class Trigger(msgspec.Struct, kw_only=True):
    """Conditions of which all of the first and one of the second must hold, and what is done then."""

    id: int
    title: str
    all: tuple[Json, ...]
    any: tuple[Json, ...]
    actions: tuple[Json, ...]
    created_at: datetime
    updated_at: datetime
    is_active: bool = True
    category_id: str | None = None
    description: str = ""
    position: int = 0

    def described(self, url: str) -> Json:
        return {
            "url": f"{url}/triggers/{self.id}.json",
            "id": self.id,
            "title": self.title,
            "raw_title": self.title,
            "active": self.is_active,
            "default": False,
            "description": self.description,
            "position": self.position,
            "category_id": self.category_id,
            "created_at": stamp(self.created_at),
            "updated_at": stamp(self.updated_at),
            "conditions": {"all": [dict(one) for one in self.all], "any": [dict(one) for one in self.any]},
            "actions": [dict(one) for one in self.actions],
        }


def via(channel: str, followup_of: int = 0) -> Json:
    """Where something came from."""
    source: Json = {"from": {}, "to": {}, "rel": None}
    if followup_of:
        source = {"from": {"ticket_id": followup_of, "channel": channel}, "to": {}, "rel": "follow_up"}
    return {"channel": channel, "source": source}
