"""Who agreed to hear from us, and who cannot be reached: the marks that every send asks, and the ledger behind them.

Every change of consent is a row that is never changed again, with its source and its evidence. The marks on the
conversation follow from the newest row of each scope.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import asyncpg
import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.core.events import EventKind
from gateway.core.ids import AccountId, ContactId, ConversationId, derived_id, new_id
from gateway.core.inbound import ConsentChanged

Scope = Literal["all", "marketing", "learning"]
"""``learning``: whether the person's texts may teach the bot; it marks no conversation, and no send asks it."""

LOCATE = "SELECT conversation_id FROM address_alias WHERE account_id = $1 AND kind = $2 AND value = $3"

APPEND = """
    INSERT INTO consent (id, conversation_id, contact_id, account_id, scope, is_opted_in, source, evidence, at)
    SELECT $1, c.id, c.contact_id, c.account_id, $3, $4, $5, $6, $7
    FROM (SELECT id, contact_id, account_id FROM conversation WHERE id = $2 FOR UPDATE) c
    RETURNING account_id
"""

# Something newer may be known already: then the ledger grows, and the marks stay.
MARK = """
    UPDATE conversation c SET
        is_opted_out = CASE WHEN $2 = 'all' THEN NOT $3 ELSE c.is_opted_out END,
        is_opted_in = CASE WHEN $2 = 'all' THEN $3 ELSE c.is_opted_in END,
        is_marketing_in = CASE WHEN $2 = 'marketing' THEN $3 ELSE c.is_marketing_in AND $3 END,
        is_marketing_out = CASE WHEN $2 = 'marketing' THEN NOT $3 ELSE c.is_marketing_out END
    WHERE c.id = $1 AND NOT EXISTS (
        SELECT 1 FROM consent n WHERE n.conversation_id = $1 AND n.scope = $2 AND n.at > $4
    )
    RETURNING c.id
"""

TELL = """
    INSERT INTO event (id, kind, account_id, conversation_id, subject, data) VALUES ($1, $2, $3, $4, $4, $5::jsonb)
    ON CONFLICT DO NOTHING
"""

UNREACHABLE = "UPDATE conversation SET unreachable_at = $2 WHERE id = $1 AND unreachable_at IS DISTINCT FROM $2"

IS_OUT = "SELECT is_opted_out FROM conversation WHERE id = $1"

STANDING = text("""
    SELECT c.id AS conversation_id, c.account_id, c.contact_id, a.app, c.language, c.heard_at, c.window_until,
           c.is_opted_out, c.is_marketing_out, c.is_opted_in, c.is_marketing_in,
           coalesce(c.unreachable_at > coalesce(c.heard_at, '-infinity'), false) AS is_unreachable
    FROM conversation c JOIN account a ON a.id = c.account_id
    WHERE c.id = :id
""")

LEDGER = text("""
    SELECT scope, is_opted_in, source, evidence, at, recorded_at FROM consent
    WHERE conversation_id = :id ORDER BY recorded_at DESC, id DESC LIMIT :limit
""")


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How a conversation stands with the rules of sending. ``heard_at``: the customer's last act (provider's clock)."""

    conversation_id: ConversationId
    account_id: AccountId
    contact_id: ContactId
    app: str
    language: str
    heard_at: datetime | None
    window_until: datetime | None
    is_opted_out: bool
    is_marketing_out: bool
    is_opted_in: bool
    is_marketing_in: bool
    is_unreachable: bool


class Agreement(msgspec.Struct, frozen=True):
    """One line of the ledger."""

    scope: Scope
    is_opted_in: bool
    source: str
    evidence: str
    at: datetime
    recorded_at: datetime


async def change_by_address(connection: asyncpg.Connection, account_id: AccountId, event: ConsentChanged) -> None:
    """What a provider told of one of its addresses; of an address that never wrote there is nothing to change."""
    key = event.address
    conversation_id = await connection.fetchval(LOCATE, account_id, key.kind, key.value)
    if conversation_id is not None:
        await told(connection, ConversationId(conversation_id), event)


async def told(connection: asyncpg.Connection, conversation_id: ConversationId, event: ConsentChanged) -> None:
    """What a provider told of a conversation. Who only closed it is reached once they write."""
    if event.until_heard and not event.is_opted_in:
        await connection.execute(UNREACHABLE, conversation_id, event.at)
        return
    await change(
        connection,
        conversation_id,
        is_opted_in=event.is_opted_in,
        scope=event.scope,
        source="provider",
        evidence=f"{event.reason} {event.event_key}".strip(),
        at=event.at,
    )


async def change(
    connection: asyncpg.Connection,
    conversation_id: ConversationId,
    *,
    is_opted_in: bool,
    scope: Scope,
    source: str,
    evidence: str,
    at: datetime,
) -> None:
    """Write a change of consent down, and mark the conversation unless something newer is known of that scope.

    *source* says where it comes from (``provider``, ``refusal``, ``keyword``, ``api``, ``desk``), *evidence* what
    shows it: an event's key, a message's id, a form's reference. An opt-out of everything ends the marketing opt-in.
    """
    entry_id = new_id()
    account_id = await connection.fetchval(
        APPEND, entry_id, conversation_id, scope, is_opted_in, source, evidence[:1000], at
    )
    if account_id is None:
        return
    if await connection.fetchval(MARK, conversation_id, scope, is_opted_in, at) is None:
        return
    kind = EventKind.CONSENT_GIVEN if is_opted_in else EventKind.CONSENT_WITHDRAWN
    data = msgspec.json.encode({"scope": scope, "source": source}).decode()
    await connection.execute(TELL, derived_id(entry_id, kind), kind.value, account_id, conversation_id, data)


async def note_refusal(
    connection: asyncpg.Connection, conversation_id: ConversationId, reason: str, at: datetime, code: str
) -> None:
    """What a provider's refusal, at once or in a later receipt, says about the person; most reasons say nothing.

    *reason* is a ``GiveUpReason``, *at* the provider's time of it: an answer of the customer that is newer makes the
    address reachable again.
    """
    if reason == "unreachable":
        await connection.execute(UNREACHABLE, conversation_id, at)
    elif reason == "opted_out" and await connection.fetchval(IS_OUT, conversation_id) is False:
        evidence = f"the provider refused a message: {code}" if code else "the provider refused a message"
        await change(
            connection, conversation_id, is_opted_in=False, scope="all", source="refusal", evidence=evidence, at=at
        )


async def standing(connection: AsyncConnection, conversation_id: ConversationId) -> Standing:
    """How a conversation stands. Raises ``LookupError`` when there is none."""
    row = (await connection.execute(STANDING, {"id": conversation_id})).one_or_none()
    if row is None:
        raise LookupError(f"no conversation {conversation_id}")
    return Standing(**row._mapping)  # noqa: SLF001  public in SQLAlchemy despite its name


async def ledger(connection: AsyncConnection, conversation_id: ConversationId, *, limit: int = 100) -> list[Agreement]:
    """The changes of consent in one conversation, the newest first."""
    rows = (await connection.execute(LEDGER, {"id": conversation_id, "limit": limit})).all()
    return [Agreement(**row._mapping) for row in rows]  # noqa: SLF001
