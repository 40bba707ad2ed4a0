"""What the Zendesk desk reads and writes for each comment that an agent writes: few statements, on a lane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import asyncpg
import msgspec

from gateway.core.ids import HandoffId, MessageId
from gateway.store.zendesk import CASE_COLUMNS, ZendeskCase

NEWEST = f"""
    SELECT {CASE_COLUMNS} FROM zendesk_case WHERE desk = $1 AND ticket_id = $2
    ORDER BY begun_at DESC, handoff_id DESC LIMIT 1
"""

NEWEST_AND_COMMENT = f"""
    SELECT z.*, EXISTS (
        SELECT 1 FROM zendesk_comment WHERE desk = $1 AND ticket_id = $2 AND comment_id = $3 AND done
    ) AS is_settled
    FROM ({NEWEST}) z
"""

SETTLED = "SELECT comment_id FROM zendesk_comment WHERE desk = $1 AND ticket_id = $2 AND comment_id = ANY($3) AND done"

CLAIM = """
    INSERT INTO zendesk_comment (desk, ticket_id, comment_id, handoff_id)
    SELECT $1, $2, id, $4 FROM unnest($3::bigint[]) AS id
    ON CONFLICT (desk, ticket_id, comment_id) DO UPDATE SET
        handoff_id = coalesce(zendesk_comment.handoff_id, excluded.handoff_id)
    RETURNING comment_id, handoff_id, done
"""

SETTLE = """
    INSERT INTO zendesk_comment (desk, ticket_id, comment_id, done)
    SELECT $1, $2, id, true FROM unnest($3::bigint[]) AS id
    ON CONFLICT (desk, ticket_id, comment_id) DO UPDATE SET done = true WHERE NOT zendesk_comment.done
"""

HEARD = "UPDATE zendesk_case SET heard_until = $3 WHERE desk = $1 AND ticket_id = $2 AND heard_until < $3"

ARE_THEIRS = """
    SELECT cardinality($3::uuid[]) = (
        SELECT count(*) FROM agent_key WHERE message_id = ANY($3) AND handoff_id = $2 AND key LIKE 'zendesk:%'
    ) AND NOT EXISTS (SELECT 1 FROM zendesk_update WHERE desk = $1 AND handoff_id = $2 AND done_at IS NULL)
"""


class Claimed(msgspec.Struct, frozen=True):
    """Under which case a comment is said, and whether all of it is done."""

    handoff_id: HandoffId
    is_done: bool


async def newest(connection: asyncpg.Connection, desk: str, ticket_id: int) -> ZendeskCase | None:
    """The newest case on a ticket; ``None``: none of ours."""
    row = await connection.fetchrow(NEWEST, desk, ticket_id)
    return ZendeskCase(**dict(row)) if row else None


async def newest_and_comment(
    connection: asyncpg.Connection, desk: str, ticket_id: int, comment_id: int
) -> tuple[ZendeskCase, bool] | None:
    """The newest case on a ticket, and whether nothing is left to do about a comment; ``None``: none of ours."""
    row = await connection.fetchrow(NEWEST_AND_COMMENT, desk, ticket_id, comment_id)
    if row is None:
        return None
    values = dict(row)
    is_settled = bool(values.pop("is_settled"))
    return ZendeskCase(**values), is_settled


async def settled(connection: asyncpg.Connection, desk: str, ticket_id: int, ids: Sequence[int]) -> frozenset[int]:
    """Those of the comments about which nothing is left to do."""
    rows = await connection.fetch(SETTLED, desk, ticket_id, ids)
    return frozenset(row["comment_id"] for row in rows)


async def claim(
    connection: asyncpg.Connection, desk: str, ticket_id: int, ids: Sequence[int], handoff_id: HandoffId
) -> Mapping[int, Claimed]:
    """Under which case each comment is said: the first claim counts."""
    rows = await connection.fetch(CLAIM, desk, ticket_id, sorted(set(ids)), handoff_id)
    return {row["comment_id"]: Claimed(row["handoff_id"], row["done"]) for row in rows}


async def settle(
    connection: asyncpg.Connection, desk: str, ticket_id: int, ids: Sequence[int], until: datetime | None
) -> None:
    """Nothing is left to do about these comments, and with *until* about any of before."""
    if ids:
        await connection.execute(SETTLE, desk, ticket_id, sorted(set(ids)))
    if until is not None:
        await connection.execute(HEARD, desk, ticket_id, until)


async def are_theirs(
    connection: asyncpg.Connection, desk: str, handoff_id: HandoffId, ids: Sequence[MessageId]
) -> bool:
    """Whether agents wrote all of these messages in Zendesk, and nothing of ours is still under way to the ticket."""
    found: bool = await connection.fetchval(ARE_THEIRS, desk, handoff_id, list(ids))
    return found
