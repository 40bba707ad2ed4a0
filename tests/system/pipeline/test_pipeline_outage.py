"""The database breaks off in the middle of a turn: what was begun goes on at once, not when a lease runs out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import ModuleType

import asyncpg
import pytest
from paper_provider import said
from pipeline_process import Process, StartProcess

from gateway.core.errors import Unavailable
from gateway.core.messages import Text
from gateway.core.turns import Reply, Resolution, TurnInput, TurnOutcome
from gateway.store import delivering, receiving, responding
from gateway.store.database import Database

END_WHO_WAITS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND wait_event_type = 'Lock'
"""
LONG_LEASES = {"lease_s": 600, "send_lease_s": 600}
REPEATED = "SELECT count(*) FROM event WHERE data::text LIKE '%repeated%'"


async def test_a_turn_whose_commit_breaks_off_is_made_at_once(
    start: StartProcess, sql: asyncpg.Connection, dsn: str
) -> None:
    one = await start(**LONG_LEASES)
    is_thinking, may_go = asyncio.Event(), asyncio.Event()

    async def think(_turn: TurnInput) -> TurnOutcome | None:
        is_thinking.set()
        await may_go.wait()
        return None

    one.bot.think = think
    await one.accept(said("ana", 1, "hello"))
    await is_thinking.wait()
    holder = await asyncpg.connect(dsn)
    async with holder.transaction():
        await holder.execute("SELECT FROM conversation FOR NO KEY UPDATE")
        may_go.set()
        async with asyncio.timeout(5):
            while not await sql.fetch(END_WHO_WAITS):
                await asyncio.sleep(0.01)
    await holder.close()
    await one.finish()
    assert one.client.calls == [("ana", "re: hello")]
    assert await sql.fetchval("SELECT count(*) FROM turn") == 1


async def test_a_connection_that_ends_between_two_statements_is_an_outage(dsn: str, sql: asyncpg.Connection) -> None:
    lane = Database(dsn).lane()
    for _ in range(20):  # the client hears of it before it sees it, or the other way round
        with pytest.raises(Unavailable):
            async with lane.transaction() as connection:
                await sql.execute("SELECT pg_terminate_backend($1)", connection.get_server_pid())
    async with lane.transaction() as connection:
        assert await connection.fetchval("SELECT 1") == 1
    await lane.close()


BreakOff = Callable[[ModuleType, str], None]


@pytest.fixture
def break_off(sql: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch) -> BreakOff:
    """``break_off(responding, "commit_turns")``: its next transaction counts, and nobody hears of it."""

    def prepare(module: ModuleType, name: str) -> None:
        whole = getattr(module, name)
        breaks = iter([True])

        async def commit_and_break_off(connection: asyncpg.Connection, *values: object, **named: object) -> object:
            done = await whole(connection, *values, **named)
            if done and next(breaks, False):
                await connection.execute("COMMIT")
                await sql.execute("SELECT pg_terminate_backend($1)", connection.get_server_pid())
            return done

        monkeypatch.setattr(module, name, commit_and_break_off)

    return prepare


async def work(one: Process) -> None:
    """What its loops do when the database is back: a look or two at what nobody holds."""
    for _ in range(3):
        await one.idle()
        await one.pipeline.respond.sweep()
    await one.finish()


async def says_two(turn: TurnInput) -> TurnOutcome:
    resolution = Resolution(link="intents", intent="two", confidence=1.0)
    return TurnOutcome(resolution=resolution, replies=(Reply((Text("one"),)), Reply((Text("two"),))))


async def nothing_is_held(sql: asyncpg.Connection) -> bool:
    left = "SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM conversation WHERE lease_until IS NOT NULL)"
    return await sql.fetchval(left) == 0


async def test_a_webhook_that_was_stored_without_our_knowing_is_answered_when_it_comes_again_and_once(
    start: StartProcess, sql: asyncpg.Connection, break_off: BreakOff
) -> None:
    one = await start(**LONG_LEASES)
    break_off(receiving, "store_batch")
    with pytest.raises(Unavailable):
        await one.accept(said("ana", 1, "hello"))
    await one.accept(said("ana", 1, "hello"))
    await work(one)
    assert one.client.calls == [("ana", "re: hello")]
    assert await nothing_is_held(sql)


async def test_conversations_that_were_taken_without_our_knowing_are_taken_again(
    start: StartProcess, sql: asyncpg.Connection, break_off: BreakOff
) -> None:
    one = await start(respond="false", **LONG_LEASES)
    await one.accept(said("ana", 1, "hello"))
    break_off(responding, "claim")
    with pytest.raises(Unavailable):
        await one.pipeline.respond.sweep()
    await work(one)
    assert one.client.calls == [("ana", "re: hello")]
    assert await nothing_is_held(sql)


async def test_a_message_that_was_taken_without_our_knowing_is_sent_at_once_and_once(
    start: StartProcess, sql: asyncpg.Connection, break_off: BreakOff, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await start(**LONG_LEASES)
    monkeypatch.setattr(one.pipeline.deliver, "reserve", lambda _lease: False)
    await one.accept(said("ana", 1, "hello"))
    await one.idle()
    break_off(delivering, "take_due")
    with pytest.raises(Unavailable):
        await one.pipeline.deliver.sweep()
    await work(one)
    assert one.client.calls == [("ana", "re: hello")]
    assert await nothing_is_held(sql)
    assert await sql.fetchval(REPEATED) == 0


async def test_what_waits_behind_and_was_taken_without_our_knowing_is_sent_at_once_and_once(
    start: StartProcess, sql: asyncpg.Connection, break_off: BreakOff
) -> None:
    one = await start(**LONG_LEASES)
    one.bot.think = says_two
    break_off(delivering, "take_these")
    await one.accept(said("ana", 1, "hello"))
    await work(one)
    assert one.client.calls == [("ana", "one"), ("ana", "two")]
    assert await nothing_is_held(sql)
    assert await sql.fetchval(REPEATED) == 0


async def test_a_doubt_takes_nothing_from_what_is_in_hand(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start(**LONG_LEASES)
    is_sending, may_go = asyncio.Event(), asyncio.Event()
    is_thinking, may_think = asyncio.Event(), asyncio.Event()

    async def wait(_recipient: str, _text: str) -> None:
        is_sending.set()
        await may_go.wait()

    async def think(turn: TurnInput) -> TurnOutcome | None:
        if "think" in str(turn.entries):
            is_thinking.set()
            await may_think.wait()
        return None

    one.client.answer, one.bot.think = wait, think
    await one.accept(said("ana", 1, "hello"))
    await is_sending.wait()
    await one.accept(said("eva", 2, "think"))
    await is_thinking.wait()
    held = "SELECT array_agg(lease_token ORDER BY id), (SELECT array_agg(claims) FROM outbox) FROM conversation"
    before = await sql.fetchrow(held)
    one.pipeline.respond.doubt()
    await one.pipeline.respond.sweep()
    one.pipeline.deliver._is_in_doubt = True
    await one.pipeline.deliver.sweep()
    assert await sql.fetchrow(held) == before
    may_go.set()
    may_think.set()
    await work(one)
    assert sorted(one.client.calls) == [("ana", "re: hello"), ("eva", "re: think")]
    assert await nothing_is_held(sql)


async def test_replies_of_a_turn_that_counted_without_our_knowing_are_sent_at_once_and_once(
    start: StartProcess, sql: asyncpg.Connection, break_off: BreakOff
) -> None:
    one = await start(**LONG_LEASES)
    break_off(responding, "commit_turns")
    await one.accept(said("ana", 1, "hello"))
    await one.finish()
    assert one.client.calls == [("ana", "re: hello")]
    rows = await sql.fetch("SELECT status FROM message WHERE author = 'bot'")
    assert [row["status"] for row in rows] == ["sent"]
    assert await sql.fetchval("SELECT count(*) FROM outbox") == 0
