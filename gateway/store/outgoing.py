"""Messages of ours that do not come from a turn: an agent's words, a dead letter tried again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.core.ids import ConversationId, MessageId
from gateway.core.ports import Persona

AVATAR_CHARS = 2048

_encoder = msgspec.json.Encoder()

APPEND = text("""
    WITH taken AS (
        UPDATE conversation SET next_position = next_position + 1
        WHERE id = :conversation_id
        RETURNING id, next_position - 1 AS position, account_id, epoch, episode_id
    ), said AS (
        INSERT INTO message (conversation_id, position, id, episode_id, author, status, parts, agent, reply_key,
                             avatar_url)
        SELECT id, position, CAST(:id AS uuid), episode_id, :author, 'queued', CAST(:parts AS jsonb), :agent, :key,
               :avatar_url
        FROM taken
    )
    INSERT INTO outbox (conversation_id, position, message_id, account_id, author, epoch, is_proactive, is_marketing,
                        due_at, trace, persona)
    SELECT id, position, CAST(:id AS uuid), account_id, :author, epoch, CAST(:is_proactive AS boolean),
           CAST(:is_marketing AS boolean), now() + CAST(:after AS interval), :trace, CAST(:persona AS jsonb)
    FROM taken
    RETURNING position
""")


async def append_message(
    connection: AsyncConnection,
    conversation_id: ConversationId,
    message_id: MessageId,
    *,
    author: str,
    parts: str,
    agent: str = "",
    key: str = "",
    is_proactive: bool = False,
    is_marketing: bool = False,
    after_s: float = 0.0,
    trace: str = "",
    persona: Persona | None = None,
) -> int:
    """Put a message at the end of a conversation and into the outbox; returns its position.

    A proactive one (sent unasked, not as an answer) goes behind all live ones of its account; *is_marketing* asks for
    the consent that advertising needs. It is not sent before *after_s*, and nor is what comes behind it in the
    conversation: what is scheduled for later than at once is better appended when its time has come. *persona* is as
    whom an agent appears in it.

    Raises ``LookupError`` when there is no such conversation.
    """
    values: Mapping[str, Any] = {
        "conversation_id": conversation_id,
        "id": message_id,
        "author": author,
        "parts": parts,
        "agent": agent,
        "key": key,
        "is_proactive": is_proactive,
        "is_marketing": is_marketing,
        "after": timedelta(seconds=after_s),
        "trace": trace,
        "avatar_url": "" if persona is None else persona.avatar_url[:AVATAR_CHARS],
        "persona": None if persona is None else _encoder.encode(persona).decode(),
    }
    position: int | None = (await connection.execute(APPEND, values)).scalar_one_or_none()
    if position is None:
        raise LookupError(f"no conversation {conversation_id}")
    return position
