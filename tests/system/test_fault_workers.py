"""Several workers on one machine, and the ways in which a person ends the program."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import defaultdict
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from fault_harness import (
    Person,
    Replies,
    Sender,
    being_sent,
    command,
    connected,
    holds,
    mail_of,
    not_repeated,
    replies_in_database,
    unexplained_chats,
)

from gateway.app.bench.audit import settled
from gateway.app.bench.subjects import Gateway, ProviderProcess

pytestmark = pytest.mark.system

PATIENCE_S = 20.0
LONG_LEASES = {"router__lease_s": 300.0, "router__send_lease_s": 300.0}
"""Whatever a dead worker kept until its lease ran out would be missing long after everybody's patience."""


def _workers_of(supervisor: int) -> list[int]:
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text(encoding="ascii").split()
    return [int(child) for child in children]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the workers in /proc")
async def test_a_worker_that_is_killed_is_replaced_and_what_it_held_goes_on_at_once(
    make_gateway, provider: ProviderProcess, database_url: str
) -> None:
    gateway = make_gateway(workers=2, **LONG_LEASES)
    await gateway.start()
    mail = mail_of(40, 1200)
    killed: list[int] = []
    sending: dict[UUID, int] = defaultdict(int)
    async with connected(database_url) as connection, Replies(provider) as replies, Sender([gateway]) as sender:
        people = [Person(of_one, sender, replies) for of_one in mail]
        talks = asyncio.gather(*(person.talk(PATIENCE_S) for person in people))
        for number in range(2):
            assert await holds(lambda: len(replies.log) > 200 * (number + 1), 30), "it answers too slowly"  # noqa: B023
            assert await holds(lambda: len(_workers_of(gateway.child.pid)) == 2, 30), "it was not replaced"
            killed.append(_workers_of(gateway.child.pid)[0])
            for message_id in await _kill(killed[-1], gateway, connection):
                sending[message_id] += 1
        await talks
        await sender.stragglers()
        assert await holds(lambda: len(_workers_of(gateway.child.pid)) == 2, 30), "it was not replaced"
        found = await settled(connection, PATIENCE_S)
        await replies.catch_up()
        expected = await replies_in_database(connection)
        assert set(killed).isdisjoint(_workers_of(gateway.child.pid))
        assert await gateway.child.stop() == 0
        assert await being_sent(connection) == []

    assert [update for person in people for update in person.unanswered] == []
    assert found.faults(1200) == []
    assert not_repeated(expected, mail) == []
    assert unexplained_chats(replies, expected, sending) == {}


async def _kill(worker: int, gateway: Gateway, connection: asyncpg.Connection) -> list[UUID]:
    """Kill a worker; what it was sending, read before the supervisor sees the death and lets another one go on."""
    gateway.child.signal(signal.SIGSTOP)
    try:
        os.kill(worker, signal.SIGKILL)
        assert await holds(lambda: Path(f"/proc/{worker}/stat").read_text(encoding="ascii").split()[2] == "Z", 10)
        rows = await connection.fetch(
            "SELECT o.message_id FROM outbox o JOIN node n ON n.id = o.owner WHERE o.is_sending AND n.name LIKE $1",
            f"%-{worker}-%",
        )
    finally:
        gateway.child.signal(signal.SIGCONT)
    return [row["message_id"] for row in rows]


async def test_ctrl_c_ends_a_running_gateway_in_order_within_seconds(
    make_gateway, provider: ProviderProcess, database_url: str
) -> None:
    gateway = make_gateway()
    await gateway.start()
    mail = mail_of(20, 400)
    async with connected(database_url) as connection, Replies(provider) as replies, Sender([gateway]) as sender:
        sending = [asyncio.create_task(sender.deliver(update)) for of_one in mail for update in of_one]
        assert await holds(lambda: len(replies.log) > 20, 30), "it answers too slowly"
        began = time.monotonic()
        gateway.child.signal(signal.SIGINT)
        assert await gateway.child.ended(10), "it did not end"
        took_s = time.monotonic() - began
        for task in sending:
            task.cancel()
        await asyncio.gather(*sending, return_exceptions=True)
        assert gateway.child.returncode == 0, gateway.child.output()
        assert took_s < 5
        assert await being_sent(connection) == []
        assert await connection.fetchval("SELECT count(*) FROM conversation WHERE lease_until > now()") == 0


async def test_a_demo_without_input_ends_cleanly(make_gateway, provider: ProviderProcess, tmp_path: Path) -> None:
    gateway = make_gateway()
    code, output = await command(gateway, "demo", "--terminal", log=tmp_path / "demo.txt", patience_s=30)
    assert code == 0, output
    assert "Traceback" not in output
    assert (await provider.counts()).calls == 0, "the demo talked to the provider of the settings"
