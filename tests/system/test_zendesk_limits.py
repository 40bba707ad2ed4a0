"""Many cases at once under Zendesk's own limits, in faster minutes: none is broken, nothing is lost or doubled."""

from __future__ import annotations

import asyncio
from pathlib import Path

from desk_world import world_of
from zendesk_side import due, process_of, waiting, zendesk_of

from handoff.desks.zendesk.sandbox import Pace

CASES = 20
WORDS = 3
LIMITS = {"account", "tickets-update", "ticket", "incremental-tickets-cursor", "webhooks"}


async def test_many_cases_at_once_break_no_limit_though_zendesk_fails_in_between(dsn: str, tmp_path: Path) -> None:
    pace = Pace(minute_s=3.0, closes_after_s=10**6)
    async with (
        zendesk_of(pace=pace, plan="team", seed=5) as zendesk,
        world_of(dsn) as world,
        process_of(dsn, zendesk, tmp_path) as side,
    ):
        cases = [await waiting(world, name=f"Customer {number}") for number in range(CASES)]
        for case in cases:
            await world.says(case, "word 0")
        async with asyncio.timeout(200):
            for number in range(1, WORDS):
                await _for(side, 0.5)
                for case in cases:
                    await world.says(case, f"word {number}")
                if number == 1:
                    zendesk.fails_for(30.0)
                await due(world)
            while not all(f"word {WORDS - 1}" in _all(zendesk, case) for case in cases):
                await _for(side, 0.2)
        for case in cases:
            [ticket] = zendesk.tickets(external_id=str(case.handoff))
            whole = _all(zendesk, case)
            assert [whole.count(f"word {number}") for number in range(WORDS)] == [1] * WORDS
            assert sorted(range(WORDS), key=lambda n, whole=whole: whole.index(f"word {n}")) == list(range(WORDS))
            assert all(comment.author_id == ticket.requester_id for comment in ticket.comments if comment.is_public)
        assert len(zendesk.tickets()) == CASES
        assert [one for one in zendesk.violations if one.kind in LIMITS] == []


async def test_one_chatty_customer_is_joined_within_the_tickets_limit(dsn: str, tmp_path: Path) -> None:
    pace = Pace(minute_s=0.4, closes_after_s=10**6)
    async with (
        zendesk_of(pace=pace, plan="high_volume") as zendesk,
        world_of(dsn) as world,
        process_of(dsn, zendesk, tmp_path) as side,
    ):
        case = await waiting(world)
        await world.says(case, "word 0")
        await side.tells(zendesk.tickets, within_s=20)
        for number in range(1, 61):
            await world.says(case, f"word {number}")
            await due(world)
            await _for(side, 0.05)
        async with asyncio.timeout(100):
            while "word 60" not in _all(zendesk, case):
                await _for(side, 0.1)
        [ticket] = zendesk.tickets()
        said = "\n\n".join(comment.body for comment in ticket.comments[1:]).split("\n\n")
        assert said == [f"word {number}" for number in range(1, 61)]
        assert len(ticket.comments) < 61
        assert [one for one in zendesk.violations if one.kind in LIMITS] == []


def _all(zendesk, case) -> str:
    tickets = zendesk.tickets(external_id=str(case.handoff))
    return "\n".join(comment.body for ticket in tickets for comment in ticket.comments)


async def _for(side, seconds: float) -> None:
    end = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < end:
        await side.pump.step()
        await side.inbox.step()
        await asyncio.sleep(0.02)
