"""What the two sides of a conversation see of it: its lines in order, for whoever shows it live.

Every statement is for many conversations at once, and bounded: nothing here costs more as a conversation grows.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import asyncpg
import msgspec

from gateway.core.control import Control
from gateway.core.ids import AccountId, ConversationId, MessageId
from gateway.core.messages import Author, Parts, Status, decode_parts

READ = """
    SELECT q.n, c.control, c.agent, c.epoch, c.read_position, c.next_position,
           m.position, m.id, m.author, m.status, m.parts, m.at, m.agent AS speaker, m.provider_message_id, m.avatar_url
    FROM unnest($1::uuid[], $2::bigint[], $3::int[]) AS q (id, after, n)
    JOIN conversation c ON c.id = q.id
    LEFT JOIN LATERAL (
        SELECT position, id, author, status, parts, at, agent, provider_message_id, avatar_url
        FROM message
        WHERE conversation_id = q.id AND position > q.after
        ORDER BY position LIMIT $4
    ) m ON true
    ORDER BY q.n, m.position
"""

LOOK = """
    SELECT c.id, c.next_position, c.epoch
    FROM unnest($1::uuid[]) AS q (id) JOIN conversation c ON c.id = q.id
"""

FIND = """
    SELECT q.n, a.conversation_id, d.recipient
    FROM unnest($1::int[], $2::text[], $3::text[], $4::int[]) AS q (account_id, kind, value, n)
    JOIN address_alias a ON a.account_id = q.account_id AND a.kind = q.kind AND a.value = q.value
    JOIN address d ON d.id = a.address_id
"""

PLACE = """
    SELECT q.n, r.conversation_id, r.position
    FROM unnest($1::int[], $2::text[], $3::int[]) AS q (account_id, provider_message_id, n)
    JOIN provider_ref r ON r.account_id = q.account_id AND r.provider_message_id = q.provider_message_id
"""

UNREAD = """
    SELECT q.n, m.provider_message_id
    FROM unnest($1::uuid[], $2::bigint[], $3::int[]) AS q (id, upto, n)
    JOIN message m ON m.conversation_id = q.id AND m.position <= q.upto AND m.position > q.upto - 200
    WHERE m.author <> 'customer' AND m.status IN ('sent', 'delivered') AND m.provider_message_id <> ''
    ORDER BY q.n, m.position
"""


class Line(msgspec.Struct, frozen=True):
    """One message. ``position`` is dense and grows by one; ``speaker`` names the agent who wrote it.

    ``avatar_url`` is the agent's picture, where their desk gave one.
    """

    position: int
    id: MessageId
    author: Author
    status: Status
    parts: Parts
    at: datetime
    speaker: str
    provider_message_id: str
    avatar_url: str = ""


class Page(msgspec.Struct, frozen=True):
    """Lines after a position, and how the conversation stands. ``is_full``: there may be more behind them.

    ``read_position`` is the first position that the bot has not read yet.
    """

    control: Control
    agent: str
    epoch: int
    read_position: int
    next_position: int
    lines: tuple[Line, ...]
    is_full: bool


class Standing(msgspec.Struct, frozen=True):
    """What shows that a conversation changed."""

    next_position: int
    epoch: int


class Found(msgspec.Struct, frozen=True):
    """The conversation behind an address, and where its person is written to now."""

    conversation_id: ConversationId
    recipient: str


class Placed(msgspec.Struct, frozen=True):
    """Where a customer's message was put."""

    conversation_id: ConversationId
    position: int


async def read(
    connection: asyncpg.Connection, wanted: Sequence[tuple[ConversationId, int]], *, limit: int
) -> list[Page | None]:
    """For each (conversation, position) at most *limit* lines after it; ``None`` where there is no conversation."""
    numbers = list(range(len(wanted)))
    rows = await connection.fetch(READ, [w[0] for w in wanted], [w[1] for w in wanted], numbers, limit)
    found: list[list[asyncpg.Record]] = [[] for _ in wanted]
    for row in rows:
        found[row["n"]].append(row)
    return [_page(group, limit) for group in found]


async def look(
    connection: asyncpg.Connection, conversation_ids: Sequence[ConversationId]
) -> dict[ConversationId, Standing]:
    """How far the conversations are; cheap."""
    rows = await connection.fetch(LOOK, conversation_ids)
    return {row["id"]: Standing(row["next_position"], row["epoch"]) for row in rows}


async def find(connection: asyncpg.Connection, wanted: Sequence[tuple[AccountId, str, str]]) -> list[Found | None]:
    """The conversation behind each (account, kind, value) of an address; ``None``: nothing was ever said there."""
    numbers = list(range(len(wanted)))
    rows = await connection.fetch(FIND, [w[0] for w in wanted], [w[1] for w in wanted], [w[2] for w in wanted], numbers)
    found = {row["n"]: Found(ConversationId(row["conversation_id"]), row["recipient"]) for row in rows}
    return [found.get(number) for number in numbers]


async def place(connection: asyncpg.Connection, wanted: Sequence[tuple[AccountId, str]]) -> list[Placed | None]:
    """Where the message of each (account, provider's message id) is; ``None``: not stored."""
    numbers = list(range(len(wanted)))
    rows = await connection.fetch(PLACE, [w[0] for w in wanted], [w[1] for w in wanted], numbers)
    found = {row["n"]: Placed(row["conversation_id"], row["position"]) for row in rows}
    return [found.get(number) for number in numbers]


async def unread(connection: asyncpg.Connection, wanted: Sequence[tuple[ConversationId, int]]) -> list[tuple[str, ...]]:
    """For each (conversation, position) the provider's ids of our messages up to it that were not read yet.

    Only the newest 200 positions are looked at.
    """
    numbers = list(range(len(wanted)))
    rows = await connection.fetch(UNREAD, [w[0] for w in wanted], [w[1] for w in wanted], numbers)
    found: list[list[str]] = [[] for _ in wanted]
    for row in rows:
        found[row["n"]].append(row["provider_message_id"])
    return [tuple(refs) for refs in found]


def _page(rows: Sequence[asyncpg.Record], limit: int) -> Page | None:
    if not rows:
        return None
    first = rows[0]
    lines = tuple(_line(row) for row in rows if row["position"] is not None)
    return Page(
        control=Control(first["control"]),
        agent=first["agent"],
        epoch=first["epoch"],
        read_position=first["read_position"],
        next_position=first["next_position"],
        lines=lines,
        is_full=len(lines) == limit,
    )


def _line(row: asyncpg.Record) -> Line:
    return Line(
        position=row["position"],
        id=row["id"],
        author=Author(row["author"]),
        status=Status(row["status"]),
        parts=decode_parts(row["parts"]),
        at=row["at"],
        speaker=row["speaker"],
        provider_message_id=row["provider_message_id"],
        avatar_url=row["avatar_url"],
    )
