"""Fills a database as months of use would, so that the bench can show that nothing grows slower.

Rows are copies of real ones: the gateway itself answers one message first, and what that left in each table is
repeated with other ids, times and positions.
"""

from __future__ import annotations

from collections.abc import Iterable

import asyncpg
import msgspec

FIRST_CHAT = 5_000_000
"""Chats of filled conversations are numbered from here on; each :class:`Shape` begins a million later."""

_CHATS_APART = 1_000_000


class Shape(msgspec.Struct, frozen=True):
    """So many conversations with so many messages each; half of the messages are replies."""

    conversations: int
    length: int

    @property
    def messages(self) -> int:
        return self.conversations * self.length


class Point(msgspec.Struct, frozen=True):
    """One measurement: a database of *shapes*, and the shape whose people write."""

    shapes: tuple[Shape, ...]
    active: int

    @property
    def stored_messages(self) -> int:
        return sum(shape.messages for shape in self.shapes)

    @property
    def conversation_length(self) -> int:
        return self.shapes[self.active].length

    @property
    def first_chat(self) -> int:
        return first_chat(self.active)


def first_chat(shape: int) -> int:
    """The number of the first chat of the n-th shape."""
    return FIRST_CHAT + shape * _CHATS_APART


def points(rows: int, people: int) -> list[Point]:
    """What is measured for *rows* stored messages at most: first more of them, then longer conversations.

    The last three share one database, in which half of the rows are the longest conversations.
    """
    longest = max(min(rows // 2 // people, 10_000) // 10 * 10, 10)
    middle = max(longest // 10 // 2 * 2, 2)
    long_ones, middling = Shape(people, longest), Shape(people, middle)
    short = Shape(max((rows - long_ones.messages - middling.messages) // 10, people), 10)
    mixed = (short, middling, long_ones)
    small, medium = (Shape(max(size // 10, people), 10) for size in (1_000, min(100_000, rows)))
    return [Point((small,), 0), Point((medium,), 0), *(Point(mixed, active) for active in range(3))]


class _Copy(msgspec.Struct, frozen=True):
    """How the rows of one table are made from the model row that *where* finds.

    *columns* says what replaces the model's value. ``c`` numbers the conversation, ``k`` the exchange within it.
    """

    table: str
    where: str
    columns: dict[str, str]
    is_per_exchange: bool


def _uuid(kind: int, number: str, *, ms: str = "0") -> str:
    """A UUIDv7 of a filled row: the time in milliseconds from the model's on, a digit for the kind, a number."""
    return (
        f"(lpad(to_hex($1::bigint + ({ms})), 12, '0') || '7{kind:03x}8'"
        f" || lpad(to_hex($2::bigint), 3, '0') || lpad(to_hex({number}), 12, '0'))::uuid"
    )


_CONVERSATION = _uuid(1, "c")
_CONTACT = _uuid(2, "c")
_ADDRESS = _uuid(3, "c")
_EPISODE = _uuid(4, "c")
_EXCHANGE = "c::bigint * 100000 + k"
_QUESTION = _uuid(5, _EXCHANGE, ms="k")
_ANSWER = _uuid(6, _EXCHANGE, ms="k")
_TURN = _uuid(7, _EXCHANGE, ms="k")
_CHAT = "($3::bigint + c)"


def _copies(length: int) -> tuple[_Copy, ...]:
    """Tables in the order of filling, for conversations of *length* messages."""
    exchanges = length // 2
    of_one = {"conversation_id": _CONVERSATION, "episode_id": _EPISODE}
    return (
        _Copy("contact", "true", {"id": _CONTACT}, is_per_exchange=False),
        _Copy(
            "address",
            "true",
            {"id": _ADDRESS, "contact_id": _CONTACT, "recipient": f"{_CHAT}::text"},
            is_per_exchange=False,
        ),
        _Copy(
            "address_alias",
            "true",
            {"value": f"{_CHAT}::text", "address_id": _ADDRESS, "conversation_id": _CONVERSATION},
            is_per_exchange=False,
        ),
        _Copy(
            "conversation",
            "true",
            {
                "id": _CONVERSATION,
                "address_id": _ADDRESS,
                "contact_id": _CONTACT,
                "episode_id": _EPISODE,
                "next_seq": str(exchanges + 1),
                "read_seq": str(exchanges),
                "next_position": str(length + 1),
                "read_position": str(length),
                "state_version": str(exchanges),
                "lease_until": "NULL::timestamptz",
            },
            is_per_exchange=False,
        ),
        _Copy("dialogue_state", "true", {"conversation_id": _CONVERSATION}, is_per_exchange=False),
        _Copy("episode", "true", {"id": _EPISODE, "conversation_id": _CONVERSATION}, is_per_exchange=False),
        _Copy("timer", "true", {"conversation_id": _CONVERSATION}, is_per_exchange=False),
        _Copy(
            "message",
            "author = 'customer'",
            {**of_one, "id": _QUESTION, "seq": "k + 1", "position": "2 * k + 1", "provider_message_id": _ref(0)},
            is_per_exchange=True,
        ),
        _Copy(
            "message",
            "author <> 'customer'",
            {**of_one, "id": _ANSWER, "position": "2 * k + 2", "turn_id": _TURN, "provider_message_id": _ref(1)},
            is_per_exchange=True,
        ),
        _Copy(
            "turn",
            "true",
            {**of_one, "id": _TURN, "from_seq": "k + 1", "to_seq": "k + 1"},
            is_per_exchange=True,
        ),
        _Copy("seen", "true", {"event_key": _ref(0)}, is_per_exchange=True),
        _Copy(
            "provider_ref",
            "message_id IN (SELECT id FROM message WHERE author = 'customer')",
            {
                "conversation_id": _CONVERSATION,
                "message_id": _QUESTION,
                "position": "2 * k + 1",
                "provider_message_id": _ref(0),
            },
            is_per_exchange=True,
        ),
        _Copy(
            "provider_ref",
            "message_id IN (SELECT id FROM message WHERE author <> 'customer')",
            {
                "conversation_id": _CONVERSATION,
                "message_id": _ANSWER,
                "position": "2 * k + 2",
                "provider_message_id": _ref(1),
            },
            is_per_exchange=True,
        ),
        *(
            _Copy(
                "event",
                f"kind = '{kind}'",
                {**of_one, "id": _uuid(number, _EXCHANGE, ms="k"), "subject": subject},
                is_per_exchange=True,
            )
            for number, kind, subject in (
                (8, "message_received", _QUESTION),
                (9, "turn_decided", _TURN),
                (10, "message_queued", _ANSWER),
                (11, "message_sent", _ANSWER),
            )
        ),
    )


def _ref(side: int) -> str:
    """A provider's message id that no real one is equal to."""
    return f"'f' || {_CHAT} || ':' || (2 * k + {side})"


async def fill(connection: asyncpg.Connection, shapes: Iterable[Shape]) -> None:
    """Fill a database in which one message was answered, and bring its statistics up to date.

    A table that the model exchange left empty stays empty.
    """
    base_ms = await connection.fetchval("SELECT (extract(epoch FROM max(at)) * 1000)::bigint FROM message")
    await connection.execute("SET synchronous_commit = off")
    for number, shape in enumerate(shapes):
        for copy in _copies(shape.length):
            statement = await _statement(connection, copy, shape)
            await connection.execute(statement, base_ms, number + 1, first_chat(number))
    await connection.execute("VACUUM ANALYZE")
    await connection.execute("CHECKPOINT")


async def _statement(connection: asyncpg.Connection, copy: _Copy, shape: Shape) -> str:
    """INSERT … SELECT from the model row, exchange by exchange so that conversations lie scattered as in life."""
    rows = await connection.fetch(
        "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped"
        " AND attgenerated = '' ORDER BY attnum",
        copy.table,
    )
    names = [str(row["attname"]) for row in rows]
    values = [copy.columns.get(name, f"model.{name}") for name in names]
    exchanges = f"generate_series(0, {shape.length // 2 - 1})" if copy.is_per_exchange else "generate_series(0, 0)"
    return (
        f"INSERT INTO {copy.table} ({', '.join(names)}) SELECT {', '.join(values)}"  # noqa: S608  # names of ours
        f" FROM (SELECT * FROM {copy.table} WHERE {copy.where} LIMIT 1) model,"
        f" LATERAL (SELECT $1::bigint, $2::bigint, $3::bigint) parameters,"
        f" {exchanges} AS k, generate_series(0, {shape.conversations - 1}) AS c"
    )
