"""What a webhook says, in our words: events of Zendesk's bus, and the pings of our own trigger.

Keys: ``comment:<id>`` for what somebody wrote (the reconciling poll uses the same), ``event:<id>`` for everything else
of the bus, ``ping:<invocation>`` for the trigger. Whatever is not used gives no event.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from gateway.core.channel import WebhookRequest
from gateway.core.desks import DeskEvent
from gateway.core.errors import BadPayload
from handoff.desks.zendesk.verify import INVOCATION, TIMESTAMP, moment
from handoff.desks.zendesk.wire import Attached, Envelope, EventComment, Ping, WireComment, WireTicket, number

BUS = "zen:event-type:ticket."

COMMENT = "comment"
ATTACHMENT = "attachment"
ASSIGNED = "assigned"
STATUS = "status"
MERGED = "merged"
GONE = "gone"
LOOK = "look"

_KINDS = {
    "comment_added": COMMENT,
    "attachment_linked_to_comment": ATTACHMENT,
    "agent_assignment_changed": ASSIGNED,
    "status_changed": STATUS,
    "merged": MERGED,
    "marked_as_spam": GONE,
    "soft_deleted": GONE,
    "permanently_deleted": GONE,
    "undeleted": LOOK,
}

SUBSCRIPTIONS = tuple(f"{BUS}{name}" for name in _KINDS)
"""The types that become events; the only ones that are subscribed to."""


class Heard(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that happened to a ticket. 0 and empty: not told.

    ``is_whole``: a comment with everything that it has, as the API tells it. ``at`` is Zendesk's time.
    """

    kind: str
    ticket_id: int
    at: datetime
    external_id: str = ""
    comment_id: int = 0
    author_id: int = 0
    author_name: str = ""
    is_staff: bool | None = None
    is_public: bool | None = None
    body: str = ""
    html_body: str = ""
    is_whole: bool = False
    attachments: tuple[Attached, ...] = ()
    assignee_id: int = 0
    requester_id: int = 0
    status: str = ""
    target_id: int = 0


_encode = msgspec.json.Encoder().encode
_decode_envelope = msgspec.json.Decoder(Envelope, strict=False).decode
_decode_ping = msgspec.json.Decoder(Ping, strict=False).decode
_decode_heard = msgspec.json.Decoder(Heard).decode


def parse(request: WebhookRequest) -> Sequence[DeskEvent]:
    """The events of a webhook, none or one. Raises ``BadPayload`` for what is not JSON, or not what was agreed."""
    try:
        raw = msgspec.json.decode(request.body, type=dict[str, msgspec.Raw])
        if "type" in raw:
            return _of_bus(_decode_envelope(request.body))
        if "ticket_id" in raw:
            return _of_trigger(_decode_ping(request.body), request)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        path = str(error).rpartition(" - at ")[2].strip("`") if " - at " in str(error) else "$"
        raise BadPayload("is not an event of Zendesk, nor what our trigger sends", path=path) from None
    raise BadPayload("has neither 'type' nor 'ticket_id'")


def heard_in(event: DeskEvent) -> Heard:
    """What an event of ours holds. Raises ``BadPayload``."""
    try:
        return _decode_heard(event.data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadPayload(f"is not what this release writes ({error})") from None


def event_of_comment(ticket: WireTicket, comment: WireComment, now: datetime) -> DeskEvent:
    """A comment that the API told of, under the key that its webhook has."""
    heard = Heard(
        kind=COMMENT,
        ticket_id=ticket.id,
        at=comment.at or now,
        comment_id=comment.id,
        author_id=comment.author_id or 0,
        is_public=comment.public,
        body=comment.plain_body or comment.body or "",
        html_body=comment.html_body or "",
        is_whole=True,
        attachments=tuple(comment.attachments),
        requester_id=ticket.requester_id or 0,
    )
    return event(heard, f"comment:{comment.id}")


def event_of_ticket(ticket: WireTicket, at: datetime) -> DeskEvent:
    """How a ticket stands, as the API told it."""
    heard = Heard(
        kind=LOOK,
        ticket_id=ticket.id,
        at=at,
        status=ticket.status,
        assignee_id=ticket.assignee_id or 0,
        requester_id=ticket.requester_id or 0,
    )
    return event(heard, f"look:{ticket.id}:{ticket.updated_at or at.isoformat()}")


def event(heard: Heard, key: str) -> DeskEvent:
    return DeskEvent(key, heard.kind, heard.at, str(heard.ticket_id), _encode(heard))


def _of_bus(envelope: Envelope) -> Sequence[DeskEvent]:
    kind = _KINDS.get(envelope.type.removeprefix(BUS)) if envelope.type.startswith(BUS) else None
    if kind is None:
        return ()
    ticket_id = number(envelope.detail.id) or number((envelope.subject or "").rpartition(":")[2])
    at = moment(envelope.time or "")
    if not ticket_id:
        raise BadPayload("names no ticket", path="$.detail.id")
    if at is None:
        raise BadPayload("is not a time", path="$.time")
    detail = envelope.detail
    heard = Heard(
        kind=kind,
        ticket_id=ticket_id,
        at=at,
        external_id=detail.external_id or "",
        requester_id=number(detail.requester_id),
        assignee_id=number(detail.assignee_id),
        status=(detail.status or "").lower(),
    )
    if kind in {COMMENT, ATTACHMENT}:
        return _of_comment(heard, envelope.event.comment, envelope.id or "")
    if kind == ASSIGNED:
        current = envelope.event.current
        heard = msgspec.structs.replace(heard, assignee_id=number(current) if isinstance(current, int | str) else 0)
    elif kind == STATUS and isinstance(envelope.event.current, str):
        heard = msgspec.structs.replace(heard, status=envelope.event.current.lower())
    elif kind == MERGED:
        heard = msgspec.structs.replace(heard, target_id=number(envelope.event.target_ticket_id))
    if not envelope.id:
        raise BadPayload("has no id", path="$.id")
    return (event(heard, f"event:{envelope.id}"),)


def _of_comment(heard: Heard, comment: EventComment | None, event_id: str) -> Sequence[DeskEvent]:
    comment_id = number(comment.id) if comment is not None else 0
    if comment is None or not comment_id:
        raise BadPayload("names no comment", path="$.event.comment.id")
    if comment.is_public is False:
        return ()
    author = comment.author
    told = msgspec.structs.replace(
        heard,
        comment_id=comment_id,
        author_id=number(author.id) if author else 0,
        author_name=(author.name or "") if author else "",
        is_staff=author.is_staff if author else None,
        is_public=comment.is_public,
        body=comment.body or "",
    )
    if heard.kind == COMMENT:
        return (event(told, f"comment:{comment_id}"),)
    file = comment.attachment
    if file is None or not file.is_public or not number(file.id):
        return ()
    told = msgspec.structs.replace(told, attachments=(file,))
    return (event(told, f"attachment:{comment_id}:{number(file.id)}" if not event_id else f"event:{event_id}"),)


def _of_trigger(ping: Ping, request: WebhookRequest) -> Sequence[DeskEvent]:
    ticket_id = number(ping.ticket_id)
    if not ticket_id:
        raise BadPayload("names no ticket", path="$.ticket_id")
    at = moment(request.headers.get(TIMESTAMP, "")) or datetime.now(UTC)
    invocation = request.headers.get(INVOCATION, "") or at.isoformat()
    heard = Heard(kind=LOOK, ticket_id=ticket_id, at=at, external_id=ping.external_id or "")
    return (event(heard, f"ping:{invocation}"),)
