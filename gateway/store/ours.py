"""Messages in our name that receive puts down: what others said for us at the provider, and what we confirm at once."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import asyncpg

from gateway.core.events import EventKind
from gateway.core.ids import ConversationId, MessageId, derived_id
from gateway.core.messages import Author, Media, Parts, Status, encode_parts

TAKE_POSITION = """
    UPDATE conversation SET next_position = next_position + 1 WHERE id = $1
    RETURNING next_position - 1 AS position, account_id, epoch, episode_id
"""

INSERT_MESSAGE = """
    INSERT INTO message (conversation_id, position, id, episode_id, author, status, parts, agent, reply_key,
                         provider_at, provider_message_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb, $8, $9, $10, $11)
"""

INSERT_OUTBOX = """
    INSERT INTO outbox (conversation_id, position, message_id, account_id, author, epoch)
    VALUES ($1, $2, $3, $4, $5, $6)
"""

INSERT_REF = """
    INSERT INTO provider_ref (account_id, provider_message_id, conversation_id, position, message_id)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT DO NOTHING
"""

INSERT_MEDIA_JOB = """
    INSERT INTO media_job (message_id, part, conversation_id, position, account_id, provider_ref)
    VALUES ($1, $2, $3, $4, $5, $6)
"""

INSERT_EVENT = """
    INSERT INTO event (id, kind, account_id, conversation_id, episode_id, subject) VALUES ($1, $2, $3, $4, $5, $6)
"""


async def append_queued(
    connection: asyncpg.Connection, conversation_id: ConversationId, message_id: MessageId, parts: Parts, key: str
) -> None:
    """Say something as the system, in the caller's transaction."""
    row = await connection.fetchrow(TAKE_POSITION, conversation_id)
    encoded = encode_parts(parts).decode()
    await connection.execute(
        INSERT_MESSAGE,
        *(conversation_id, row["position"], message_id, row["episode_id"], Author.SYSTEM, Status.QUEUED, encoded),
        *("", key, None, ""),
    )
    await connection.execute(
        INSERT_OUTBOX,
        *(conversation_id, row["position"], message_id, row["account_id"], Author.SYSTEM, row["epoch"]),
    )


async def append_said(
    connection: asyncpg.Connection,
    conversation_id: ConversationId,
    message_id: MessageId,
    *,
    author: Author,
    name: str,
    parts: Parts,
    at: datetime,
    provider_message_id: str,
) -> None:
    """Put down what somebody else said in our name: it is sent already, and never sent by us."""
    row = await connection.fetchrow(TAKE_POSITION, conversation_id)
    position, account_id, episode_id = row["position"], row["account_id"], row["episode_id"]
    encoded = encode_parts(parts).decode()
    await connection.execute(
        INSERT_MESSAGE,
        *(conversation_id, position, message_id, episode_id, author, Status.SENT, encoded, name, ""),
        *(at, provider_message_id),
    )
    await connection.execute(INSERT_REF, account_id, provider_message_id, conversation_id, position, message_id)
    for number, part in enumerate(parts):
        if isinstance(part, Media) and part.provider_ref:
            job = (message_id, number, conversation_id, position, account_id, part.provider_ref)
            await connection.execute(INSERT_MEDIA_JOB, *job)
    kind = EventKind.MESSAGE_SENT
    event_id: UUID = derived_id(message_id, kind)
    await connection.execute(INSERT_EVENT, event_id, kind.value, account_id, conversation_id, episode_id, message_id)
