"""What a visitor who comes back has here: their conversations, by the addresses that they may have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import ARRAY, Text, bindparam, text

from gateway.core.ids import AccountId, ConversationId
from gateway.core.messages import Parts, decode_parts
from gateway.store.database import Database

# The newest hundred messages are enough for a number beside a title, whatever the length of the conversation.
CONVERSATIONS = text("""
    SELECT q.value AS address, l.conversation_id, f.parts::text AS first, n.parts::text AS last, n.at AS last_at,
           u.unread
    FROM unnest(:addresses) AS q (value)
    JOIN address_alias l ON l.account_id = :account_id AND l.kind = :kind AND l.value = q.value
    JOIN LATERAL (
        SELECT parts FROM message m WHERE m.conversation_id = l.conversation_id ORDER BY m.position LIMIT 1
    ) f ON true
    JOIN LATERAL (
        SELECT parts, at FROM message m
        WHERE m.conversation_id = l.conversation_id AND m.status NOT IN ('queued', 'failed', 'withdrawn')
        ORDER BY m.position DESC LIMIT 1
    ) n ON true
    JOIN conversation c ON c.id = l.conversation_id
    JOIN LATERAL (
        SELECT count(*) AS unread FROM message m
        WHERE m.conversation_id = c.id AND m.position >= c.next_position - 100
          AND m.author IN ('bot', 'agent') AND m.status IN ('sent', 'delivered')
    ) u ON true
    ORDER BY n.at DESC, l.conversation_id DESC
""").bindparams(bindparam("addresses", type_=ARRAY(Text)))

PLACE = text("""
    SELECT l.conversation_id, d.recipient FROM address_alias l JOIN address d ON d.id = l.address_id
    WHERE l.account_id = :account_id AND l.kind = :kind AND l.value = :value
""")


# Whoever reads the conversation from now on should see who it is; what was claimed before gives way.
INTRODUCE = text("""
    UPDATE contact SET name = coalesce(nullif(:name, ''), name), details = contact.details || CAST(:details AS jsonb)
    WHERE id = (
        SELECT d.contact_id FROM address_alias l JOIN address d ON d.id = l.address_id
        WHERE l.account_id = :account_id AND l.kind = :kind AND l.value = :value
    )
""")


class VisitorConversation(msgspec.Struct, frozen=True):
    """``address`` is the value under which it was found; ``unread``: of the bot's and agents' newest messages."""

    address: str
    conversation_id: ConversationId
    first: Parts
    last: Parts
    last_at: datetime
    unread: int


class VisitorPlace(msgspec.Struct, frozen=True):
    """A conversation, and the address at which it is written to by now."""

    conversation_id: ConversationId
    recipient: str


async def conversations_of(
    database: Database, account_id: AccountId, kind: str, addresses: Sequence[str]
) -> list[VisitorConversation]:
    """The conversations that these addresses have begun, the one with the newest message first."""
    values = {"account_id": account_id, "kind": kind, "addresses": list(addresses)}
    async with database.begin() as connection:
        rows = (await connection.execute(CONVERSATIONS, values)).all()
    return [
        VisitorConversation(
            row.address, row.conversation_id, decode_parts(row.first), decode_parts(row.last), row.last_at, row.unread
        )
        for row in rows
    ]


async def place_of(database: Database, account_id: AccountId, kind: str, value: str) -> VisitorPlace | None:
    """What an address has begun; ``None`` before its first message."""
    async with database.begin() as connection:
        values = {"account_id": account_id, "kind": kind, "value": value}
        row = (await connection.execute(PLACE, values)).one_or_none()
    return None if row is None else VisitorPlace(row.conversation_id, row.recipient)


async def introduce(
    database: Database, account_id: AccountId, kind: str, value: str, name: str, details: Mapping[str, str]
) -> None:
    """Put down who is behind an address, once that is known better than before."""
    facts = {"name": name, "details": msgspec.json.encode(dict(details)).decode()}
    async with database.begin() as connection:
        await connection.execute(INTRODUCE, {"account_id": account_id, "kind": kind, "value": value, **facts})
