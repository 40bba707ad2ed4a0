"""A customer who closed the conversation is left alone until they write, and then answered as if nothing had been."""

from __future__ import annotations

from datetime import UTC, datetime

import asyncpg
import msgspec
import pytest
from paper_provider import said
from pipeline_process import StartProcess

from gateway.core.errors import SendRefused
from gateway.core.ids import ConversationId
from gateway.core.inbound import AddressKey, ConsentChanged, Received
from gateway.core.messages import Author, Text

pytestmark = pytest.mark.system


def now_said(number: int) -> Received:
    return msgspec.structs.replace(said("ana", number), at=datetime.now(UTC))


def closed() -> ConsentChanged:
    return ConsentChanged(
        event_key="c:1",
        at=datetime.now(UTC),
        address=AddressKey("chat", "ana"),
        is_opted_in=False,
        reason="closed",
        until_heard=True,
    )


async def test_who_closed_is_not_written_to_until_they_write(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start()
    await one.accept(now_said(1))
    await one.finish()
    await one.accept(closed())
    conversation_id = ConversationId(await sql.fetchval("SELECT id FROM conversation"))
    async with one.database.begin() as connection:
        with pytest.raises(SendRefused) as refused:
            await one.guard.check(connection, conversation_id, Author.BOT, (Text("¿Sigues ahí?"),))
    assert refused.value.reason == "unreachable"
    await one.accept(now_said(2))
    await one.finish()
    assert one.client.calls == [("ana", "re: ana 1"), ("ana", "re: ana 2")]


async def test_closing_takes_no_consent_back(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start()
    await one.accept(now_said(1))
    await one.accept(closed())
    assert await sql.fetchval("SELECT count(*) FROM consent") == 0
    assert not await sql.fetchval("SELECT is_opted_out FROM conversation")
