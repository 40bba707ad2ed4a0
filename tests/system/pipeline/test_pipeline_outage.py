"""The database breaks off in the middle of a turn: what was begun goes on at once, not when a lease runs out."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
from paper_provider import said
from pipeline_process import StartProcess

from gateway.core.turns import TurnInput, TurnOutcome
from gateway.store import responding

END_WHO_WAITS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND wait_event_type = 'Lock'
"""
LONG_LEASES = {"lease_s": 600, "send_lease_s": 600}


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


async def test_replies_of_a_turn_that_counted_without_our_knowing_are_sent_at_once_and_once(
    start: StartProcess, sql: asyncpg.Connection, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await start(**LONG_LEASES)
    committed = responding.commit_turns
    breaks = iter([True])

    async def commit_and_break_off(
        connection: asyncpg.Connection, turns: object, limits: responding.CommitLimits
    ) -> object:
        done = await committed(connection, turns, limits)  # type: ignore[arg-type]
        if next(breaks, False):
            await connection.execute("COMMIT")
            await sql.execute("SELECT pg_terminate_backend($1)", connection.get_server_pid())
        return done

    monkeypatch.setattr(responding, "commit_turns", commit_and_break_off)
    await one.accept(said("ana", 1, "hello"))
    await one.finish()
    assert one.client.calls == [("ana", "re: hello")]
    rows = await sql.fetch("SELECT status FROM message WHERE author = 'bot'")
    assert [row["status"] for row in rows] == ["sent"]
    assert await sql.fetchval("SELECT count(*) FROM outbox") == 0
