"""Webhooks that are lost, doubled and late: what agents write reaches each customer once and in order all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from desk_world import Case, World, world_of
from zendesk_side import NAME, ZendeskSide, control_of, due, process_of, said_to_customer, waiting, zendesk_of

from handoff.desks.zendesk.sandbox import Pace, SandboxAgent, ZendeskSandbox
from handoff.desks.zendesk.sandbox_records import CONDITIONAL, Ticket

QUICK = Pace(minute_s=1.0, closes_after_s=10**6)
CASES = 5
REPLIES = 6


async def reconciles(side: ZendeskSide) -> None:
    """What the loop does, now."""
    await side.inbox.accept(NAME, await side.desk.reconcile())
    await side.desk.reconciled()


async def begun(world: World, side: ZendeskSide, zendesk: ZendeskSandbox, count: int) -> list[tuple[Case, Ticket]]:
    cases = [await waiting(world, name=f"Customer {number}") for number in range(count)]
    for case in cases:
        await world.says(case, "hola")
    await due(world)
    await side.tells(lambda: len(zendesk.tickets()) == count, within_s=20)
    await side.settle()
    return [(case, zendesk.tickets(external_id=str(case.handoff))[0]) for case in cases]


async def talk(world: World, agent: SandboxAgent, pairs: Sequence[tuple[Case, Ticket]]) -> None:
    for number in range(REPLIES):
        for case, ticket in pairs:
            await agent.answers(ticket, f"reply {number}")
            await world.says(case, f"word {number}")
        await asyncio.sleep(0.1)
        await due(world)


@pytest.mark.parametrize("kind", ["events", "trigger"])
async def test_lost_doubled_and_late_webhooks_lose_and_double_nothing(dsn: str, tmp_path: Path, kind: str) -> None:
    settings = {"uses_trigger": kind == "trigger"}
    async with (
        zendesk_of(pace=QUICK, plan="high_volume", seed=3) as zendesk,
        world_of(dsn) as world,
        process_of(dsn, zendesk, tmp_path, **settings) as side,
    ):
        pairs = await begun(world, side, zendesk, CASES)
        if kind == "trigger":
            _leave(zendesk, CONDITIONAL)
        zendesk.sender.loses, zendesk.sender.doubles, zendesk.sender.delays = 0.1, 0.2, 0.3
        zendesk.sender.delay_s = 20.0
        agent = zendesk.agent("Berta Gómez")
        talking = asyncio.create_task(talk(world, agent, pairs))
        while not talking.done():
            await side.settle()
        await zendesk.settled()
        await asyncio.sleep(QUICK.minute_s * 1.2)  # the export leaves out the last minute
        wanted = [f"reply {number}" for number in range(REPLIES)]
        async with asyncio.timeout(30):
            while True:
                await reconciles(side)
                await side.settle()
                found = [await said_to_customer(world, case) for case, _ in pairs]
                if all(len(said) >= REPLIES for said in found):
                    break
        await side.settle()
        for case, _ in pairs:
            assert [words for _, words in await said_to_customer(world, case)] == wanted
        await everything_told(world, side, pairs)
        for case, ticket in pairs:
            theirs = [c.body for c in ticket.comments if c.author_id == ticket.requester_id]
            assert "\n\n".join(theirs).split("\n\n") == [f"word {number}" for number in range(REPLIES)]
            assert await control_of(world, case) == ("agent", "Berta")
        assert [v for v in zendesk.violations if v.kind != "404"] == []


async def everything_told(world: World, side: ZendeskSide, pairs: Sequence[tuple[Case, Ticket]]) -> None:
    async with asyncio.timeout(20):
        while True:
            await due(world)
            await side.settle()
            texts = ["\n\n".join(c.body for c in ticket.comments) for _, ticket in pairs]
            if all(f"word {REPLIES - 1}" in text for text in texts):
                return


async def test_when_all_webhooks_are_lost_the_poll_brings_everything_and_the_end(dsn: str, tmp_path: Path) -> None:
    async with (
        zendesk_of(pace=QUICK, plan="high_volume") as zendesk,
        world_of(dsn) as world,
        process_of(dsn, zendesk, tmp_path) as side,
    ):
        [(case, ticket)] = await begun(world, side, zendesk, 1)
        zendesk.sender.loses = 1.0
        agent = zendesk.agent("Berta Gómez")
        await agent.takes(ticket)
        await agent.answers(ticket, "one")
        await agent.solves(ticket, "two")
        async with asyncio.timeout(20):
            while (await control_of(world, case))[0] != "bot":
                await asyncio.sleep(0.1)
                await reconciles(side)
                await side.settle()
        assert await said_to_customer(world, case) == [("Berta", "one"), ("Berta", "two")]


async def test_a_solved_that_overtakes_the_last_answer_does_not_swallow_it(dsn: str, tmp_path: Path) -> None:
    """Both come of one click; webhooks have no order."""
    async with (
        zendesk_of(pace=QUICK, plan="high_volume") as zendesk,
        world_of(dsn) as world,
        process_of(dsn, zendesk, tmp_path) as side,
    ):
        [(case, ticket)] = await begun(world, side, zendesk, 1)
        _leave(zendesk, "zen:event-type:ticket.status_changed")
        agent = zendesk.agent("Berta Gómez")
        await agent.solves(ticket, "adiós")
        await zendesk.settled()
        async with asyncio.timeout(10):
            while (await control_of(world, case))[0] != "bot":
                await side.settle()
        assert await said_to_customer(world, case) == [("Berta", "adiós")]


async def test_an_answer_whose_webhook_was_lost_is_said_first_though_few_requests_are_left(
    dsn: str, tmp_path: Path
) -> None:
    async with (
        zendesk_of(pace=Pace(minute_s=20.0, closes_after_s=10**6), plan="high_volume") as zendesk,
        world_of(dsn) as world,
        process_of(dsn, zendesk, tmp_path) as side,
    ):
        [(case, ticket)] = await begun(world, side, zendesk, 1)
        agent = zendesk.agent("Berta Gómez")
        zendesk.sender.loses = 1.0
        await agent.answers(ticket, "one")
        await zendesk.settled()
        zendesk.sender.loses = 0.0
        side.desk._client.budget.told({"rate-limit": "2500", "rate-limit-remaining": "300", "rate-limit-reset": "20"})
        await agent.answers(ticket, "two")
        await zendesk.settled()
        async with asyncio.timeout(10):
            while len(await said_to_customer(world, case)) < 2:
                await side.settle()
        assert await said_to_customer(world, case) == [("Berta", "one"), ("Berta", "two")]


def _leave(zendesk: ZendeskSandbox, *subscriptions: str) -> None:
    """Webhooks tell of nothing else any more."""
    for hook in zendesk.world.account.hooks.values():
        hook.subscriptions = tuple(one for one in hook.subscriptions if one in subscriptions)
