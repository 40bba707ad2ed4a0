"""In order and once, whatever dies, breaks off, comes twice, late or never."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sunshine_desk_world import SunshineWorld, sunshine_world

from channels.sandbox_server import ServedCall

pytestmark = pytest.mark.system

NUMBERS = itertools.count(1)

FAULTS = st.sampled_from(["lost answer", "not taken", "failed", "failed after", "limited", "killed"])


def _posts(call: ServedCall) -> bool:
    return call.method == "POST" and call.path.endswith(("/messages", "/conversations", "/users", "Control"))


def _strike(town: SunshineWorld, fault: str) -> None:
    server = town.sandbox.server
    match fault:
        case "lost answer":
            server.drop_next(takes_effect=True, which=_posts)
        case "not taken":
            server.drop_next(takes_effect=False, which=_posts)
        case "failed":
            server.fail_next(status=503, which=_posts)
        case "failed after":
            server.hang_next(takes_effect=True, which=_posts)
        case "limited":
            server.limit_next(retry_after_s=0, which=_posts)


def of_customer(town: SunshineWorld) -> list[str]:
    return [words for talk in town.sandbox.talks() for who, words in town.sandbox.seen(talk.id) if who == "user"]


@given(st.lists(st.tuples(FAULTS, st.integers(0, 4)), max_size=6), st.integers(1, 5), st.integers(0, 4))
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_what_customers_say_is_seen_by_agents_in_order_and_once(
    dsn: str, faults: list[tuple[str, int]], before: int, after: int
) -> None:
    async def play() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with sunshine_world(dsn, Path(folder), read_timeout_s=0.5, connect_timeout_s=0.5) as town:
                first = [f"{next(NUMBERS)}" for _ in range(before)]
                case = await town.asks(*first)
                later = [f"{next(NUMBERS)}" for _ in range(after)]
                for fault, steps in faults:
                    _strike(town, fault)
                    for _ in range(steps):
                        await town.side.pump.step()
                        await asyncio.sleep(0.01)
                    if fault == "killed":
                        await town.restart()
                for words in later:
                    await town.says(case, words)
                await town.told()
                assert of_customer(town) == first + later
                assert len(town.sandbox.talks()) == 1
                summaries = [w for _, w in town.sandbox.seen(town.sandbox.talks()[0].id) if w.startswith("Customer:")]
                assert len(summaries) == 1
                await town.ends(case)
                await town.told()

    asyncio.run(play())


TROUBLES = st.sampled_from(["", "lost", "twice", "reordered", "unheard", "joined", "killed"])


@given(st.lists(TROUBLES, min_size=1, max_size=7))
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_what_agents_say_reaches_the_customer_in_order_and_once(dsn: str, troubles: list[str]) -> None:
    async def play() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with sunshine_world(dsn, Path(folder)) as town:
                case, talk = await town.handed("help")
                said = []
                for trouble in troubles:
                    match trouble:
                        case "lost":
                            town.sandbox.lose_next(1)
                        case "twice":
                            town.sandbox.sender.redeliver_next(1)
                        case "reordered":
                            town.sandbox.sender.reorder_next(2)
                        case "unheard":
                            town.sandbox.sender.drop_answer_next(1)
                        case "joined":
                            town.sandbox.sender.batch_next(2)
                        case "killed":
                            await town.side.inbox.step()
                            await town.restart()
                    said.append(("Luis", f"{next(NUMBERS)}"))
                    town.sandbox.agent_says(talk, said[-1][1], name="Luis")
                    await town.side.inbox.step()
                    await asyncio.sleep(0.01)
                await town.heard()
                await town.side.looks()
                await town.heard()
                assert await town.got(case) == said
                town.sandbox.closes_ticket(talk)
                await town.heard()
                await town.side.looks()
                await town.heard()
                assert (await town.control(case))[0] == "bot"
                assert await town.got(case) == said

    asyncio.run(play())


async def test_a_message_of_several_pieces_is_gone_on_with_where_it_broke_off(dsn: str, tmp_path: Path) -> None:
    async with sunshine_world(dsn, tmp_path) as town:
        case, _ = await town.handed("help")
        town.sandbox.server.drop_next(takes_effect=True, which=_posts)
        await town.says(case, "x" * 10_000)
        await town.side.pump.step()
        await asyncio.sleep(0.05)
        await town.restart()
        await town.told()
        assert "".join(of_customer(town)[1:]) == "x" * 10_000


async def test_nothing_is_repeated_while_an_earlier_try_may_still_arrive(dsn: str, tmp_path: Path) -> None:
    async with sunshine_world(dsn, tmp_path, unclear_wait_s=1.0, read_timeout_s=0.2, connect_timeout_s=0.2) as town:
        case, talk = await town.handed("help")
        town.sandbox.server.slow_next(0.7, which=_posts)
        await town.says(case, "slow")
        await town.told()
        await asyncio.sleep(0.5)
        assert [words for who, words in town.sandbox.seen(talk) if who == "user"] == ["help", "slow"]
