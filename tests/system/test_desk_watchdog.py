"""The watchdog over a real database: told once, alerted once, moved, given back, whoever else acts meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from desk_side import Side, at_desk, side_of, the_handoff
from desk_world import Case, Words, World, world_of
from played_desk import PlayedDesk

from gateway.core.messages import Text
from gateway.core.news import News
from gateway.router.desk_watchdog import Watchdog, WatchTimes

TIMES = WatchTimes(
    acknowledge_within_s=30, alert_after_s=120, fall_back_after_s=300, nobody_after_s=240, agent_quiet_s=3600
)


@asynccontextmanager
async def watched(dsn: str, node: int = 1) -> AsyncIterator[tuple[Side, Watchdog]]:
    async with side_of(dsn, PlayedDesk(), node=node) as side:
        yield side, Watchdog(TIMES, side.database, side.agents, side.metrics, side.wakes, News(), Words())


async def spoken(connection: asyncpg.Connection, case: Case) -> list[str]:
    rows = await connection.fetch(
        "SELECT reply_key FROM message WHERE conversation_id = $1 AND author = 'system' ORDER BY position",
        case.conversation,
    )
    return [row["reply_key"] for row in rows]


async def look_now(world: World) -> None:
    await world.connection.execute("UPDATE handoff SET watch_at = now() WHERE ended_at IS NULL")


async def test_a_customer_whom_no_desk_takes_is_told_once_and_somebody_is_alerted_once(dsn: str) -> None:
    async with world_of(dsn) as world, watched(dsn, 1) as (side, dog), watched(dsn, 2) as (_, other):
        case = await at_desk(world, asked_ago_s=130)
        await asyncio.gather(dog.step(), other.step())
        for _ in range(2):
            await look_now(world)
            await dog.step()
        assert await spoken(world.connection, case) == ["utter_handoff_delayed"]
        events = await world.connection.fetch("SELECT subject FROM event WHERE kind = 'handoff_stuck'")
        assert [event["subject"] for event in events] == [case.handoff]
        assert (await the_handoff(world.connection, case.handoff))["is_urgent"], "it stands first at the built-in desk"
        await dog.count()
        assert side.metric("tertulia_handoffs_stuck", desk="played.main") == 1
        stuck = dog.details()["handoffs_stuck"]
        assert stuck["played.main"]["waiting"] == 1  # type: ignore[index]
        await side.agents.accept(case.handoff, "Ana")
        await dog.count()
        assert side.metric("tertulia_handoffs_stuck", desk="played.main") == 0
        assert dog.details() == {"handoffs_stuck": {}}


async def test_a_new_case_is_left_alone_until_its_time(dsn: str) -> None:
    async with world_of(dsn) as world, watched(dsn) as (_, dog):
        case = await at_desk(world, asked_ago_s=5)
        await dog.step()
        assert await spoken(world.connection, case) == []
        waits = await world.connection.fetchval(
            "SELECT watch_at BETWEEN now() + interval '20 s' AND now() + interval '26 s' FROM handoff"
        )
        assert waits


async def test_a_case_that_falls_back_is_the_built_in_desks_and_can_be_taken(dsn: str) -> None:
    async with world_of(dsn) as world, watched(dsn) as (side, dog):
        case = await at_desk(world, asked_ago_s=301)
        await dog.step()
        row = await the_handoff(world.connection, case.handoff)
        assert (row["desk"], row["acknowledged_at"], row["ended_at"]) == ("builtin.main", None, None)
        builtin = PlayedDesk("builtin.main")
        async with side_of(dsn, builtin, node=2) as local:
            await local.tells(lambda: builtin.opened)
            await local.settle()
        assert await side.agents.accept(case.handoff, "Ana")


async def test_a_desk_that_answers_in_time_is_never_spoken_of(dsn: str) -> None:
    async with world_of(dsn) as world, watched(dsn) as (side, dog):
        case = await at_desk(world, asked_ago_s=20)
        await dog.step()
        desk_row = "SELECT acknowledged_at IS NOT NULL AND watch_at <= now() FROM handoff"
        await side.pump.step()
        await side.settle()
        assert await world.connection.fetchval(desk_row), "an acknowledged case is looked at anew"
        await dog.step()
        assert await spoken(world.connection, case) == []


async def test_whom_nobody_takes_is_told_so_once(dsn: str) -> None:
    async with world_of(dsn) as world, watched(dsn) as (side, dog):
        case = await at_desk(world, asked_ago_s=250)
        await side.settle()
        for _ in range(3):
            await dog.step()
            await look_now(world)
        assert await spoken(world.connection, case) == ["utter_handoff_waiting"]


async def test_a_silent_agent_loses_the_case_and_the_bot_goes_on(dsn: str) -> None:
    async with world_of(dsn) as world, watched(dsn) as (_, dog):
        case = await at_desk(world, asked_ago_s=9000, agent="Ana")
        position = await world.says(case, "are you there?")
        await world.connection.execute(
            "UPDATE message SET at = now() - interval '59 minutes' WHERE position = $1", position
        )
        await dog.step()
        assert await world.connection.fetchval("SELECT control FROM conversation") == "agent"
        await world.connection.execute("UPDATE message SET at = now() - interval '61 minutes'")
        await look_now(world)
        await dog.step()
        row = await the_handoff(world.connection, case.handoff)
        assert row["end_reason"] == "agent_quiet"
        assert await world.connection.fetchval("SELECT control FROM conversation") == "bot"
        assert await spoken(world.connection, case) == ["utter_agent_left"]


async def test_an_agent_who_answers_at_the_last_moment_keeps_the_case(dsn: str) -> None:
    async with world_of(dsn) as world, watched(dsn) as (side, dog):
        case = await at_desk(world, asked_ago_s=9000, agent="Ana")
        await world.says(case, "are you there?")
        await world.connection.execute("UPDATE message SET at = now() - interval '2 hours'")
        give_back = side.agents.give_back

        async def answered_first(*args: object, **more: object) -> bool:
            await side.agents.say(case.handoff, "Ana", "k1", (Text("yes"),))
            return await give_back(*args, **more)  # type: ignore[arg-type]

        side.agents.give_back = answered_first  # type: ignore[method-assign,assignment]
        await dog.step()
        assert await world.connection.fetchval("SELECT control FROM conversation") == "agent"
