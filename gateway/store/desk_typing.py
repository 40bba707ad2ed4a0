"""Who writes just now: where an agent's typing is shown, and which case a customer's typing belongs to."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg
import msgspec

from gateway.core.desks import CaseContact, CaseRef
from gateway.core.ids import AccountId, ContactId, ConversationId, HandoffId
from gateway.store.handoffs import spellings

HEARD_WITHIN = 50
"""The customer's last message is looked for in so many of the newest."""

PLACE = f"""
    SELECT c.account_id, d.recipient, coalesce(m.provider_message_id, '') AS heard
    FROM conversation c JOIN address d ON d.id = c.address_id
    LEFT JOIN LATERAL (
        SELECT provider_message_id FROM message
        WHERE conversation_id = c.id AND position >= c.next_position - {HEARD_WITHIN} AND author = 'customer'
        ORDER BY position DESC LIMIT 1
    ) m ON true
    WHERE c.id = $1 AND c.control <> 'bot' AND NOT c.is_opted_out
"""

CASES = """
    SELECT h.id, h.desk, h.conversation_id, h.reference, h.is_urgent, c.contact_id, c.language, t.name
    FROM conversation c
    JOIN handoff h ON h.id = c.handoff_id AND h.acknowledged_at IS NOT NULL AND h.ended_at IS NULL
    JOIN contact t ON t.id = c.contact_id
    WHERE c.id = ANY($1::uuid[]) AND h.desk = ANY($2::text[])
"""


class Place(msgspec.Struct, frozen=True):
    """Where typing is shown: the recipient on an account, and the provider's id of what was heard last."""

    account_id: AccountId
    recipient: str
    heard: str


async def place(connection: asyncpg.Connection, conversation_id: ConversationId) -> Place | None:
    """``None``: it is the bot's turn to speak, or the person wants silence."""
    row = await connection.fetchrow(PLACE, conversation_id)
    return None if row is None else Place(**dict(row))


async def cases(connection: asyncpg.Connection, desk: str, ids: Sequence[ConversationId]) -> list[CaseRef]:
    """The cases of these conversations that *desk* knows of now."""
    return [_case(row) for row in await connection.fetch(CASES, list(ids), spellings(desk))]


def _case(row: asyncpg.Record) -> CaseRef:
    contact = CaseContact(contact_id=ContactId(row["contact_id"]), name=row["name"], language=row["language"])
    return CaseRef(
        handoff_id=HandoffId(row["id"]),
        conversation_id=ConversationId(row["conversation_id"]),
        reference=row["reference"],
        is_urgent=row["is_urgent"],
        contact=contact,
    )
