"""PostgreSQL goes away and comes back."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fault_harness import (
    Person,
    Replies,
    Sender,
    connected,
    holds,
    mail_of,
    not_repeated,
    replies_in_database,
    unexplained_chats,
)

from gateway.app.bench.audit import settled
from gateway.app.bench.processes import is_answered
from gateway.app.bench.provider import Behaviour
from gateway.app.bench.subjects import ProviderProcess
from gateway.store.embedded import EmbeddedPostgres

pytestmark = pytest.mark.system

PATIENCE_S = 15.0
"""Less than any lease: whoever waits for one to run out is found."""


@pytest.fixture
async def own_postgres(tmp_path: Path) -> AsyncIterator[EmbeddedPostgres]:
    """A server that the test may stop."""
    server = EmbeddedPostgres(tmp_path / f"pg{secrets.token_hex(2)}")
    await server.start()
    yield server
    await server.stop()


async def test_while_the_database_is_away_webhooks_get_503_and_afterwards_everything_arrives_once(
    make_gateway, provider: ProviderProcess, own_postgres: EmbeddedPostgres
) -> None:
    gateway = make_gateway(database_url=own_postgres.dsn())
    await gateway.start()
    await provider.behave(Behaviour(delay_ms=20))
    mail = mail_of(40, 1200)
    async with Replies(provider) as replies, Sender([gateway]) as sender:
        people = [Person(of_one, sender, replies) for of_one in mail]
        talks = asyncio.gather(*(person.talk(PATIENCE_S) for person in people))
        assert await holds(lambda: len(replies.log) > 200, 30), "it answers too slowly"
        await own_postgres.stop()
        seen = len(sender.refusals)
        assert await holds(lambda: len(sender.refusals) > seen + 20, 20), "nothing was refused"
        assert not await is_answered(gateway.port, "/readyz")
        assert await is_answered(gateway.port, "/healthz")
        await own_postgres.start()
        await talks
        await sender.stragglers()
        async with connected(own_postgres.dsn()) as connection:
            found = await settled(connection, 20)
            await replies.catch_up()
            expected = await replies_in_database(connection)
        await gateway.child.stop()

    assert {answer.status for answer in sender.refusals} == {503}
    assert all(int(answer.retry_after) > 0 for answer in sender.refusals)
    assert [update for person in people for update in person.unanswered] == []
    assert found.faults(1200) == []
    assert not_repeated(expected, mail) == []
    # Leases are long here and no process died: how a send went is written down when the database is back, so
    # nothing is ambiguous and no send may be repeated.
    assert unexplained_chats(replies, expected, {}) == {}
