"""What the desk's API and socket say, as JSON: cases, conversations, messages with the reasons of their turn. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from gateway.core.messages import Media, Part, Parts, Selection, Template, plain_text
from gateway.core.turns import Candidate, Entity
from gateway.store.canned import SavedReply
from gateway.store.desk import Case, Head, Live, Message, Page, Stay, Step, Turn, Visit
from gateway.store.notes import Note
from gateway.web.desk.surface import Speaking

PREVIEW_CHARS = 140

JsonPart = Mapping[str, object]

TemplateText = Callable[[str, str], str]
"""The text of a template by its name and language, with its blanks; empty when it is not known."""

_BLANK = re.compile(r"\{\{\s*([\w.]+)\s*\}\}")


class Preview(msgspec.Struct, frozen=True, omit_defaults=True):
    """The last words of a conversation. Without words ``kind`` tells what it was."""

    author: str
    text: str
    at: datetime | None
    kind: str = ""


class CaseLine(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A case in the queue. ``waiting_since`` is when the customer began to wait for a person; absent: they do not."""

    id: UUID
    conversation: UUID
    name: str
    app: str
    account: str
    language: str
    reason: str
    asked_at: datetime
    control: str
    epoch: int
    position: int
    detail: str = ""
    is_urgent: bool = False
    agent: str = ""
    accepted_at: datetime | None = None
    ended_at: datetime | None = None
    end_reason: str = ""
    waiting_since: datetime | None = None
    unanswered: int = 0
    last: Preview | None = None


class LiveLine(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A conversation that the bot leads."""

    conversation: UUID
    name: str
    app: str
    account: str
    language: str
    position: int
    last: Preview | None = None


class TurnLine(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Why the bot said what it said. ``duration_ms`` is the time from reading the words to the decision."""

    id: UUID
    link: str
    outcome: str
    duration_ms: float
    bot_version: str
    intent: str = ""
    confidence: float = 0.0
    candidates: tuple[Candidate, ...] = ()
    entities: tuple[Entity, ...] = ()
    steps: tuple[str, ...] = ()
    citations: tuple[str, ...] = ()
    reason: str = ""
    source: str = ""
    sentiment: str = ""
    language: str = ""


class MessageLine(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A message as the shared view takes it. ``client_id`` is what the agent's page called it."""

    seq: int
    id: UUID
    author: str
    at: datetime
    parts: tuple[JsonPart, ...]
    name: str = ""
    client_id: str = ""
    status: str = ""
    problem: str = ""
    losses: tuple[str, ...] = ()
    is_final: bool = False
    is_edited: bool = False
    is_deleted: bool = False
    turn: TurnLine | None = None


class NoteLine(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A note for colleagues; it stands behind the message ``after``. ``client_id`` is what its page called it."""

    id: UUID
    after: int
    at: datetime
    agent: str
    text: str
    client_id: str = ""


class ReplyLine(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A reply that is ready. Without ``id`` it is the author's; else ``agent`` saved it. No ``language``: for any."""

    name: str
    text: str
    language: str = ""
    id: UUID | None = None
    agent: str = ""


class StepLine(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A turn on the way to a person. ``seq`` is the position of the customer's words."""

    said: str = ""
    seq: int = 0
    link: str = ""
    intent: str = ""
    confidence: float = 0.0
    sentiment: str = ""
    reason: str = ""
    outcome: str = ""


class WhyLine(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Why a person was asked for. ``unresolved``: so many turns in a row, up to then, that the bot could not answer.

    ``slots`` are what it had gathered when it asked.
    """

    reason: str
    asked_at: datetime
    detail: str = ""
    intent: str = ""
    confidence: float = 0.0
    sentiment: str = ""
    is_urgent: bool = False
    reopened_agent: str = ""
    unresolved: int = 0
    slots: dict[str, str] = {}
    steps: tuple[StepLine, ...] = ()


class ContactLine(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The person. ``details`` are facts that a channel or a form told; ``evidence`` says how sure they are."""

    id: UUID
    name: str
    evidence: str
    known_since: datetime
    language: str = ""
    username: str = ""
    details: dict[str, Any] = {}


class Conversation(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="type", tag="conversation"):
    """One conversation as it stands. ``stays`` and ``visits`` have the latest first; ``is_first``: nothing is older.

    ``shows``: the kinds of files that the app shows as they are; absent: not known.
    """

    conversation: UUID
    control: str
    epoch: int
    position: int
    app: str
    account: str
    language: str
    contact: ContactLine
    messages: tuple[MessageLine, ...]
    is_first: bool
    now: datetime
    agent: str = ""
    handoff: UUID | None = None
    is_opted_out: bool = False
    opened_at: datetime | None = None
    rating: int | None = None
    slots: dict[str, str] = {}
    flow: str = ""
    stays: tuple[Stay, ...] = ()
    visits: tuple[Visit, ...] = ()
    notes: tuple[NoteLine, ...] = ()
    why: WhyLine | None = None
    speaking: Speaking = Speaking()
    shows: tuple[str, ...] | None = None


class Earlier(msgspec.Struct, frozen=True):
    """Older messages of a conversation."""

    messages: tuple[MessageLine, ...]
    is_first: bool
    notes: tuple[NoteLine, ...] = ()


class _Flow(msgspec.Struct):
    name: str = ""


class _Remembered(msgspec.Struct):
    """As much of the dialogue's state as agents are shown; whatever else is in it does not matter here."""

    slots: dict[str, Any] = {}
    flow: _Flow | None = None


_remembered = msgspec.json.Decoder(_Remembered)


def case_line(case: Case) -> CaseLine:
    agent = case.agent or (case.last_agent if case.ended_at is not None else "")
    waiting_since = case.unanswered_since if case.agent else case.asked_at
    return CaseLine(
        id=case.handoff_id,
        conversation=case.conversation_id,
        name=case.contact_name,
        app=case.app,
        account=case.account,
        language=case.language,
        reason=case.reason,
        detail=case.detail,
        is_urgent=case.is_urgent,
        asked_at=case.asked_at,
        control=case.control,
        epoch=case.epoch,
        position=case.position,
        agent=agent,
        accepted_at=case.accepted_at,
        ended_at=case.ended_at,
        end_reason=case.end_reason,
        waiting_since=waiting_since if case.ended_at is None else None,
        unanswered=case.unanswered,
        last=_preview(case.last_author, case.last_parts, case.last_at),
    )


def live_line(live: Live) -> LiveLine:
    return LiveLine(
        conversation=live.conversation_id,
        name=live.contact_name,
        app=live.app,
        account=live.account,
        language=live.language,
        position=live.position,
        last=_preview(live.last_author, live.last_parts, live.last_at),
    )


def conversation(
    head: Head,
    page: Page,
    stays: Sequence[Stay],
    visits: Sequence[Visit],
    notes: Sequence[Note],
    steps: Sequence[Step],
    *,
    now: datetime,
    media: str,
    speaking: Speaking,
    shows: Iterable[str] | None,
    template_text: TemplateText,
) -> Conversation:
    """*media* is the address under which this conversation's files are found, without a slash at its end."""
    stay = next((stay for stay in stays if stay.handoff_id == head.handoff_id), None)
    slots, flow = _what_the_bot_knows(head.state)
    return Conversation(
        conversation=head.conversation_id,
        control=head.control,
        epoch=head.epoch,
        position=head.position,
        app=head.app,
        account=head.account,
        language=head.language,
        contact=ContactLine(
            id=head.contact_id,
            name=head.contact_name,
            evidence=head.evidence,
            known_since=head.known_since,
            language=head.contact_language,
            username=head.username,
            details=head.details,
        ),
        messages=message_lines(page, head.contact_name, media, template_text),
        is_first=page.is_first,
        now=now,
        agent=head.agent,
        handoff=head.handoff_id,
        is_opted_out=head.is_opted_out,
        opened_at=head.opened_at,
        rating=head.rating,
        slots=slots,
        flow=flow,
        stays=tuple(stays),
        visits=tuple(visits),
        notes=tuple(note_line(note) for note in notes),
        why=None if stay is None else _why(stay, steps),
        speaking=speaking,
        shows=None if shows is None else tuple(sorted(shows)),
    )


def note_line(note: Note) -> NoteLine:
    return NoteLine(id=note.id, after=note.position, at=note.at, agent=note.agent, text=note.text, client_id=note.key)


def saved_line(saved: SavedReply) -> ReplyLine:
    return ReplyLine(name=saved.name, text=saved.text, language=saved.language, id=saved.id, agent=saved.agent)


def _why(stay: Stay, steps: Sequence[Step]) -> WhyLine:
    resolved = [number for number, step in enumerate(steps) if step.intent]
    return WhyLine(
        reason=stay.reason,
        asked_at=stay.asked_at,
        detail=stay.detail,
        intent=stay.intent,
        confidence=round(stay.confidence, 4),
        sentiment=stay.sentiment,
        is_urgent=stay.is_urgent,
        reopened_agent=stay.reopened_agent,
        unresolved=len(steps) - (resolved[-1] + 1 if resolved else 0),
        slots={name: _word(value) for name, value in stay.slots.items() if value is not None and value != ""},
        steps=tuple(_step(step) for step in steps),
    )


def _step(step: Step) -> StepLine:
    why = step.resolution
    return StepLine(
        said=_shortened(plain_text(step.parts)),
        seq=step.position,
        link=step.link,
        intent=step.intent,
        confidence=round(step.confidence, 4),
        sentiment="" if why is None else why.sentiment,
        reason="" if why is None else why.reason,
        outcome=step.outcome,
    )


def message_lines(
    page: Page, customer: str, media: str, template_text: TemplateText = lambda _name, _language: ""
) -> tuple[MessageLine, ...]:
    """Messages in their order. A turn is told with the last of its messages."""
    last_of = {message.turn_id: message.position for message in page.messages if message.turn_id is not None}
    turns = {last_of[turn_id]: turn for turn_id, turn in page.turns.items() if turn_id in last_of}
    return tuple(
        _message(message, turns.get(message.position), customer, media, template_text) for message in page.messages
    )


def _message(
    message: Message, turn: Turn | None, customer: str, media: str, template_text: TemplateText
) -> MessageLine:
    statuses = {"queued": "sending", "received": ""}
    names = {"customer": customer, "agent": message.agent}
    return MessageLine(
        seq=message.position,
        id=message.message_id,
        author=message.author,
        name=names.get(message.author, ""),
        at=message.at,
        parts=json_parts(message.parts, f"{media}/{message.position}", template_text),
        client_id=message.key,
        status=statuses.get(message.status, message.status),
        problem=message.problem or ("window_closed" if message.is_held else ""),
        losses=message.losses,
        is_final=message.status == "failed",
        is_edited=message.edited_at is not None,
        is_deleted=message.deleted_at is not None,
        turn=None if turn is None else _turn(turn),
    )


def _turn(turn: Turn) -> TurnLine:
    line = TurnLine(
        id=turn.turn_id,
        link=turn.link,
        outcome=turn.outcome,
        duration_ms=round(turn.duration_us / 1000, 1),
        bot_version=turn.bot_version,
        intent=turn.intent,
        confidence=round(turn.confidence, 4),
        language=turn.language,
    )
    why = turn.resolution
    if why is None:
        return line
    return msgspec.structs.replace(
        line,
        candidates=why.candidates,
        entities=why.entities,
        steps=why.steps,
        citations=why.citations,
        reason=why.reason,
        source=why.source,
        sentiment=why.sentiment,
    )


def json_parts(
    parts: Parts, media: str, template_text: TemplateText = lambda _name, _language: ""
) -> tuple[JsonPart, ...]:
    """Parts for a page; a file of ours is found at *media* and the number of its part."""
    return tuple(_json_part(part, f"{media}/{number}", template_text) for number, part in enumerate(parts))


def _json_part(part: Part, address: str, template_text: TemplateText) -> JsonPart:
    match part:
        case Media():
            facts = {"kind": part.kind, "caption": part.caption, "name": part.name, "mime": part.mime}
            url = address if part.blob else part.url
            return {"type": "media", **facts, "size_bytes": part.size_bytes, "url": url}
        case Selection():
            return {"type": "selection", "choice": part.value, "label": part.label}
        case Template():
            text = _filled(template_text(part.name, part.language), part.values)
            return {"type": "template", "name": part.name, "language": part.language, "text": text or part.name}
        case _:
            tree: dict[str, object] = msgspec.to_builtins(part)
            return tree


def _preview(author: str, parts: Parts, at: datetime | None) -> Preview | None:
    if not author:
        return None
    text = _shortened(plain_text(parts))
    return Preview(author, text, at, "" if text else _kind(parts))


def _shortened(text: str) -> str:
    words = text.replace("\n", " ").strip()
    return words if len(words) <= PREVIEW_CHARS else words[:PREVIEW_CHARS].rstrip() + "…"


def _filled(text: str, values: Sequence[str]) -> str:
    """A template's text with its values in place; the values alone where its text is not known."""
    if not text:
        return " · ".join(values)
    blanks = list(dict.fromkeys(found[1] for found in _BLANK.finditer(text)))
    known = dict(zip(blanks, values, strict=False))
    return _BLANK.sub(lambda found: known.get(found[1], found[0]), text)


def _kind(parts: Iterable[Part]) -> str:
    for part in parts:
        return part.kind if isinstance(part, Media) else str(part.__struct_config__.tag)
    return "deleted"


def _what_the_bot_knows(state: bytes) -> tuple[dict[str, str], str]:
    """Slots in words, and the flow that is open; nothing when the state cannot be read."""
    if not state:
        return {}, ""
    try:
        found = _remembered.decode(state)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}, ""
    slots = {name: _word(value) for name, value in found.slots.items() if value is not None and value != ""}
    return slots, found.flow.name if found.flow is not None else ""


def _word(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
