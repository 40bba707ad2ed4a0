"""Two replicas share nothing but PostgreSQL; Redis makes them quick, and its absence only slower."""

from __future__ import annotations

import asyncio
import time

import pytest
from fault_harness import Replies, Sender, connected

from gateway.app.bench.audit import settled
from gateway.app.bench.subjects import ProviderProcess
from gateway.app.bench.updates import updates

pytestmark = pytest.mark.system

ONE_DELIVERER = {"channels__telegram__main__rates__per_s": 500.0}
"""A limited account is delivered by one process, so half of what the replicas decide must be handed to the other."""


async def _slowest_answer_s(make_gateway, provider: ProviderProcess, database_url: str, redis_url: str) -> float:
    """The longest time from webhook to reply, over people who write to either replica, one after another."""
    replicas = [make_gateway(redis_url=redis_url, **ONE_DELIVERER) for _ in range(2)]
    await asyncio.gather(*(replica.start() for replica in replicas))
    mail = list(updates(first=1, count=40, people=40))
    times: list[float] = []
    async with connected(database_url) as connection, Replies(provider) as replies:
        async with Sender(replicas[:1]) as first, Sender(replicas[1:]) as second:
            for number, update in enumerate(mail):
                began = time.monotonic()
                await (first, second)[number % 2].deliver(update)
                assert await replies.more_than(update.chat_id, 0, 20), "no reply"
                times.append(time.monotonic() - began)
        found = await settled(connection, 20)
    assert found.faults(len(mail)) == []
    assert len(replies.log) == found.replies
    return max(times[4:])  # the first few also wait for somebody to take the account's lease


async def test_with_redis_two_replicas_answer_at_once(
    make_gateway, provider: ProviderProcess, database_url: str, redis_url: str
) -> None:
    assert await _slowest_answer_s(make_gateway, provider, database_url, redis_url) < 0.5


async def test_without_redis_two_replicas_answer_by_polling(
    make_gateway, provider: ProviderProcess, database_url: str
) -> None:
    assert await _slowest_answer_s(make_gateway, provider, database_url, "") < 5.0
