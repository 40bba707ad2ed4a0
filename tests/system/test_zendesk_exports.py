"""How often the incremental export is read, and how much of the limits on updates is left, over all processes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from desk_world import world_of
from zendesk_side import ZendeskSide, due, process_of, waiting, zendesk_of

from gateway.core.desks import NotYet
from handoff.desks.zendesk.sandbox import Pace

NAME = "zendesk.main"


def left(side: ZendeskSide, of: str) -> float:
    found = side.desk._updates_left.labels(NAME, of)._value.get()
    assert isinstance(found, float)
    return found


async def test_two_processes_together_read_no_more_pages_than_zendesk_gives(dsn: str, tmp_path: Path) -> None:
    pace = Pace(minute_s=60.0, closes_after_s=10**6)
    async with (
        zendesk_of(pace=pace) as zendesk,
        process_of(dsn, zendesk, tmp_path) as one,
        process_of(dsn, zendesk, tmp_path, node=2, connects=False) as two,
    ):
        outcomes = []
        for number in range(14):
            try:
                await (one, two)[number % 2].desk.reconcile()
                outcomes.append(0.0)
            except NotYet as later:
                outcomes.append(later.after_s)
        assert [bool(after_s) for after_s in outcomes] == [False] * 9 + [True] * 5, "a tenth is left to others"
        assert all(1 < after_s < 64 for after_s in outcomes[9:])
        asked = [call for call in zendesk.calls if "incremental" in call.path]
        assert len(asked) == 9
        assert [one for one in zendesk.violations if one.kind == "incremental-tickets-cursor"] == []


async def test_what_is_left_of_the_limits_on_updates_is_a_metric(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("handoff.desks.zendesk.ticketing.UPDATES_EVERY_S", 0.05)
    pace = Pace(minute_s=60.0, closes_after_s=10**6)
    async with (
        zendesk_of(pace=pace) as zendesk,
        world_of(dsn) as world,
        process_of(dsn, zendesk, tmp_path) as side,
    ):
        async with asyncio.timeout(30):
            while not left(side, "account"):
                await asyncio.sleep(0.02)
        assert (left(side, "account"), left(side, "ticket")) == (90.0, 27.0)
        case = await waiting(world)
        await world.says(case, "hola")
        await side.tells(zendesk.tickets, within_s=30)
        await world.says(case, "¿hay alguien?")
        await due(world)
        async with asyncio.timeout(60):
            while (left(side, "account"), left(side, "ticket")) != (89.0, 26.0):
                await side.settle()
                await asyncio.sleep(0.02)
