"""The delivery contract while the gateway is killed again and again (``make chaos`` runs it at full size)."""

from __future__ import annotations

import asyncio
import os
import time

import pytest
from fault_harness import (
    QUICK_LEASES,
    Killer,
    Person,
    Replies,
    Sender,
    connected,
    mail_of,
    not_repeated,
    repeats,
    replies_in_database,
    unexplained_chats,
)

from gateway.app.bench.audit import settled
from gateway.app.bench.provider import Behaviour
from gateway.app.bench.subjects import ProviderProcess

pytestmark = pytest.mark.system

MESSAGES = int(os.environ.get("TERTULIA_CHAOS_MESSAGES", "2000"))
PEOPLE = int(os.environ.get("TERTULIA_CHAOS_PEOPLE", "60"))
PATIENCE_S = 60.0
IS_SHORT = MESSAGES <= 2000
KILL_EVERY_S = (0.1, 0.6) if IS_SHORT else (0.2, 4.0)
MOST_KILLS = 10 if IS_SHORT else 10_000
"""The short form takes few and quick kills, so that it stays short where a start takes long."""
PROVIDER_DELAY_MS = 20
"""So that a kill finds calls under way."""


async def test_kills_lose_nothing_double_nothing_and_disorder_nothing(
    make_gateway, provider: ProviderProcess, database_url: str
) -> None:
    gateway = make_gateway(**QUICK_LEASES)
    await gateway.start()
    await provider.behave(Behaviour(delay_ms=PROVIDER_DELAY_MS))
    done, began = asyncio.Event(), time.monotonic()
    async with (
        connected(database_url) as connection,
        Replies(provider) as replies,
        Sender([gateway]) as sender,
        asyncio.TaskGroup() as group,
    ):
        killer = Killer(gateway, connection)
        rage = group.create_task(killer.rage(every_s=KILL_EVERY_S, most=MOST_KILLS, until=done))
        mail = mail_of(PEOPLE, MESSAGES)
        people = [Person(of_one, sender, replies) for of_one in mail]
        await asyncio.gather(*(person.talk(PATIENCE_S) for person in people))
        await sender.stragglers()
        done.set()
        await rage
        found = await settled(connection, PATIENCE_S)
        await replies.catch_up()
        twice = {message_id for message_id, kills in killer.sending.items() if kills > 1}
        dead = await connection.fetch("SELECT message_id, reason FROM dead_letter")
        expected = await replies_in_database(connection)

    assert killer.kills >= 5, "too quick for a fault to hit it"
    assert len(sender.acknowledged) == MESSAGES
    assert {row["message_id"] for row in dead} <= twice
    assert {row["reason"] for row in dead} <= {"unknown_outcome"}
    allowed = {f"{len(dead)} dead letters", f"{len(dead)} replies not sent"}
    assert set(found.faults(MESSAGES)) <= allowed
    assert unexplained_chats(replies, expected, killer.sending) == {}
    assert [update for person in people for update in person.unanswered] == []
    assert not_repeated(expected, mail) == []
    print(  # noqa: T201  shown by pytest -rP
        f"{MESSAGES} messages of {PEOPLE} people in {time.monotonic() - began:.0f} s: {killer.kills} kills, "
        f"{found.replies} replies, {sum(killer.sending.values())} being sent at a kill, "
        f"{repeats(replies)} answers sent twice, {len(dead)} dead letters, {len(sender.refusals)} attempts refused"
    )
