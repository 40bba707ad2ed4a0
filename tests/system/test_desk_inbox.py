"""What desks say: durable, once, in order for each case, tried again, and never dropped without a trace."""

from __future__ import annotations

import asyncio
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import msgspec
import pytest
from desk_side import side_of
from desk_world import world_of
from played_desk import PlayedDesk
from typer.testing import CliRunner

from gateway.app.cli import app
from gateway.core.desks import DeskEvent, NotYet
from gateway.core.errors import GiveUp, Retry
from gateway.core.fence import is_still_ours
from gateway.store import desk_events
from gateway.store.leases import release_node

HOLDER = Path(__file__).parent / "holding_process.py"
CLAIM_S = 4.0

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def event(number: int, reference: str = "T1", key: str = "") -> DeskEvent:
    return DeskEvent(
        key or f"{reference}:{number}", "comment", START + timedelta(seconds=number), reference, b"%d" % number
    )


def said(desk: PlayedDesk, reference: str) -> list[int]:
    return [int(one.data) for one in desk.applied if one.reference == reference]


async def test_an_event_told_twice_is_applied_once(dsn: str) -> None:
    desk = PlayedDesk()
    async with side_of(dsn, desk) as side:
        await side.inbox.accept("played.main", [event(1), event(1)])
        await side.inbox.accept("played.main", [event(1)])
        await side.applies(lambda: desk.applied)
        await side.inbox.accept("played.main", [event(1)])
        await side.settle()
        assert said(desk, "T1") == [1]
        assert side.metric("tertulia_desk_events_total", desk="played.main", outcome="duplicate") == 3


async def test_events_of_one_case_go_in_the_desks_order_and_cases_do_not_wait_for_one_another(dsn: str) -> None:
    desk, gate = PlayedDesk(), asyncio.Event()

    async def hold(one: DeskEvent) -> None:
        if one.reference == "T1":
            await gate.wait()

    desk.on_apply = hold
    async with side_of(dsn, desk, node=1) as side, side_of(dsn, desk, node=2) as other:
        await side.inbox.accept("played.main", [event(3), event(1), event(2), event(9, "T2"), event(8, "T2")])
        await side.applies(lambda: said(desk, "T2") == [8, 9])
        await other.settle()
        assert said(desk, "T1") == []
        gate.set()
        await side.applies(lambda: len(said(desk, "T1")) == 3)
        assert said(desk, "T1") == [1, 2, 3]


async def test_what_fails_is_tried_again_and_holds_back_only_its_own_case(dsn: str) -> None:
    desk = PlayedDesk()
    left = {1: 2}

    async def stumble(one: DeskEvent) -> None:
        if one.reference == "T1" and left.get(int(one.data), 0):
            left[int(one.data)] -= 1
            raise Retry("away")

    desk.on_apply = stumble
    async with side_of(dsn, desk) as side:
        await side.inbox.accept("played.main", [event(1), event(2), event(1, "T2")])
        await side.applies(lambda: len(desk.applied) == 3)
        assert said(desk, "T1") == [1, 2]
        assert left == {1: 0}


async def test_what_can_never_be_applied_is_kept_visibly_out_of_the_way_and_can_be_tried_again(dsn: str) -> None:
    desk = PlayedDesk()

    async def refuse(one: DeskEvent) -> None:
        if one.key == "T1:1":
            raise GiveUp("refused", "no such thing")

    desk.on_apply = refuse
    async with side_of(dsn, desk) as side:
        await side.inbox.accept("played.main", [event(1), event(2)])
        await side.applies(lambda: said(desk, "T1") == [2])
        connection = await asyncpg.connect(dsn)
        try:
            (dead,) = await desk_events.dead(connection, limit=10)
            assert (dead.desk, dead.key, dead.problem) == ("played.main", "T1:1", "GiveUp: refused: no such thing")
            desk.on_apply = None
            assert await desk_events.replay(connection, dead.desk, dead.key)
            assert not await desk_events.replay(connection, dead.desk, "T1:7")
            await side.applies(lambda: said(desk, "T1") == [2, 1])
            assert await desk_events.dead(connection, limit=10) == []
        finally:
            await connection.close()


async def test_an_event_that_breaks_our_code_does_not_block_its_case_for_ever(dsn: str) -> None:
    desk = PlayedDesk()

    async def crash(one: DeskEvent) -> None:
        if one.key == "T1:1":
            raise ZeroDivisionError

    desk.on_apply = crash
    async with side_of(dsn, desk) as side:
        await side.inbox.accept("played.main", [event(1), event(2)])
        await side.applies(lambda: said(desk, "T1") == [2])
        assert side.metric("tertulia_desk_events_total", desk="played.main", outcome="dead") == 1


async def test_a_retry_that_lasts_too_long_goes_to_the_dead_letters(dsn: str) -> None:
    desk = PlayedDesk()

    async def away(_one: DeskEvent) -> None:
        raise Retry("away")

    desk.on_apply = away
    async with world_of(dsn) as world, side_of(dsn, desk) as side:
        await side.inbox.accept("played.main", [event(1)])
        await side.settle()
        assert await desk_events.dead(world.connection, limit=1) == []
        await world.connection.execute("UPDATE desk_event SET received_at = now() - interval '2 minutes'")
        await side.settle()
        assert len(await desk_events.dead(world.connection, limit=1)) == 1


async def test_not_yet_counts_no_try(dsn: str) -> None:
    desk = PlayedDesk()

    async def later(_one: DeskEvent) -> None:
        raise NotYet("rates", after_s=60)

    desk.on_apply = later
    async with world_of(dsn) as world, side_of(dsn, desk) as side:
        await side.inbox.accept("played.main", [event(1)])
        await side.settle()
        assert tuple(await world.connection.fetchrow("SELECT tries, claim FROM desk_event")) == (0, 1)


async def test_what_a_dead_process_was_at_is_applied_by_another(dsn: str) -> None:
    desk = PlayedDesk()

    async def never(_one: DeskEvent) -> None:
        await asyncio.Event().wait()

    desk.on_apply = never
    async with world_of(dsn) as world, side_of(dsn, desk, node=1) as first, side_of(dsn, desk, node=2) as second:
        await first.inbox.accept("played.main", [event(1), event(2)])
        await first.inbox.step()
        await asyncio.sleep(0.02)
        desk.on_apply = None
        await second.settle()
        assert desk.applied == [], "the first process still has it, and the second event waits behind it"
        await world.connection.execute("UPDATE desk_event SET due_at = now()")  # the time of the claim passes
        await second.applies(lambda: said(desk, "T1") == [1, 2])


async def test_a_process_that_stops_gives_what_it_was_at_back_at_once(dsn: str) -> None:
    desk = PlayedDesk()

    async def never(_one: DeskEvent) -> None:
        await asyncio.Event().wait()

    desk.on_apply = never
    async with side_of(dsn, desk, node=1) as first, side_of(dsn, desk, node=2) as second:
        await first.inbox.accept("played.main", [event(1)])
        await first.inbox.step()
        await asyncio.sleep(0.02)
        desk.on_apply = None
        await first.inbox.close(0.01)
        await second.applies(lambda: said(desk, "T1") == [1])


async def test_what_takes_longer_than_a_claim_stays_in_hand_and_is_applied_once(dsn: str) -> None:
    desk, gate, begun = PlayedDesk(), asyncio.Event(), list[str]()

    async def hold(one: DeskEvent) -> None:
        begun.append(one.key)
        await gate.wait()

    desk.on_apply = hold
    async with side_of(dsn, desk, node=1, claim_s=2) as first, side_of(dsn, desk, node=2, claim_s=2) as second:
        await first.inbox.accept("played.main", [event(1)])
        await first.applies(lambda: begun)
        until = time.monotonic() + 3.5
        while time.monotonic() < until:  # longer than a claim lasts, shorter than a call may
            await first.inbox.step()
            await second.inbox.step()
            await asyncio.sleep(0.06)
        gate.set()
        await first.applies(lambda: desk.applied)
        await second.settle()
        assert begun == ["T1:1"]


async def test_what_a_killed_process_had_in_hand_is_applied_once_within_its_lease(dsn: str) -> None:
    desk = PlayedDesk()
    async with side_of(dsn, desk, node=2) as survivor:
        await survivor.inbox.accept("played.main", [event(1), event(2)])
        holder = await asyncio.create_subprocess_exec(
            sys.executable, str(HOLDER), dsn, "1", str(CLAIM_S), stdout=asyncio.subprocess.PIPE
        )
        try:
            assert holder.stdout is not None
            assert await asyncio.wait_for(holder.stdout.readline(), 60) == b"in hand\n"
            await asyncio.sleep(1.5 * CLAIM_S)
            await survivor.settle()
            assert desk.applied == [], "a living process keeps what it has, however long it takes"
        finally:
            holder.kill()
            await holder.wait()
        began = time.monotonic()
        await survivor.applies(lambda: desk.applied, within_s=CLAIM_S + 10)
        assert time.monotonic() - began < CLAIM_S + 6
        await survivor.applies(lambda: len(desk.applied) == 2)
        await survivor.settle()
        assert said(desk, "T1") == [1, 2]


async def test_a_process_that_froze_calls_nobody_and_writes_nothing_beside_the_one_that_went_on(dsn: str) -> None:
    desk, gate, ours = PlayedDesk(), asyncio.Event(), list[bool]()

    async def hold(_one: DeskEvent) -> None:
        ours.append(is_still_ours())
        if len(ours) == 1:
            await gate.wait()
            ours.append(is_still_ours())

    desk.on_apply = hold
    async with (
        world_of(dsn) as world,
        side_of(dsn, desk, node=1, claim_s=0.3) as frozen,
        side_of(dsn, desk, node=2, claim_s=0.3) as next_one,
    ):
        await frozen.inbox.accept("played.main", [event(1)])
        await frozen.applies(lambda: ours)
        await next_one.applies(lambda: desk.applied)  # without a step of the first: its claim runs out
        gate.set()
        await asyncio.sleep(0.05)
        await frozen.settle()
        assert ours == [True, True, False]
        assert await world.connection.fetchval("SELECT claim FROM desk_event") == 2


async def test_a_dead_process_is_released_by_name_and_its_claim_changes_nothing_any_more(dsn: str) -> None:
    desk, gate = PlayedDesk(), asyncio.Event()

    async def hold(_one: DeskEvent) -> None:
        await gate.wait()
        raise NotYet("much later", after_s=3600)

    desk.on_apply = hold
    async with world_of(dsn) as world:
        await world.connection.execute("INSERT INTO node (id, name) OVERRIDING SYSTEM VALUE VALUES (901, 'dead-one')")
        async with side_of(dsn, desk, node=901) as dead, side_of(dsn, desk, node=2) as second:
            await dead.inbox.accept("played.main", [event(1), event(1, "T2")])
            await dead.inbox.step()
            await release_node(dsn, "dead-one")
            gate.set()
            await asyncio.sleep(0.1)  # the dead one puts both off, with claims of before
            desk.on_apply = None
            await second.applies(lambda: len(desk.applied) == 2)


async def test_what_comes_late_waits_for_what_overtook_it(dsn: str) -> None:
    desk, gate, under_way = PlayedDesk(), asyncio.Event(), list[int]()

    async def hold(one: DeskEvent) -> None:
        under_way.append(int(one.data))
        await gate.wait()

    desk.on_apply = hold
    async with side_of(dsn, desk) as side:
        await side.inbox.accept("played.main", [event(2)])
        await side.applies(lambda: under_way)
        await side.inbox.accept("played.main", [event(1)])
        await side.settle()
        assert under_way == [2]
        gate.set()
        await side.applies(lambda: said(desk, "T1") == [2, 1])


async def test_the_poll_finds_what_webhooks_lost_and_applies_nothing_twice(dsn: str) -> None:
    desk = PlayedDesk()
    desk.lost = [event(1), event(2)]
    async with world_of(dsn) as world, side_of(dsn, desk, node=1) as side, side_of(dsn, desk, node=2) as other:
        await side.inbox.accept("played.main", [event(2)])
        await other.inbox.reconcile()
        assert desk.cursor == 0, "only who holds the desk asks it"
        await side.inbox.reconcile()
        await side.applies(lambda: len(desk.applied) == 2)
        assert sorted(said(desk, "T1")) == [1, 2]
        assert desk.cursor == 2
        desk.lost.append(event(3))
        await side.inbox.reconcile()
        assert desk.cursor == 2, "it is asked again when it is time"
        await world.connection.execute("UPDATE desk_lease SET reconcile_at = now()")
        await side.inbox.reconcile()
        await side.applies(lambda: len(desk.applied) == 3)


async def test_a_desk_that_cannot_be_asked_is_asked_again_soon(dsn: str) -> None:
    desk = PlayedDesk()
    desk.trouble = Retry("down")
    async with world_of(dsn) as world, side_of(dsn, desk) as side:
        await side.inbox.reconcile()
        waits = await world.connection.fetchval("SELECT reconcile_at < now() + interval '5 s' FROM desk_lease")
        assert waits
        assert side.metric("tertulia_desk_failures_total", desk="played.main", reason="reconcile") == 1


async def test_applied_events_are_forgotten_when_no_desk_repeats_them(dsn: str) -> None:
    desk = PlayedDesk()
    async with world_of(dsn) as world, side_of(dsn, desk) as side:
        await side.inbox.accept("played.main", [event(1), event(2)])
        await side.applies(lambda: len(desk.applied) == 2)
        await side.settle()
        await world.connection.execute(
            "UPDATE desk_event SET applied_at = now() - interval '31 days' WHERE key = 'T1:1'"
        )
        await side.inbox.prune()
        assert [row["key"] for row in await world.connection.fetch("SELECT key FROM desk_event")] == ["T1:2"]


def test_dead_letters_of_desks_are_listed_and_tried_again_from_the_terminal(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def give_one_up() -> None:
        desk = PlayedDesk()

        async def refuse(_one: DeskEvent) -> None:
            raise GiveUp("refused", "no such thing")

        desk.on_apply = refuse
        async with world_of(dsn) as world, side_of(dsn, desk) as side:
            await side.inbox.accept("played.main", [event(1)])
            await side.settle()
            assert await desk_events.dead(world.connection, limit=1)

    asyncio.run(give_one_up())
    monkeypatch.setenv("TERTULIA__DATABASE__URL", dsn)
    listed = CliRunner().invoke(app, ["dead-letters", "desks", "--json"])
    assert listed.exit_code == 0, listed.output
    [letter] = msgspec.json.decode(listed.stdout)
    assert (letter["desk"], letter["key"], letter["reference"]) == ("played.main", "T1:1", "T1")
    retry = ["dead-letters", "retry-desk", "played.main", "T1:1"]
    assert CliRunner().invoke(app, retry).exit_code == 0
    again = CliRunner().invoke(app, retry)
    assert again.exit_code == 1
    assert "no dead letter" in again.output
