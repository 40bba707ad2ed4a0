"""Handoffs: who asked for a person and why, what the desk knows, and every change of control by a person."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.core.control import Accept, Change, Control, ControlEvent, ControlState, GiveBack, TakeOver, transition
from gateway.core.desks import DeskMessage
from gateway.core.events import EventKind
from gateway.core.handoff_reasons import Asked
from gateway.core.ids import AccountId, ConversationId, HandoffId, MessageId, derived_id
from gateway.core.messages import Author, decode_parts
from gateway.core.ports import OpenCase
from gateway.core.turns import DeskSaid, case_mark

LOCK_CONVERSATION = text("""
    SELECT id, account_id, episode_id, control, epoch, handoff_id, agent, language FROM conversation
    WHERE id = :id FOR UPDATE
""")

LOCK_CONVERSATION_OF = text("""
    SELECT id, account_id, episode_id, control, epoch, handoff_id, agent, language FROM conversation
    WHERE id = (SELECT conversation_id FROM handoff WHERE id = :handoff_id) FOR UPDATE
""")

CONVERSATION_OF = text("SELECT conversation_id FROM handoff WHERE id = :id")

SET_CONTROL = text("""
    UPDATE conversation SET control = :control, epoch = :epoch, handoff_id = :handoff_id, agent = :agent
    WHERE id = :id
""")

FIND = text("""
    SELECT h.id, h.conversation_id, h.ended_at,
           CASE WHEN c.handoff_id = h.id THEN c.control ELSE 'bot' END AS control,
           CASE WHEN c.handoff_id = h.id THEN c.agent ELSE h.agent END AS agent
    FROM handoff h JOIN conversation c ON c.id = h.conversation_id
    WHERE h.desk = ANY(:desks) AND h.reference = :reference AND h.reference <> ''
    ORDER BY h.asked_at DESC, h.id DESC LIMIT 1
""")

BEGIN = text("""
    INSERT INTO handoff (id, conversation_id, desk, reason, intent, confidence, sentiment)
    SELECT :id, :conversation_id, :desk, :reason, coalesce(t.intent, ''), coalesce(t.confidence, 0),
           coalesce(t.resolution ->> 'sentiment', '')
    FROM (SELECT 1) x LEFT JOIN LATERAL (
        SELECT intent, confidence, resolution FROM turn
        WHERE conversation_id = :conversation_id ORDER BY from_seq DESC LIMIT 1
    ) t ON true
""")

# Who takes a case over from the provider's own inbox takes it to their desk, which has still to hear of it.
ACCEPTED = text("""
    UPDATE handoff SET agent = :agent, accepted_at = coalesce(accepted_at, now()), due_at = now(), watch_at = now(),
        desk = CASE WHEN desk IN ('provider', 'provider.main') THEN :desk ELSE desk END,
        acknowledged_at = CASE WHEN desk IN ('provider', 'provider.main') THEN NULL ELSE acknowledged_at END,
        reference = CASE WHEN desk IN ('provider', 'provider.main') THEN '' ELSE reference END,
        told_position = CASE WHEN desk IN ('provider', 'provider.main') THEN 0 ELSE told_position END
    WHERE id = :id
""")

# The conversation's row is locked: nothing is said meanwhile, and what is said later is not the desk's any more.
END = text("""
    UPDATE handoff SET ended_at = now(), end_reason = :reason, due_at = now(),
        end_position = (SELECT next_position - 1 FROM conversation WHERE id = conversation_id)
    WHERE id = :id
""")

# A case whose time is set already is told of this too when it comes.
NUDGE = text("UPDATE handoff SET due_at = now() WHERE id = :id AND NOT told_end AND due_at = 'infinity'")

CLOSE_EPISODE = text("""
    UPDATE episode SET closed_at = now(), outcome = :outcome WHERE id = :episode_id AND closed_at IS NULL
    RETURNING id
""")

SOLVED = text("UPDATE conversation SET solved_at = now() WHERE id = :id")

LEAVE_EPISODE = text("UPDATE conversation SET episode_id = NULL WHERE id = :id AND episode_id = :episode_id")

INSERT_EPISODE_EVENT = text("""
    INSERT INTO event (id, kind, account_id, conversation_id, episode_id, subject)
    VALUES (:event_id, :kind, :account_id, :id, :episode_id, :episode_id)
""")

# By our desks, or by the provider's own inbox, where agents' words have no key; only the newest messages are looked at.
WAS_ANSWERED = text("""
    SELECT EXISTS (SELECT 1 FROM agent_key WHERE handoff_id = :id) OR EXISTS (
        SELECT 1 FROM handoff h JOIN conversation c ON c.id = h.conversation_id
        JOIN message m ON m.conversation_id = c.id AND m.position >= c.next_position - 200
        WHERE h.id = :id AND m.author = 'agent' AND m.at >= h.asked_at
    )
""")

APPEND_ENTRY = text("""
    UPDATE conversation SET next_seq = next_seq + 1,
        lease_until = CASE WHEN lease_until IS NULL THEN '-infinity' ELSE lease_until END
    WHERE id = :id
    RETURNING next_seq - 1
""")

INSERT_ENTRY = text("INSERT INTO entry (conversation_id, seq, kind, data) VALUES (:id, :seq, 'desk', :data)")

INSERT_EVENT = text("""
    INSERT INTO event (id, kind, account_id, conversation_id, episode_id, subject)
    VALUES (:event_id, :kind, :account_id, :id, :episode_id, :subject)
""")

CLAIM_KEY = text("""
    INSERT INTO agent_key (handoff_id, key, message_id) VALUES (:handoff_id, :key, :message_id)
    ON CONFLICT DO NOTHING
    RETURNING message_id
""")

LIST_OPEN = text("""
    SELECT h.id, h.conversation_id, h.desk, h.reason, h.asked_at, h.acknowledged_at, c.agent, c.control,
           t.name AS contact_name, a.app
    FROM handoff h
    JOIN conversation c ON c.id = h.conversation_id
    JOIN contact t ON t.id = c.contact_id
    JOIN account a ON a.id = c.account_id
    WHERE h.ended_at IS NULL AND NOT h.told_end
    ORDER BY h.asked_at LIMIT :limit
""")


READ_MESSAGES = text("""
    SELECT id, position, at, author, parts, status, agent FROM (
        SELECT id, position, at, author, parts, status, agent FROM message
        WHERE conversation_id = :conversation_id AND position > :after
        ORDER BY position DESC LIMIT :limit
    ) x ORDER BY position
""")

_encoder = msgspec.json.Encoder()


class OpenHandoff(msgspec.Struct, frozen=True):
    """A case that waits or is being worked on, as a list shows it."""

    id: HandoffId
    conversation_id: ConversationId
    desk: str
    reason: str
    asked_at: datetime
    acknowledged_at: datetime | None
    agent: str
    control: str
    contact_name: str
    app: str


class Locked(msgspec.Struct, frozen=True):
    """A conversation whose row is locked until the transaction ends."""

    conversation_id: ConversationId
    account_id: AccountId
    episode_id: object
    state: ControlState
    language: str = ""


async def lock(connection: AsyncConnection, conversation_id: ConversationId) -> Locked:
    """Lock a conversation to change who may speak. Raises ``LookupError`` when there is none."""
    row = (await connection.execute(LOCK_CONVERSATION, {"id": conversation_id})).one_or_none()
    if row is None:
        raise LookupError(f"no conversation {conversation_id}")
    return _locked(row)


async def lock_of(connection: AsyncConnection, handoff_id: HandoffId) -> Locked:
    """Lock the conversation of a handoff. Raises ``LookupError`` when there is no such handoff."""
    row = (await connection.execute(LOCK_CONVERSATION_OF, {"handoff_id": handoff_id})).one_or_none()
    if row is None:
        raise LookupError(f"no handoff {handoff_id}")
    return _locked(row)


async def conversation_of(connection: AsyncConnection, handoff_id: HandoffId) -> ConversationId:
    """Raises ``LookupError`` when there is no such handoff."""
    found = (await connection.execute(CONVERSATION_OF, {"id": handoff_id})).scalar_one_or_none()
    if found is None:
        raise LookupError(f"no handoff {handoff_id}")
    return ConversationId(found)


async def find(connection: AsyncConnection, desk: str, reference: str) -> OpenCase | None:
    """The newest case that *desk* knows under that reference, ended ones too."""
    values = {"desks": spellings(desk), "reference": reference}
    row = (await connection.execute(FIND, values)).one_or_none()
    if row is None:
        return None
    return OpenCase(
        handoff_id=row.id,
        conversation_id=row.conversation_id,
        control=Control(row.control),
        agent=row.agent,
        ended_at=row.ended_at,
    )


def spellings(desk: str) -> list[str]:
    """How a desk is written in rows: as it is called, and without ``.main`` as older releases wrote it."""
    return [desk, desk.removesuffix(".main")] if desk.endswith(".main") else [desk]


async def change_control(
    connection: AsyncConnection, locked: Locked, event: ControlEvent, *, desk: str
) -> Change | None:
    """Let the machine decide and write down what follows; ``None`` when nothing changes."""
    change = transition(locked.state, event)
    if change is None:
        return None
    state = change.state
    await connection.execute(
        SET_CONTROL,
        {
            "id": locked.conversation_id,
            "control": state.control.value,
            "epoch": state.epoch,
            "handoff_id": state.handoff_id,
            "agent": state.agent,
        },
    )
    match event:
        case TakeOver() | Accept():
            await _write_acceptance(connection, locked, change, event.agent, desk)
        case GiveBack():
            await connection.execute(END, {"id": event.handoff_id, "reason": event.reason})
            await _tell(connection, locked, EventKind.HANDOFF_ENDED, event.handoff_id, "")
            was_answered = (await connection.execute(WAS_ANSWERED, {"id": event.handoff_id})).scalar_one()
            said = GivenBack(event.reason, locked.state.agent, bool(was_answered), case_mark(event.handoff_id))
            await append_desk_entry(connection, locked.conversation_id, said)
        case _:
            pass
    return change


async def _write_acceptance(connection: AsyncConnection, locked: Locked, change: Change, agent: str, desk: str) -> None:
    handoff_id = change.state.handoff_id
    if handoff_id is None:
        return
    if change.begins is not None:
        values = {
            "id": handoff_id,
            "conversation_id": locked.conversation_id,
            "desk": desk,
            "reason": Asked.TAKEN_OVER.value,
        }
        await connection.execute(BEGIN, values)
        await _tell(connection, locked, EventKind.HANDOFF_REQUESTED, handoff_id, "")
    await connection.execute(ACCEPTED, {"id": handoff_id, "agent": agent, "desk": desk})
    await _tell(connection, locked, EventKind.HANDOFF_ACCEPTED, handoff_id, str(change.state.epoch))


async def _tell(
    connection: AsyncConnection, locked: Locked, kind: EventKind, handoff_id: HandoffId, discriminator: str
) -> None:
    values = {
        "event_id": derived_id(handoff_id, f"{kind}{discriminator}"),
        "kind": kind.value,
        "account_id": locked.account_id,
        "id": locked.conversation_id,
        "episode_id": locked.episode_id,
        "subject": handoff_id,
    }
    await connection.execute(INSERT_EVENT, values)


async def tell(connection: AsyncConnection, locked: Locked, kind: EventKind, handoff_id: HandoffId) -> None:
    """Write what happened to a handoff into the events; once for each kind."""
    await _tell(connection, locked, kind, handoff_id, "")


async def close_episode(connection: AsyncConnection, locked: Locked, outcome: str) -> None:
    """The case is over: what is said next opens another one. Nothing happens when it is closed already."""
    episode_id = locked.episode_id
    if not isinstance(episode_id, UUID):
        return
    values = {"id": locked.conversation_id, "episode_id": episode_id, "outcome": outcome}
    if (await connection.execute(CLOSE_EPISODE, values)).one_or_none() is None:
        return
    await connection.execute(LEAVE_EPISODE, values)
    kind = EventKind.EPISODE_CLOSED
    told = {"event_id": derived_id(episode_id, kind), "kind": kind.value, "account_id": locked.account_id, **values}
    await connection.execute(INSERT_EPISODE_EVENT, told)


async def note_solved(connection: AsyncConnection, locked: Locked) -> None:
    """A person solved the case: the customer may go on with it soon after."""
    await connection.execute(SOLVED, {"id": locked.conversation_id})


class GivenBack(msgspec.Struct, frozen=True):
    """How a handoff ended. ``agent`` had the case, which ``case`` marks; ``was_answered``: a person said something."""

    reason: str
    agent: str
    was_answered: bool
    case: str


async def append_desk_entry(connection: AsyncConnection, conversation_id: ConversationId, said: GivenBack) -> None:
    """Put the end of a handoff into the conversation's line, for the bot to react to."""
    seq = (await connection.execute(APPEND_ENTRY, {"id": conversation_id})).scalar_one()
    now = (await connection.execute(text("SELECT now()"))).scalar_one()
    entry = DeskSaid(
        seq=seq,
        at=now,
        kind="given_back",
        detail=said.reason,
        agent=said.agent,
        was_answered=said.was_answered,
        case=said.case,
    )
    await connection.execute(INSERT_ENTRY, {"id": conversation_id, "seq": seq, "data": _encoder.encode(entry)})


async def nudge(connection: AsyncConnection, handoff_id: HandoffId) -> None:
    """Something was said that the desk should hear of."""
    await connection.execute(NUDGE, {"id": handoff_id})


async def claim_key(connection: AsyncConnection, handoff_id: HandoffId, key: str, message_id: MessageId) -> bool:
    """Whether this is the first time that an agent's message of that key is written."""
    values = {"handoff_id": handoff_id, "key": key, "message_id": message_id}
    return (await connection.execute(CLAIM_KEY, values)).one_or_none() is not None


async def list_open(connection: AsyncConnection, *, limit: int = 100) -> list[OpenHandoff]:
    """Cases that are not over, the longest waiting first."""
    rows = (await connection.execute(LIST_OPEN, {"limit": limit})).all()
    return [OpenHandoff(**row._mapping) for row in rows]  # noqa: SLF001


async def read_messages(
    connection: AsyncConnection, conversation_id: ConversationId, *, after: int, limit: int
) -> tuple[DeskMessage, ...]:
    """The newest *limit* messages after a position, oldest first."""
    values = {"conversation_id": conversation_id, "after": after, "limit": limit}
    rows = (await connection.execute(READ_MESSAGES, values)).all()
    return tuple(
        DeskMessage(
            MessageId(r.id), r.position, r.at, Author(r.author), decode_parts(_as_json(r.parts)), r.status, r.agent
        )
        for r in rows
    )


def _locked(row: Row[Any]) -> Locked:
    state = ControlState(Control(row.control), row.epoch, row.handoff_id, row.agent)
    return Locked(row.id, row.account_id, row.episode_id, state, row.language)


def _as_json(value: object) -> bytes | str:
    """SQLAlchemy's driver decodes jsonb where a plain connection does not."""
    return value if isinstance(value, str) else _encoder.encode(value)
