"""Notes that agents leave for one another in a conversation. No customer is ever shown one, and no desk outside."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.core.errors import TertuliaError
from gateway.core.ids import ConversationId, new_id

MOST_NOTES = 500
"""In one conversation: what reads all of them stays cheap."""

ADD = text("""
    INSERT INTO desk_note (conversation_id, id, position, agent, text, key)
    SELECT c.id, :note_id, c.next_position - 1, :agent, :text, :key FROM conversation c
    WHERE c.id = :id AND (SELECT count(*) FROM desk_note n WHERE n.conversation_id = c.id) < :most
    ON CONFLICT (conversation_id, key) DO NOTHING
    RETURNING id, position, at, agent, text, key
""")

WRITTEN = text("""
    SELECT id, position, at, agent, text, key FROM desk_note WHERE conversation_id = :id AND key = :key
""")

IS_THERE = text("SELECT 1 FROM conversation WHERE id = :id")

READ = text("""
    SELECT id, position, at, agent, text, key FROM desk_note
    WHERE conversation_id = :id AND position >= :first AND position < :before
    ORDER BY position, id LIMIT :most
""")

REMOVE = text("""
    DELETE FROM desk_note WHERE conversation_id = :id AND id = :note_id AND agent = :agent RETURNING id
""")


class TooManyNotes(TertuliaError):
    """A conversation has as many notes as it can hold."""


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """``position``: the message that it stands behind; ``key`` is what its page called it."""

    id: UUID
    position: int
    at: datetime
    agent: str
    text: str
    key: str


async def add(connection: AsyncConnection, conversation_id: ConversationId, *, agent: str, text: str, key: str) -> Note:
    """Write a note behind the newest message, once for each *key*.

    Raises ``LookupError`` when there is no such conversation, ``TooManyNotes``.
    """
    values = {"id": conversation_id, "note_id": new_id(), "agent": agent, "text": text, "key": key, "most": MOST_NOTES}
    row = (await connection.execute(ADD, values)).mappings().one_or_none()
    if row is None:
        row = (await connection.execute(WRITTEN, {"id": conversation_id, "key": key})).mappings().one_or_none()
    if row is not None:
        return Note(**row)
    if (await connection.execute(IS_THERE, {"id": conversation_id})).one_or_none() is None:
        raise LookupError(f"no conversation {conversation_id}")
    raise TooManyNotes(f"a conversation holds {MOST_NOTES} notes")


async def read(connection: AsyncConnection, conversation_id: ConversationId, *, first: int, before: int) -> list[Note]:
    """The notes behind messages from *first* on and before *before*, in their order."""
    values = {"id": conversation_id, "first": first, "before": before, "most": MOST_NOTES}
    return [Note(**row) for row in (await connection.execute(READ, values)).mappings()]


async def remove(connection: AsyncConnection, conversation_id: ConversationId, note_id: UUID, *, agent: str) -> bool:
    """Take back one's own note; false: it is gone already, or somebody else's."""
    values = {"id": conversation_id, "note_id": note_id, "agent": agent}
    return (await connection.execute(REMOVE, values)).one_or_none() is not None
