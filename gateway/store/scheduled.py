"""Messages that companies' systems asked for: to whom, from when on, and what became of them.

What is due later waits in a table of its own, so that it never stands before a live reply in the outbox.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.core.company import Category, SentMessage, Standing
from gateway.core.ids import AccountId, ContactId, ConversationId, MessageId
from gateway.core.inbound import AddressKey
from gateway.core.messages import Parts, decode_parts

ACCOUNT = "a.channel || '.' || a.endpoint || '.' || a.name"

FIND_ACCOUNT = text(f"SELECT id, app FROM account a WHERE {ACCOUNT} = :account")

BY_ADDRESS = text(f"""
    SELECT l.conversation_id, a.id AS account_id, {ACCOUNT} AS account
    FROM address_alias l JOIN account a ON a.id = l.account_id
    WHERE l.account_id = :account_id AND l.kind = :kind AND l.value = :value
""")

BY_CONVERSATION = text(f"""
    SELECT c.id AS conversation_id, a.id AS account_id, {ACCOUNT} AS account
    FROM conversation c JOIN account a ON a.id = c.account_id WHERE c.id = :id
""")

# Where the person wrote last, among the accounts that may be used. A merged contact is looked for where it is now.
BY_CONTACT = text(f"""
    WITH RECURSIVE up AS (
        SELECT id, merged_into FROM contact WHERE id = :id
        UNION ALL
        SELECT c.id, c.merged_into FROM up JOIN contact c ON c.id = up.merged_into
    )
    SELECT c.id AS conversation_id, a.id AS account_id, {ACCOUNT} AS account
    FROM up JOIN conversation c ON c.contact_id = up.id JOIN account a ON a.id = c.account_id
    WHERE up.merged_into IS NULL AND (:account = '' OR {ACCOUNT} = :account)
    ORDER BY c.heard_at DESC NULLS LAST, c.id DESC
""")

CLAIM_ANSWER = text("""
    INSERT INTO api_answer (key_id, idempotency_key, request, status, body)
    VALUES (:key_id, :idempotency_key, :request, 0, '')
    ON CONFLICT DO NOTHING
    RETURNING key_id
""")

FIND_ANSWER = text("""
    SELECT request, body FROM api_answer WHERE key_id = :key_id AND idempotency_key = :idempotency_key
""")

SET_ANSWER = text("""
    UPDATE api_answer SET status = 202, body = :body WHERE key_id = :key_id AND idempotency_key = :idempotency_key
""")

INSERT = text("""
    INSERT INTO scheduled_message (id, key_id, key_name, conversation_id, account_id, category, parts, due_at, state,
                                   position)
    VALUES (:id, :key_id, :key_name, :conversation_id, :account_id, :category, CAST(:parts AS jsonb),
            coalesce(:due_at, now()), :state, :position)
    RETURNING due_at
""")

TAKE_DUE = text("""
    SELECT id, key_name, conversation_id, category, parts::text AS parts FROM scheduled_message
    WHERE state = 'scheduled' AND due_at <= :now
    ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
""")

SET_QUEUED = text("UPDATE scheduled_message SET state = 'queued', position = :position WHERE id = :id")

SET_REFUSED = text("UPDATE scheduled_message SET state = 'refused', reason = :reason, detail = :detail WHERE id = :id")

LOOK_UP = text(f"""
    SELECT s.id, s.conversation_id, s.category, s.due_at AS at, {ACCOUNT} AS account, s.state, m.status,
           coalesce(nullif(s.reason, ''), l.reason, '') AS reason,
           coalesce(nullif(s.detail, ''), l.detail, '') AS detail,
           EXISTS (SELECT 1 FROM held_message h WHERE h.message_id = s.id) AS is_held
    FROM scheduled_message s
    JOIN account a ON a.id = s.account_id
    LEFT JOIN message m ON m.conversation_id = s.conversation_id AND m.position = s.position AND m.id = s.id
    LEFT JOIN dead_letter l ON l.message_id = s.id
    WHERE s.id = :id AND s.key_id = :key_id
""")


class Place(msgspec.Struct, frozen=True):
    """A conversation that may be written to, and through which account."""

    conversation_id: ConversationId
    account_id: AccountId
    account: str


class Due(msgspec.Struct, frozen=True):
    """A message whose time has come; its row is locked."""

    id: MessageId
    key_name: str
    conversation_id: ConversationId
    category: Category
    parts: Parts


async def account_id(connection: AsyncConnection, account: str) -> AccountId | None:
    """The number of an account that is called ``channel.endpoint.account``."""
    row = (await connection.execute(FIND_ACCOUNT, {"account": account})).one_or_none()
    return None if row is None else AccountId(row.id)


async def by_address(connection: AsyncConnection, number: AccountId, key: AddressKey) -> Place | None:
    """The conversation with an address of an account."""
    values = {"account_id": number, "kind": key.kind, "value": key.value}
    row = (await connection.execute(BY_ADDRESS, values)).one_or_none()
    return None if row is None else Place(*row)


async def by_conversation(connection: AsyncConnection, conversation_id: ConversationId) -> Place | None:
    row = (await connection.execute(BY_CONVERSATION, {"id": conversation_id})).one_or_none()
    return None if row is None else Place(*row)


async def by_contact(connection: AsyncConnection, contact_id: ContactId, account: str) -> list[Place]:
    """The contact's conversations (on *account*, if one is named), the one heard of last first."""
    rows = (await connection.execute(BY_CONTACT, {"id": contact_id, "account": account})).all()
    return [Place(*row) for row in rows]


async def claim_answer(connection: AsyncConnection, key_id: UUID, key: str, request: bytes) -> bool:
    """Whether this key is used for the first time; waits for another transaction that is using it."""
    values = {"key_id": key_id, "idempotency_key": key, "request": request}
    return (await connection.execute(CLAIM_ANSWER, values)).one_or_none() is not None


async def find_answer(connection: AsyncConnection, key_id: UUID, key: str) -> tuple[bytes, bytes] | None:
    """What was asked for under a key, and the answer; ``None``: the key was not used yet."""
    row = (await connection.execute(FIND_ANSWER, {"key_id": key_id, "idempotency_key": key})).one_or_none()
    return None if row is None else (bytes(row.request), bytes(row.body))


async def set_answer(connection: AsyncConnection, key_id: UUID, key: str, body: bytes) -> None:
    await connection.execute(SET_ANSWER, {"key_id": key_id, "idempotency_key": key, "body": body})


async def insert(
    connection: AsyncConnection,
    message_id: MessageId,
    place: Place,
    *,
    key_id: UUID,
    key_name: str,
    category: Category,
    parts: str,
    due_at: datetime | None,
    position: int | None,
) -> datetime:
    """Put a message down, queued at *position* or (without one) to wait for its time; returns when it is due."""
    values = {
        "id": message_id,
        "key_id": key_id,
        "key_name": key_name,
        "conversation_id": place.conversation_id,
        "account_id": place.account_id,
        "category": category,
        "parts": parts,
        "due_at": due_at,
        "state": "scheduled" if position is None else "queued",
        "position": position,
    }
    due: datetime = (await connection.execute(INSERT, values)).scalar_one()
    return due


async def take_due(connection: AsyncConnection, now: datetime) -> Due | None:
    """The longest waiting message whose time has come, locked; nobody else takes it."""
    row = (await connection.execute(TAKE_DUE, {"now": now})).one_or_none()
    if row is None:
        return None
    return Due(row.id, row.key_name, row.conversation_id, row.category, decode_parts(row.parts))


async def set_queued(connection: AsyncConnection, message_id: MessageId, position: int) -> None:
    await connection.execute(SET_QUEUED, {"id": message_id, "position": position})


async def set_refused(connection: AsyncConnection, message_id: MessageId, reason: str, detail: str) -> None:
    await connection.execute(SET_REFUSED, {"id": message_id, "reason": reason, "detail": detail})


async def look_up(connection: AsyncConnection, key_id: UUID, message_id: MessageId) -> SentMessage | None:
    """How a message of that key stands; ``None``: it has none of that id."""
    row = (await connection.execute(LOOK_UP, {"id": message_id, "key_id": key_id})).one_or_none()
    if row is None:
        return None
    status: Standing = row.status if row.state == "queued" else row.state
    return SentMessage(
        id=row.id,
        status="held" if row.is_held else status,
        account=row.account,
        conversation_id=row.conversation_id,
        category=row.category,
        at=row.at,
        reason=row.reason,
        detail=row.detail,
    )
