"""The demo's desk: our own unless a Zendesk is wished for, and never a real one."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.settings import Settings, load_settings
from gateway.app.commands.demo_desk import demo_desk, desk_named, with_desk
from gateway.app.commands.demo_stage import Port
from gateway.core.errors import Misconfigured
from handoff.desks import read_desks

PORT = Port(8391, 8391)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    overrides = {"data_dir": str(tmp_path), "desks": {"zendesk": {"main": {"subdomain": "real"}}}}
    return load_settings(None, env={}, overrides=overrides)


@pytest.mark.parametrize(("name", "is_terminal"), [("salesforce", False), ("zendesk", True)])
def test_a_desk_that_cannot_be_is_said_so(name: str, is_terminal: bool) -> None:
    with pytest.raises(Misconfigured, match="--desk"):
        desk_named(name, is_terminal=is_terminal)


async def test_without_a_wish_it_is_our_own_desk_and_no_real_zendesk(settings: Settings) -> None:
    async with demo_desk(desk_named("", is_terminal=True), settings, PORT) as zendesk:
        changed = with_desk(settings, zendesk)
    assert zendesk is None
    assert (changed.router.desk, changed.desks) == ("builtin.main", {})


async def test_the_sandbox_of_zendesk_can_be_read_as_a_desk(settings: Settings) -> None:
    async with demo_desk("zendesk", settings, PORT) as zendesk:
        assert zendesk is not None
        changed = with_desk(settings, zendesk)
        configured = read_desks(changed)
        assert changed.router.desk == "zendesk.main"
        assert not configured.problems
        assert "zendesk.main" in configured.names()
        [hook] = zendesk.world.account.hooks.values()
        assert hook.endpoint == "http://127.0.0.1:8391/webhooks/desks/zendesk/main"
        fields = [field.title for field in zendesk.world.account.fields.values()]
    async with demo_desk("zendesk", settings, PORT) as again:
        assert again is not None
        assert [field.title for field in again.world.account.fields.values()] == fields
        assert len(again.world.account.hooks) == 1
