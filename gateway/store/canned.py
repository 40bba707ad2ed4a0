"""Replies that agents saved to use again: by name and language, for everybody at the desk."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.core.errors import TertuliaError
from gateway.core.ids import new_id

MOST_REPLIES = 1_000
"""All of them travel to a page that opens their list."""

READ = text(
    "SELECT id, name, language, text, agent, saved_at FROM canned_reply ORDER BY lower(name), language LIMIT :most"
)

SAVE = text("""
    INSERT INTO canned_reply (id, name, language, text, agent)
    SELECT :id, :name, :language, :text, :agent WHERE (SELECT count(*) FROM canned_reply) < :most
    ON CONFLICT (lower(name), language) DO NOTHING
    RETURNING id, name, language, text, agent, saved_at
""")

REPLACE = text("""
    UPDATE canned_reply SET name = :name, text = :text, agent = :agent, saved_at = now()
    WHERE lower(name) = lower(:name) AND language = :language
    RETURNING id, name, language, text, agent, saved_at
""")

OF_NAME = text("""
    SELECT id, name, language, text, agent, saved_at FROM canned_reply
    WHERE lower(name) = lower(:name) AND language = :language
""")

REMOVE = text("DELETE FROM canned_reply WHERE id = :id RETURNING id")


class TooManyReplies(TertuliaError):
    """As many replies are saved as can be."""


class NameTaken(TertuliaError):
    """There is a reply of that name in that language, with another text; ``agent`` saved it."""

    def __init__(self, agent: str) -> None:
        super().__init__("a reply has that name already")
        self.agent = agent


class SavedReply(msgspec.Struct, frozen=True, kw_only=True):
    """``language`` empty: for customers of any. ``agent`` saved it."""

    id: UUID
    name: str
    language: str
    text: str
    agent: str
    saved_at: datetime


async def read(connection: AsyncConnection) -> list[SavedReply]:
    """All of them, by name."""
    return [SavedReply(**row) for row in (await connection.execute(READ, {"most": MOST_REPLIES})).mappings()]


async def save(
    connection: AsyncConnection, *, name: str, language: str, text: str, agent: str, replaces: bool
) -> SavedReply:
    """Keep a reply; with *replaces* also in place of the one of that name. The same again changes nothing.

    Raises ``NameTaken`` or ``TooManyReplies``.
    """
    values = {"id": new_id(), "name": name, "language": language, "text": text, "agent": agent, "most": MOST_REPLIES}
    row = (await connection.execute(SAVE, values)).mappings().one_or_none()
    if row is not None:
        return SavedReply(**row)
    known = (await connection.execute(OF_NAME, values)).mappings().one_or_none()
    if known is None:
        raise TooManyReplies(f"{MOST_REPLIES} replies are saved; remove some")
    if known["text"] == text:
        return SavedReply(**known)
    if not replaces:
        raise NameTaken(known["agent"])
    return SavedReply(**(await connection.execute(REPLACE, values)).mappings().one())


async def remove(connection: AsyncConnection, reply_id: UUID) -> bool:
    """Forget a reply; false: it is gone already."""
    return (await connection.execute(REMOVE, {"id": reply_id})).one_or_none() is not None
