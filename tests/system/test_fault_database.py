"""PostgreSQL goes away and comes back."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fault_harness import (
    Replies,
    Sender,
    connected,
    holds,
    mail_of,
    replies_in_database,
    unexplained_chats,
)

from gateway.app.bench.audit import settled
from gateway.app.bench.processes import is_answered
from gateway.app.bench.subjects import ProviderProcess
from gateway.store.embedded import EmbeddedPostgres

pytestmark = pytest.mark.system


@pytest.fixture
async def own_postgres(tmp_path: Path) -> AsyncIterator[EmbeddedPostgres]:
    """A server that the test may stop."""
    server = EmbeddedPostgres(tmp_path / f"pg{secrets.token_hex(2)}")
    await server.start()
    yield server
    await server.stop()


async def test_while_the_database_is_away_webhooks_get_503_and_afterwards_everything_arrives(
    make_gateway, provider: ProviderProcess, own_postgres: EmbeddedPostgres
) -> None:
    gateway = make_gateway(database_url=own_postgres.dsn())
    await gateway.start()
    mail = mail_of(30, 300)
    async with Replies(provider) as replies, Sender([gateway]) as sender:
        talks = asyncio.gather(*(_in_order(sender, of_one) for of_one in mail))
        assert await holds(lambda: len(replies.log) > 30, 30), "it answers too slowly"
        await own_postgres.stop()
        seen = len(sender.refusals)
        assert await holds(lambda: len(sender.refusals) > seen + 20, 20), "nothing was refused"
        assert not await is_answered(gateway.port, "/readyz")
        assert await is_answered(gateway.port, "/healthz")
        await own_postgres.start()
        await talks
        async with connected(own_postgres.dsn()) as connection:
            found = await settled(connection, 60)
            await replies.catch_up()
            expected = await replies_in_database(connection)
            repeated = await connection.fetch("SELECT message_id FROM outbox WHERE is_sending")
        await gateway.child.stop()

    assert {answer.status for answer in sender.refusals} == {503}
    assert all(int(answer.retry_after) > 0 for answer in sender.refusals)
    assert found.faults(300) == []
    assert repeated == []
    wrong = unexplained_chats(replies, expected, _all_messages(expected))
    assert wrong == {}


def _all_messages(expected: dict[str, list[object]]) -> set[object]:
    """A send whose outcome could not be written is ambiguous, so any of them may have been made twice."""
    return {reply.message_id for replies in expected.values() for reply in replies}


async def _in_order(sender: Sender, mail: list[object]) -> None:
    for update in mail:
        await sender.deliver(update)
