"""Control at the provider: people in the provider's own inbox, and its switch of who may speak in a thread.

What they do goes through the same machine as a takeover at a desk, under the same epochs. The case is one of the desk
``provider``, so that no conversation is without an owner, and every list of cases shows it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import msgspec

from gateway.core.control import Change, Control, ControlEvent, ControlState, GiveBack, TakeOver, transition
from gateway.core.events import EventKind
from gateway.core.handoff_reasons import Asked, Ended
from gateway.core.ids import ConversationId, HandoffId, derived_id, new_id
from gateway.core.turns import DeskSaid, case_mark

PROVIDER_DESK = "provider"

NAMELESS = "provider"
"""Who has a case when the provider does not say."""

LOCK = """
    SELECT c.account_id, c.episode_id, c.control, c.epoch, c.handoff_id, c.agent, c.control_moved_at, h.desk,
           now() AS at
    FROM conversation c LEFT JOIN handoff h ON h.id = c.handoff_id
    WHERE c.id = $1 FOR UPDATE OF c
"""

SET_CONTROL = "UPDATE conversation SET control = $2, epoch = $3, handoff_id = $4, agent = $5 WHERE id = $1"

SET_MOVED = "UPDATE conversation SET control_moved_at = $2 WHERE id = $1"

BEGIN = """
    INSERT INTO handoff (id, conversation_id, desk, reason, agent, accepted_at) VALUES ($1, $2, $3, $4, $5, now())
"""

END = """
    UPDATE handoff SET ended_at = now(), end_reason = $2, due_at = now(),
        end_position = (SELECT next_position - 1 FROM conversation WHERE id = conversation_id)
    WHERE id = $1
"""

INSERT_EVENT = """
    INSERT INTO event (id, kind, account_id, conversation_id, episode_id, subject) VALUES ($1, $2, $3, $4, $5, $6)
"""

# A conversation without a lease gets an expired one: the next sweep of any process works on it.
APPEND_ENTRY = """
    UPDATE conversation SET next_seq = next_seq + 1,
        lease_until = CASE WHEN lease_until IS NULL THEN '-infinity' ELSE lease_until END
    WHERE id = $1
    RETURNING next_seq - 1
"""

INSERT_ENTRY = "INSERT INTO entry (conversation_id, seq, kind, data) VALUES ($1, $2, 'desk', $3)"

# Few cases are open at a time; of each one, the newest messages tell when somebody there spoke last.
QUIET = """
    SELECT c.id FROM handoff h
    JOIN conversation c ON c.handoff_id = h.id
    WHERE h.ended_at IS NULL AND h.desk = $1 AND h.accepted_at < now() - $2::interval AND NOT EXISTS (
        SELECT 1 FROM message m
        WHERE m.conversation_id = c.id AND m.position >= c.next_position - 200 AND m.author = 'agent'
          AND m.at >= now() - $2::interval
    )
    ORDER BY c.id LIMIT $3 FOR UPDATE OF c SKIP LOCKED
"""

_encoder = msgspec.json.Encoder()


class Here(msgspec.Struct, frozen=True):
    """Who may speak, in a row that is locked. ``desk`` is that of the case that runs."""

    conversation_id: ConversationId
    account_id: int
    episode_id: UUID | None
    state: ControlState
    desk: str
    moved_at: datetime | None
    now: datetime


async def taken(connection: asyncpg.Connection, conversation_id: ConversationId, *, name: str, reason: str) -> bool:
    """Somebody at the provider speaks: the bot falls silent. A person of ours who has the case keeps it.

    A case that waits for somebody of ours is over with that: its desk is told so. Returns whether control changed.
    """
    here = await _lock(connection, conversation_id)
    if here.state.control is Control.AGENT:
        return False
    if here.state.handoff_id is not None:
        await _give_back(connection, here, here.state.handoff_id, Ended.TAKEN_AT_PROVIDER)
        here = await _lock(connection, conversation_id)
    handoff_id, agent = HandoffId(new_id()), name or NAMELESS
    change = await _change(connection, here, TakeOver(handoff_id, agent))
    if change is None:
        return False
    await connection.execute(BEGIN, handoff_id, conversation_id, PROVIDER_DESK, reason, agent)
    await _tell(connection, here, EventKind.HANDOFF_REQUESTED, handoff_id, "")
    await _tell(connection, here, EventKind.HANDOFF_ACCEPTED, handoff_id, str(change.state.epoch))
    return True


async def moved(
    connection: asyncpg.Connection,
    conversation_id: ConversationId,
    *,
    to_us: bool,
    at: datetime,
    name: str,
    reason: str,
) -> bool:
    """The provider's switch was set. What is older than the last setting, by the provider's time, changes nothing.

    Only a case of the desk ``provider`` is given back by it. Returns whether control changed.
    """
    here = await _lock(connection, conversation_id)
    if here.moved_at is not None and at < here.moved_at:
        return False
    await connection.execute(SET_MOVED, conversation_id, at)
    if not to_us:
        return await taken(connection, conversation_id, name=name, reason=reason or Asked.MOVED_AT_PROVIDER)
    if here.state.handoff_id is None or here.desk != PROVIDER_DESK:
        return False
    await _give_back(connection, here, here.state.handoff_id, reason or Ended.RETURNED)
    return True


async def end_quiet(connection: asyncpg.Connection, after: timedelta, *, limit: int) -> list[ConversationId]:
    """Give back cases at the provider in which nobody there said anything for that long: not every provider tells."""
    ended = []
    for row in await connection.fetch(QUIET, PROVIDER_DESK, after, limit):
        here = await _lock(connection, row[0])
        if here.state.handoff_id is not None:
            await _give_back(connection, here, here.state.handoff_id, Ended.QUIET_AT_PROVIDER)
            ended.append(here.conversation_id)
    return ended


async def _lock(connection: asyncpg.Connection, conversation_id: ConversationId) -> Here:
    row = await connection.fetchrow(LOCK, conversation_id)
    state = ControlState(Control(row["control"]), row["epoch"], row["handoff_id"], row["agent"])
    return Here(
        conversation_id,
        row["account_id"],
        row["episode_id"],
        state,
        row["desk"] or "",
        row["control_moved_at"],
        row["at"],
    )


async def _change(connection: asyncpg.Connection, here: Here, event: ControlEvent) -> Change | None:
    change = transition(here.state, event)
    if change is not None:
        state = change.state
        await connection.execute(
            SET_CONTROL, here.conversation_id, state.control.value, state.epoch, state.handoff_id, state.agent
        )
    return change


async def _give_back(connection: asyncpg.Connection, here: Here, handoff_id: HandoffId, reason: str) -> None:
    if await _change(connection, here, GiveBack(handoff_id, reason)) is None:
        return
    await connection.execute(END, handoff_id, reason)
    await _tell(connection, here, EventKind.HANDOFF_ENDED, handoff_id, "")
    seq = await connection.fetchval(APPEND_ENTRY, here.conversation_id)
    mark = case_mark(handoff_id)
    entry = DeskSaid(seq=seq, at=here.now, kind="given_back", detail=reason, agent=here.state.agent, case=mark)
    await connection.execute(INSERT_ENTRY, here.conversation_id, seq, _encoder.encode(entry))


async def _tell(
    connection: asyncpg.Connection, here: Here, kind: EventKind, handoff_id: HandoffId, discriminator: str
) -> None:
    event_id = derived_id(handoff_id, f"{kind}{discriminator}")
    place = (here.account_id, here.conversation_id, here.episode_id)
    await connection.execute(INSERT_EVENT, event_id, kind.value, *place, handoff_id)
