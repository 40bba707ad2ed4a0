"""What callers send to the sandbox, read field by field, and the words in which Zendesk says no."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NoReturn, TypeAlias, TypeVar

import msgspec
from aiohttp import web
from msgspec import UNSET, UnsetType

from channels.sandbox_kit import Refused
from channels.specimen import ProviderAnswer
from handoff.desks.zendesk.sandbox_records import Json

BODY_LIMIT_BYTES = 1_000_000

T = TypeVar("T")

Maybe: TypeAlias = T | UnsetType


class RequesterInput(msgspec.Struct):
    name: str | None = None
    email: str | None = None
    external_id: str | None = None
    phone: str | None = None
    locale_id: int | None = None


class CommentInput(msgspec.Struct):
    body: str | None = None
    html_body: str | None = None
    value: str | None = None
    public: bool = True
    author_id: int | None = None
    uploads: list[str] | str | None = None
    channel_back: bool | None = None

    @property
    def tokens(self) -> list[str]:
        if isinstance(self.uploads, str):
            return [self.uploads]
        return self.uploads or []


class FieldValue(msgspec.Struct):
    id: int
    value: object = None


class MetadataInput(msgspec.Struct):
    custom: dict[str, object] | None = None


class TicketInput(msgspec.Struct):
    """What a call may set; what it does not name stays as it is."""

    subject: Maybe[str | None] = UNSET
    raw_subject: Maybe[str | None] = UNSET
    description: Maybe[str | None] = UNSET
    comment: Maybe[CommentInput | str | None] = UNSET
    requester: Maybe[RequesterInput | None] = UNSET
    requester_id: Maybe[int | None] = UNSET
    submitter_id: Maybe[int | None] = UNSET
    assignee_id: Maybe[int | None] = UNSET
    assignee_email: Maybe[str | None] = UNSET
    group_id: Maybe[int | None] = UNSET
    brand_id: Maybe[int | None] = UNSET
    ticket_form_id: Maybe[int | None] = UNSET
    external_id: Maybe[str | None] = UNSET
    tags: Maybe[list[str] | str | None] = UNSET
    additional_tags: Maybe[list[str] | str | None] = UNSET
    remove_tags: Maybe[list[str] | str | None] = UNSET
    custom_fields: Maybe[list[FieldValue] | None] = UNSET
    status: Maybe[str | None] = UNSET
    priority: Maybe[str | None] = UNSET
    type: Maybe[str | None] = UNSET
    via_followup_source_id: Maybe[int | None] = UNSET
    metadata: Maybe[MetadataInput | None] = UNSET
    safe_update: bool | None = False
    updated_stamp: str | None = None

    @property
    def said(self) -> CommentInput | None:
        """The comment, in whichever of its forms it came."""
        if isinstance(self.comment, CommentInput):
            return self.comment
        if isinstance(self.comment, str):
            return CommentInput(body=self.comment)
        if isinstance(self.description, str):
            return CommentInput(body=self.description)
        return None

    @property
    def custom(self) -> dict[str, object]:
        """What is to be kept beside the act."""
        return (self.metadata.custom or {}) if isinstance(self.metadata, MetadataInput) else {}


class TicketBody(msgspec.Struct):
    ticket: TicketInput


class IdentityInput(msgspec.Struct):
    type: str
    value: str
    verified: bool = False
    primary: bool = False


class IdentityBody(msgspec.Struct):
    identity: IdentityInput


class UserInput(msgspec.Struct):
    id: int | None = None
    name: Maybe[str | None] = UNSET
    email: Maybe[str | None] = UNSET
    phone: Maybe[str | None] = UNSET
    external_id: Maybe[str | None] = UNSET
    role: Maybe[str | None] = UNSET
    verified: Maybe[bool | None] = UNSET
    locale: Maybe[str | None] = UNSET
    locale_id: Maybe[int | None] = UNSET
    time_zone: Maybe[str | None] = UNSET
    notes: Maybe[str | None] = UNSET
    details: Maybe[str | None] = UNSET
    tags: Maybe[list[str] | str | None] = UNSET
    user_fields: Maybe[dict[str, object] | None] = UNSET
    identities: Maybe[list[IdentityInput] | None] = UNSET


class UserBody(msgspec.Struct):
    user: UserInput


class MergeUserInput(msgspec.Struct):
    id: int


class MergeUserBody(msgspec.Struct):
    user: MergeUserInput


class MergeTicketsBody(msgspec.Struct):
    ids: list[int]
    target_comment: str = ""
    source_comment: str = ""
    target_comment_is_public: bool = False
    source_comment_is_public: bool = False


class TagsBody(msgspec.Struct):
    tags: list[str] | str


async def read_json(request: web.Request, kind: type[T]) -> T:
    """The body as *kind*. Answers as Zendesk does when it is not JSON, too large, or of another shape."""
    body = await request.read()
    if len(body) > BODY_LIMIT_BYTES:
        refuse(413, "PayloadTooLarge", "Request body is too large")
    if not request.content_type.startswith("application/json"):
        refuse(415, "UnsupportedContentType", "Content-Type must be application/json")
    try:
        loaded = json.loads(body)
    except ValueError:
        refuse(400, "Unprocessable JSON", "The request body is not valid JSON")
    try:
        return msgspec.convert(loaded, kind, strict=False)
    except msgspec.ValidationError as error:
        refuse(400, "InvalidRequest", str(error))


def refuse(status: int, error: str, description: str, headers: Mapping[str, str] | None = None) -> NoReturn:
    """Answer with an error and its description."""
    body = json.dumps({"error": error, "description": description}).encode()
    raise Refused(ProviderAnswer(status, body, headers or {}))


def refuse_fields(faults: Mapping[str, str], *, error: str = "InvalidValue") -> NoReturn:
    """Answer 422 with what is wrong with which field: ``{"requester": "Requester: is invalid"}``."""
    details = {name: [{"description": words, "error": error}] for name, words in faults.items()}
    content: Json = {"error": "RecordInvalid", "description": "Record validation errors", "details": details}
    raise Refused(ProviderAnswer(422, json.dumps(content).encode()))


def not_found() -> NoReturn:
    refuse(404, "RecordNotFound", "Not found")


def tags_of(value: list[str] | str | None) -> list[str]:
    """Tags as they are kept: in lower case, apart at blanks, each once."""
    words = value if isinstance(value, list) else [value or ""]
    return list(dict.fromkeys(tag for word in words for tag in word.lower().split()))
