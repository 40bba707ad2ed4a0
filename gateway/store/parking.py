"""What came too early waits here: marks of messages that are not there yet, echoes of calls that have not returned."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg
import msgspec

from gateway.core.ids import AccountId, ConversationId
from gateway.core.inbound import Deleted, Echoed, Edited, Reacted, Receipt, SeenUpTo
from gateway.store import acts, aliases, changes
from gateway.store.rows import NewChange

TAKE_PARKED = """
    SELECT id, account_id, event, tries FROM parked WHERE due_at <= now()
    ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED
"""

DROP_PARKED = "DELETE FROM parked WHERE id = ANY($1::bigint[])"

PUT_OFF_PARKED = """
    UPDATE parked SET tries = tries + 1, due_at = now() + least(power(2, tries) * interval '0.5 s', interval '1 h')
    WHERE id = ANY($1::bigint[])
"""

_decoder = msgspec.json.Decoder(Edited | Deleted | Reacted | Receipt | Echoed | SeenUpTo)


class Retried(msgspec.Struct, frozen=True):
    """How many are done with, the conversations that were marked, and those with new words."""

    done: int
    marked: set[ConversationId]
    written_to: set[ConversationId]


async def retry_parked(connection: asyncpg.Connection, *, limit: int = 200) -> Retried:
    """Apply what can be applied by now; put the rest off, ever longer."""
    rows = await connection.fetch(TAKE_PARKED, limit)
    if not rows:
        return Retried(0, set(), set())
    events = [(row["id"], AccountId(row["account_id"]), _decoder.decode(row["event"])) for row in rows]
    waiting, marked = await _retry_changes(connection, events)
    written_to: set[ConversationId] = set()
    for number, account_id, event in events:
        if isinstance(event, Echoed | SeenUpTo):
            done = await _retry_act(connection, account_id, event, marked, written_to)
            if not done:
                waiting.append(number)
    finished = [number for number, _, _ in events if number not in waiting]
    await connection.execute(DROP_PARKED, finished)
    await connection.execute(PUT_OFF_PARKED, waiting)
    return Retried(len(finished), marked, written_to)


async def _retry_changes(
    connection: asyncpg.Connection, events: Sequence[tuple[int, AccountId, object]]
) -> tuple[list[int], set[ConversationId]]:
    """Marks whose message came meanwhile; returns the numbers of the others, and the conversations of the former."""
    numbered = [
        (number, NewChange(account_id, event))
        for number, account_id, event in events
        if isinstance(event, Edited | Deleted | Reacted | Receipt)
    ]
    if not numbered:
        return [], set()
    unmatched, marked = await changes.apply(connection, [item for _, item in numbered])
    return [number for place, (number, _) in enumerate(numbered) if place in unmatched], marked


async def _retry_act(
    connection: asyncpg.Connection,
    account_id: AccountId,
    event: Echoed | SeenUpTo,
    marked: set[ConversationId],
    written_to: set[ConversationId],
) -> bool:
    """Whether the act is done with; one whose person was erased is."""
    key = (account_id, event.address.kind, event.address.value)
    known = (await aliases.find(connection, [key])).get(key)
    if known is None:
        return True
    await acts.lock(connection, [known])
    if isinstance(event, SeenUpTo):
        is_done = await acts.see(connection, account_id, event, known)
        marked.add(known.conversation_id)
        return is_done
    outcome = await acts.echo(connection, account_id, event, known)
    if outcome:
        written_to.add(known.conversation_id)
    return outcome is not None
