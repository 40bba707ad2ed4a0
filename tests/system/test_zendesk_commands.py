"""``tertulia desk doctor`` and ``connect`` as an operator uses them, with a stand-in in Zendesk's place."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from gateway.app.bench.subjects import as_toml
from handoff.desks.zendesk.parse import SUBSCRIPTIONS
from handoff.desks.zendesk.sandbox import ZendeskSandbox

pytestmark = pytest.mark.system

WEBHOOK = "https://bot.example/webhooks/desks/zendesk/main"


class Operator:
    """Somebody at a shell whose settings name the stand-in."""

    def __init__(self, folder: Path, dsn: str, zendesk: ZendeskSandbox) -> None:
        self.zendesk = zendesk
        self._config = folder / "tertulia.toml"
        self._values: dict[str, str | int | float | bool] = {
            "data_dir": str(folder / "data"),
            "database.url": dsn,
            "server.public_url": "https://bot.example",
            "router.desk": "zendesk.main",
            "desks.zendesk.main.api_url": zendesk.server.url,
            "desks.zendesk.main.oauth_token": zendesk.world.account.oauth_token,
        }

    async def runs(self, *words: str, is_data: bool = False, **settings: str | int | bool) -> tuple[int, str]:
        """The command's exit code, and what it said (*is_data*: without complaints); it never says a secret."""
        values = self._values | {key.replace("__", "."): value for key, value in settings.items()}
        self._config.write_text(as_toml(values))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway.app.cli", "desk", *words),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | {"TERTULIA_CONFIG": str(self._config), "COLUMNS": "200"},
        )
        said, complaints = (stream.decode() for stream in await asyncio.wait_for(process.communicate(), 180))
        account = self.zendesk.world.account
        for secret in (account.oauth_token, account.api_token, *(hook.secret for hook in account.hooks.values())):
            assert secret not in said + complaints
        assert process.returncode is not None
        return process.returncode, said if is_data else said + complaints

    async def doctors(self, **settings: str | int | bool) -> tuple[int, list[dict[str, str]]]:
        code, said = await self.runs("doctor", "--json", is_data=True, **settings)
        return code, json.loads(said)


@pytest.fixture
async def operator(dsn: str, tmp_path: Path) -> AsyncIterator[Operator]:
    async with ZendeskSandbox() as zendesk:
        yield Operator(tmp_path, dsn, zendesk)


async def test_connect_makes_the_webhook_once_and_then_the_doctor_is_content(operator: Operator, dsn: str) -> None:
    code, findings = await operator.doctors()
    assert code == 1
    assert [f["advice"] for f in findings if f["level"] == "bad"] == ["run `tertulia desk connect`"]

    for _ in range(2):
        code, said = await operator.runs("connect")
        assert code == 0, said
        assert WEBHOOK in said or "already" in said
    [hook] = operator.zendesk.world.account.hooks.values()
    assert (hook.endpoint, set(hook.subscriptions)) == (WEBHOOK, set(SUBSCRIPTIONS))
    connection = await asyncpg.connect(dsn)
    kept = await connection.fetchval("SELECT value FROM kept_value WHERE name = 'signing_secrets'")
    await connection.close()
    assert kept == hook.secret

    code, findings = await operator.doctors()
    assert code == 0, findings
    assert {f["about"] for f in findings} >= {"credentials", "webhook", "clock", "limits"}
    assert {f["level"] for f in findings} == {"ok"}


async def test_a_webhook_that_was_changed_is_mended_and_a_trigger_made_once(operator: Operator) -> None:
    wishes = {"desks__zendesk__main__uses_trigger": True}
    assert (await operator.runs("connect", **wishes))[0] == 0
    account = operator.zendesk.world.account
    hook = next(hook for hook in account.hooks.values() if not hook.is_for_triggers)
    hook.subscriptions = hook.subscriptions[:2]
    code, said = await operator.runs("connect", "zendesk.main", **wishes)
    assert code == 0
    assert "mended" in said
    assert len(account.hooks) == 2
    assert len(account.triggers) == 1


async def test_the_doctor_says_what_to_do_about_each_thing_that_is_wrong(operator: Operator) -> None:
    code, findings = await operator.doctors(
        desks__zendesk__main__oauth_token="", desks__zendesk__main__email="bot@example.com",
        desks__zendesk__main__api_token="wrong",
    )  # fmt: skip
    told = {f["what"].split(": ", 1)[1]: f for f in findings}
    assert code == 1
    assert any("2026-10-27" in what and "2027-04-30" in what for what in told)
    assert any("does not accept it" in what for what in told)
    code, findings = await operator.doctors(desks__zendesk__main__group=424242)
    assert any(f["what"].endswith("group 424242 is not there") and f["advice"] for f in findings)
    assert all(f["advice"] for f in findings if f["level"] == "bad")
    code, said = await operator.runs("connect", "zendesk.other")
    assert code != 0
    assert "zendesk.main" in said
