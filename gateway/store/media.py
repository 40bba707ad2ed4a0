"""Files that customers sent and that are still to be fetched: committed with their message, retried on their own."""

from __future__ import annotations

from datetime import timedelta

import asyncpg
import msgspec

from gateway.core.ids import AccountId, ConversationId, MessageId

TAKE_DUE = """
    UPDATE media_job j SET attempts = j.attempts + 1, due_at = now() + $2
    FROM (
        SELECT message_id, part FROM media_job WHERE failed_reason = '' AND due_at <= now()
        ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED
    ) u
    WHERE j.message_id = u.message_id AND j.part = u.part
    RETURNING j.message_id, j.part, j.conversation_id, j.position, j.account_id, j.provider_ref, j.attempts
"""

WRITE_BLOB = """
    UPDATE message SET parts = jsonb_set(parts, ARRAY[$6::text], (parts -> $4::int) || $5::jsonb)
    WHERE conversation_id = $1 AND position = $2 AND id = $3 AND jsonb_array_length(parts) > $4::int
"""

DROP = "DELETE FROM media_job WHERE message_id = $1 AND part = $2"

PUT_OFF = "UPDATE media_job SET due_at = now() + $3 WHERE message_id = $1 AND part = $2"

FAIL = "UPDATE media_job SET failed_reason = $3 WHERE message_id = $1 AND part = $2"


class MediaJob(msgspec.Struct, frozen=True):
    message_id: MessageId
    part: int
    conversation_id: ConversationId
    position: int
    account_id: AccountId
    provider_ref: str
    attempts: int


async def take_due(connection: asyncpg.Connection, *, limit: int, lease_s: float) -> list[MediaJob]:
    """Take files to fetch; nobody else takes them for *lease_s*."""
    rows = await connection.fetch(TAKE_DUE, limit, timedelta(seconds=lease_s))
    return [MediaJob(**dict(row)) for row in rows]


async def done(connection: asyncpg.Connection, job: MediaJob, *, blob: str, size_bytes: int) -> None:
    """The file is in the blob store: its part says so from now on."""
    found = msgspec.json.encode({"blob": blob, "size_bytes": size_bytes}).decode()
    await connection.execute(
        WRITE_BLOB, job.conversation_id, job.position, job.message_id, job.part, found, str(job.part)
    )
    await connection.execute(DROP, job.message_id, job.part)


async def put_off(connection: asyncpg.Connection, job: MediaJob, after_s: float) -> None:
    await connection.execute(PUT_OFF, job.message_id, job.part, timedelta(seconds=after_s))


async def fail(connection: asyncpg.Connection, job: MediaJob, reason: str) -> None:
    """The file cannot be had; the message stays, with the provider's handle."""
    await connection.execute(FAIL, job.message_id, job.part, reason)
