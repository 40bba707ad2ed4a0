"""What could not be sent, with the provider's reason, and the way to send it after all."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import text

from gateway.core.ids import ConversationId, MessageId, new_id
from gateway.store.database import Database
from gateway.store.outgoing import append_message

COLUMNS = """
    d.message_id, d.conversation_id, d.at, d.reason, d.detail, d.code, d.failures, d.author, d.replayed_at,
    a.channel, a.endpoint, a.name AS account
"""

LIST = text(f"""
    SELECT {COLUMNS} FROM dead_letter d JOIN account a ON a.id = d.account_id
    WHERE d.replayed_at IS NULL OR :all ORDER BY d.at LIMIT :limit
""")

SHOW = text(f"""
    SELECT {COLUMNS}, CAST(m.parts AS text) AS parts
    FROM dead_letter d JOIN account a ON a.id = d.account_id
    JOIN message m ON m.conversation_id = d.conversation_id AND m.position = d.position AND m.id = d.message_id
    WHERE d.message_id = :id
""")

CLAIM = text("""
    UPDATE dead_letter SET replayed_at = now() WHERE message_id = :id AND replayed_at IS NULL
    RETURNING conversation_id, position, author
""")

CONTENT = text("""
    SELECT CAST(parts AS text) AS parts, agent, reply_key FROM message
    WHERE conversation_id = :conversation_id AND position = :position AND id = :id
""")


class DeadLetter(msgspec.Struct, frozen=True):
    """``parts`` is only there when one letter is shown."""

    message_id: UUID
    conversation_id: UUID
    at: datetime
    reason: str
    detail: str
    code: str
    failures: int
    author: str
    replayed_at: datetime | None
    channel: str
    endpoint: str
    account: str
    parts: str = ""


async def list_letters(database: Database, *, limit: int = 100, with_replayed: bool = False) -> list[DeadLetter]:
    """What was given up, the oldest first."""
    async with database.begin() as connection:
        rows = (await connection.execute(LIST, {"limit": limit, "all": with_replayed})).all()
    return [DeadLetter(**row._mapping) for row in rows]  # noqa: SLF001


async def show_letter(database: Database, message_id: UUID) -> DeadLetter:
    """One letter with its content. Raises ``LookupError``."""
    async with database.begin() as connection:
        row = (await connection.execute(SHOW, {"id": message_id})).one_or_none()
    if row is None:
        raise LookupError(f"no dead letter has the id {message_id}")
    return DeadLetter(**row._mapping)  # noqa: SLF001


async def replay_letter(database: Database, message_id: UUID) -> MessageId | None:
    """Send it again as a new message at the end of its conversation; ``None`` when that was done before.

    A status only moves forward, so the failed message stays failed and the new one has its own.
    """
    async with database.begin() as connection:
        claimed = (await connection.execute(CLAIM, {"id": message_id})).one_or_none()
        if claimed is None:
            return None
        values = {"conversation_id": claimed.conversation_id, "position": claimed.position, "id": message_id}
        content = (await connection.execute(CONTENT, values)).one()
        new_message_id = MessageId(new_id())
        await append_message(
            connection,
            ConversationId(claimed.conversation_id),
            new_message_id,
            author=claimed.author,
            parts=content.parts,
            agent=content.agent,
            key=content.reply_key,
        )
        return new_message_id
