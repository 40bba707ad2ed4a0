"""What the demo stands on: all sandboxes opened at once, closed in reverse, and none left open by one that fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from channels.sandboxes import Sandbox, Stage
from config.bot import load_bot
from config.settings import SAMPLE_BOT
from gateway.app.commands import demo_stage
from gateway.app.commands.demo_stage import Port, sandboxes
from gateway.core.errors import Misconfigured
from gateway.web.sandbox.showcase import Showcase, read_showcase


class Opened:
    """A sandbox that knows where it was set up."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    @property
    def settings_values(self) -> Mapping[str, object]:
        return {}


class Landlord:
    """Opens sandboxes that wait for one another; those in ``broken`` do not open."""

    def __init__(self, parties: int, *broken: str) -> None:
        self.events: list[str] = []
        self._all_there = asyncio.Barrier(parties)
        self._broken = broken

    def open_sandbox(self, channel: str, stage: Stage) -> AbstractAsyncContextManager[Sandbox]:
        @asynccontextmanager
        async def opened() -> AsyncIterator[Sandbox]:
            async with asyncio.timeout(5):
                await self._all_there.wait()
            if channel in self._broken:
                raise Misconfigured(f"channels.{channel}", "its port is taken")
            self.events.append(f"{channel} opened")
            try:
                yield Opened(stage)
            finally:
                self.events.append(f"{channel} closed")

        return opened()


@pytest.fixture(scope="module")
def showcase() -> Showcase:
    return read_showcase(load_bot(SAMPLE_BOT))


async def test_they_open_at_once_each_on_a_stage_of_its_own(monkeypatch, showcase: Showcase) -> None:
    landlord = Landlord(3)
    monkeypatch.setattr(demo_stage, "open_sandbox", landlord.open_sandbox)
    async with sandboxes(("a", "b", "c"), Port(8080, 8080), showcase) as opened:
        assert list(opened) == ["a", "b", "c"]
        assert sorted(landlord.events) == ["a opened", "b opened", "c opened"]
        urls = [sandbox.stage.webhook_url for sandbox in opened.values()]  # type: ignore[attr-defined]
        assert urls == [f"http://127.0.0.1:8080/webhooks/{name}/demo" for name in "abc"]
    assert sorted(landlord.events[3:]) == ["a closed", "b closed", "c closed"]


async def test_one_that_cannot_open_is_named_and_the_others_are_closed(monkeypatch, showcase: Showcase) -> None:
    landlord = Landlord(3, "b")
    monkeypatch.setattr(demo_stage, "open_sandbox", landlord.open_sandbox)
    with pytest.raises(Misconfigured, match="its port is taken"):
        async with sandboxes(("a", "b", "c"), Port(8080, 8080), showcase):
            raise AssertionError("nothing is to be done with an incomplete demo")
    assert sorted(landlord.events[:2]) == ["a opened", "c opened"]
    assert sorted(landlord.events[2:]) == ["a closed", "c closed"]


async def test_an_unknown_channel_is_said_before_anything_opens(showcase: Showcase) -> None:
    with pytest.raises(Misconfigured, match="has no sandbox"):
        async with sandboxes(("fax",), Port(8080, 8080), showcase):
            raise AssertionError
