"""The pump: a desk hears of every case, everything said in it, and its end, in order and once, whatever goes wrong."""

from __future__ import annotations

import asyncio
import time

import pytest
from desk_side import at_desk, side_of, the_handoff
from desk_world import world_of
from played_desk import PlayedDesk

from gateway.core.desks import NotYet, Told
from gateway.core.errors import Retry
from gateway.core.fence import is_still_ours
from gateway.core.messages import Media, Text


async def test_a_new_case_comes_with_its_story_and_everything_that_an_agent_needs(dsn: str) -> None:
    desk = PlayedDesk()
    async with world_of(dsn) as world, side_of(dsn, desk) as side:
        case = await at_desk(world, details={"email": "marta@example.org", "time_zone": "America/Bogota"})
        await world.connection.execute(
            """UPDATE handoff SET detail = 'rule angry', intent = 'bill', confidence = 0.5, sentiment = 'negative',
               is_urgent = true, slots = '{"line": "3"}', reopens = '17', reopened_agent = 'Ana' WHERE id = $1""",
            case.handoff,
        )
        for number in range(8):
            await world.says(case, f"word {number}")
        await side.tells(lambda: desk.opened)
        told = desk.opened[0]
        assert (told.handoff_id, told.conversation_id, told.desk) == (case.handoff, case.conversation, "played.main")
        assert (told.reason, told.detail, told.intent, told.confidence) == ("asked", "rule angry", "bill", 0.5)
        assert (told.sentiment, told.is_urgent, dict(told.slots)) == ("negative", True, {"line": "3"})
        assert (told.reopens, told.reopened_agent) == ("17", "Ana")
        assert told.link == f"https://bot.example/desk#{case.conversation}"
        assert (told.contact.name, told.contact.email) == ("Marta Ríos", "marta@example.org")
        assert [(a.app, a.account, a.evidence) for a in told.contact.addresses] == [
            ("Web chat", "paper.main.Web chat", "verified")
        ]
        assert [line.parts for line in told.transcript] == [(Text(f"word {n}"),) for n in range(3, 8)], "bounded"


async def test_only_what_the_desk_has_counts_as_told(dsn: str) -> None:
    desk = PlayedDesk()
    desk.trouble = Retry("down")
    async with world_of(dsn) as world, side_of(dsn, desk) as side:
        case = await at_desk(world)
        await world.says(case, "hello")
        await side.settle()
        before = await the_handoff(world.connection, case.handoff)
        assert (before["acknowledged_at"], before["told_position"]) == (None, 0)
        assert before["tries"] >= 2, "it is tried again"
        assert before["problem"] == "Retry"
        assert side.metric("tertulia_desk_failures_total", desk="played.main", reason="Retry") == before["tries"]
        desk.trouble = None
        await side.tells(lambda: desk.opened)
        await side.settle()
        after = await the_handoff(world.connection, case.handoff)
        assert after["acknowledged_at"] is not None
        assert (after["told_position"], after["tries"], after["problem"]) == (1, 0, "")


async def test_not_yet_counts_no_try_and_waits_its_time(dsn: str) -> None:
    desk = PlayedDesk()
    desk.trouble = NotYet("rates", after_s=60)
    async with world_of(dsn) as world, side_of(dsn, desk) as side:
        case = await at_desk(world)
        await side.settle()
        row = await world.connection.fetchrow(
            "SELECT tries, due_at - now() > interval '50 s' AS waits FROM handoff WHERE id = $1", case.handoff
        )
        assert tuple(row) == (0, True)


async def test_messages_and_the_end_follow_in_order_and_what_comes_after_the_end_does_not(dsn: str) -> None:
    desk = PlayedDesk()
    async with world_of(dsn) as world, side_of(dsn, desk) as side:
        case = await at_desk(world)
        await side.tells(lambda: desk.opened)
        await side.settle()
        for number in range(130):
            await world.says(case, str(number))
        await world.connection.execute("UPDATE handoff SET due_at = now() WHERE id = $1", case.handoff)
        await side.agents.give_back(case.handoff, "solved")
        await world.says(case, "again to the bot")
        await side.tells(lambda: desk.over)
        reference = f"T{case.handoff}"
        assert desk.heard[reference] == [str(number) for number in range(130)], "more than one call takes"
        assert desk.over == [(reference, "solved")]
        await side.settle()
        assert len(desk.over) == 1
        assert (await the_handoff(world.connection, case.handoff))["told_end"]


async def test_many_cases_go_side_by_side_within_the_desks_bound_and_each_in_its_order(dsn: str) -> None:
    desk = PlayedDesk()
    async with world_of(dsn) as world, side_of(dsn, desk) as side:
        cases = [await at_desk(world) for _ in range(12)]
        desk.gate = asyncio.Event()
        await side.settle()
        assert desk.at_once == desk.concurrency
        desk.gate.set()
        await side.tells(lambda: len(desk.opened) == 12)
        assert desk.most_at_once == desk.concurrency
        for case in cases:
            for word in ("a", "b", "c"):
                await world.says(case, word)
                await world.connection.execute("UPDATE handoff SET due_at = now() WHERE id = $1", case.handoff)
                await side.pump.step()
        await side.tells(lambda: all(len(said) == 3 for said in desk.heard.values()) and len(desk.heard) == 12)
        assert all(said == ["a", "b", "c"] for said in desk.heard.values())


async def test_a_process_that_dies_in_a_call_leaves_the_case_to_the_next_one(dsn: str) -> None:
    desk = PlayedDesk()
    desk.gate = asyncio.Event()
    async with world_of(dsn) as world, side_of(dsn, desk, node=1) as first, side_of(dsn, desk, node=2) as second:
        await at_desk(world)
        await first.pump.step()
        await asyncio.sleep(0.02)
        assert desk.at_once == 1
        assert second.holding.held("played.main") is None, "one process at a time"
        await world.connection.execute("UPDATE desk_lease SET until = '-infinity'")
        await second.holding.step()
        assert second.holding.held("played.main") is not None
        await first.holding.step()
        await asyncio.sleep(0.02)
        assert desk.at_once == 0, "who lost the lease stops in the middle"
        desk.gate = None
        await second.tells(lambda: desk.opened)
        await first.settle()
        assert len(desk.opened) == 1


async def test_a_late_answer_of_the_last_holder_is_not_written(dsn: str) -> None:
    desk = PlayedDesk()
    async with world_of(dsn) as world, side_of(dsn, desk) as side:
        case = await at_desk(world)
        await world.connection.execute("UPDATE desk_lease SET token = token + 1, owner = 99")
        await side.settle()
        assert desk.opened == []
        assert (await the_handoff(world.connection, case.handoff))["acknowledged_at"] is None


async def test_a_process_that_lost_the_desk_while_frozen_calls_it_no_more(dsn: str) -> None:
    desk, ours = PlayedDesk(), list[bool]()

    def freeze() -> None:
        ours.append(is_still_ours())
        time.sleep(0.5)  # nothing else runs meanwhile, as in a process that is stopped
        ours.append(is_still_ours())

    desk.on_call = freeze
    async with world_of(dsn) as world, side_of(dsn, desk, lease_s=0.6) as side:
        await at_desk(world)
        await side.holding.step()
        await side.tells(lambda: ours)
        assert ours == [True, False]


async def test_a_desk_that_knows_who_has_the_case_gives_it_to_them(dsn: str) -> None:
    desk = PlayedDesk()
    desk.told = Told("T1", "Ana")
    async with world_of(dsn) as world, side_of(dsn, desk) as side:
        case = await at_desk(world)
        await side.tells(lambda: desk.opened)
        await side.settle()
        found = await side.agents.find("played.main", "T1")
        assert found is not None
        assert (found.handoff_id, found.control, found.agent, found.ended_at) == (case.handoff, "agent", "Ana", None)
        await side.agents.give_back(case.handoff, "solved")
        ended = await side.agents.find("played.main", "T1")
        assert ended is not None
        assert ended.ended_at is not None
        assert await side.agents.find("played.main", "T2") is None
        assert await side.agents.find("another.main", "T1") is None


async def test_a_file_that_is_being_fetched_is_waited_for_and_keeps_its_place(dsn: str) -> None:
    desk = PlayedDesk()
    async with world_of(dsn) as world, side_of(dsn, desk) as side:
        case = await at_desk(world)
        await side.tells(lambda: desk.opened)
        await side.settle()
        position = await world.says(case, (Media(kind="image", provider_ref="p1", caption="look"),))
        await world.says(case, "did you see it?")
        await world.connection.execute(
            """INSERT INTO media_job (message_id, part, conversation_id, position, account_id, provider_ref)
               SELECT id, 0, conversation_id, position, 1, 'p1' FROM message WHERE position = $1""",
            position,
        )
        await world.connection.execute("UPDATE handoff SET due_at = now() WHERE id = $1", case.handoff)
        await side.settle()
        assert desk.heard == {}
        await world.connection.execute("DELETE FROM media_job")
        await world.connection.execute("UPDATE handoff SET due_at = now() WHERE id = $1", case.handoff)
        await side.tells(lambda: desk.heard)
        assert list(desk.heard.values()) == [["look", "did you see it?"]]


async def test_what_an_agent_says_elsewhere_reaches_the_desk_with_its_key(dsn: str) -> None:
    desk = PlayedDesk()
    async with world_of(dsn) as world, side_of(dsn, desk) as side:
        case = await at_desk(world)
        await side.tells(lambda: desk.opened)
        await side.settle()
        await side.agents.say(case.handoff, "Ana", "page-1", (Text("good day"),))
        await side.tells(lambda: desk.heard)
        assert "good day" in next(iter(desk.heard.values()))


async def test_the_pending_cases_are_counted_where_the_desk_is_held(dsn: str) -> None:
    desk = PlayedDesk()
    desk.trouble = Retry("down", after_s=60)
    async with world_of(dsn) as world, side_of(dsn, desk) as side:
        for _ in range(3):
            await at_desk(world)
        await side.settle()
        await side.pump.count()
        assert side.metric("tertulia_desk_pending", desk="played.main") == 3


@pytest.mark.parametrize("spelling", ["builtin", "builtin.main"])
async def test_cases_that_an_older_release_wrote_are_told_too(dsn: str, spelling: str) -> None:
    desk = PlayedDesk("builtin.main")
    async with world_of(dsn) as world, side_of(dsn, desk) as side:
        await at_desk(world, spelling)
        await side.tells(lambda: desk.opened)
        assert desk.opened[0].desk == "builtin.main"


async def test_a_case_that_comes_from_the_providers_inbox_brings_the_whole_story(dsn: str) -> None:
    desk, inbox = PlayedDesk(), PlayedDesk("provider.main")
    async with world_of(dsn) as world, side_of(dsn, desk, inbox) as side:
        case = await at_desk(world, "provider", agent="Page")
        await world.says(case, "from the beginning")
        await side.tells(lambda: inbox.opened)
        await side.settle()
        await side.agents.accept(case.handoff, "Ana")
        await side.tells(lambda: desk.opened)
        assert desk.opened[0].transcript[0].parts == (Text("from the beginning"),)
