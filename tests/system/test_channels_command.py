"""``tertulia channels`` as an operator uses it, with the sandbox in the provider's place."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from channels.telegram.sandbox import TelegramSandbox
from gateway.app.bench.subjects import as_toml

pytestmark = pytest.mark.system

PUBLIC_URL = "https://bot.example"
WEBHOOK = f"{PUBLIC_URL}/webhooks/telegram/main"
OUR_SIDE = {"certificate", "clock", "last inbound"}


class Operator:
    """Somebody at a shell whose settings name the sandbox."""

    def __init__(self, folder: Path, sandbox: TelegramSandbox) -> None:
        self.sandbox = sandbox
        self.ours: dict[str, dict[str, str]] = {}
        self._config = folder / "tertulia.toml"
        self._values: dict[str, str | int | float | bool] = {
            "data_dir": str(folder / "data"),
            "server.public_url": PUBLIC_URL,
            "channels.telegram.main.token": sandbox.token,
            "channels.telegram.main.secret_token": sandbox.secret_token,
            "channels.telegram.main.api_url": sandbox.api_url,
            "channels.telegram.main.username": sandbox.username,
        }

    async def runs(self, *words: str, **settings: str) -> tuple[int, str, str]:
        """The command's exit code, what it said, and its complaints; it never says a secret."""
        values = self._values | {key.replace("__", "."): value for key, value in settings.items()}
        self._config.write_text(as_toml(values))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway.app.cli", *words),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | {"TERTULIA_CONFIG": str(self._config), "COLUMNS": "200"},
        )
        said, complaints = (stream.decode() for stream in await asyncio.wait_for(process.communicate(), 60))
        for secret in (self.sandbox.token, self.sandbox.secret_token):
            assert secret not in said + complaints
        assert process.returncode is not None
        return process.returncode, said, complaints

    async def doctors(self, **settings: str) -> tuple[int, dict[str, str]]:
        """What the doctor found at the provider: the level of each line."""
        code, said, complaints = await self.runs("channels", "doctor", "--json", **settings)
        assert complaints == ""
        self.ours = {each["about"]: each for each in json.loads(said) if each["about"] in OUR_SIDE}
        return code, {each["what"]: each["level"] for each in json.loads(said) if each["about"] not in OUR_SIDE}


@pytest.fixture
async def operator(tmp_path: Path) -> AsyncIterator[Operator]:
    async with TelegramSandbox() as sandbox:
        yield Operator(tmp_path, sandbox)


async def test_connect_tells_the_provider_address_secret_and_kinds_and_the_doctor_is_content(
    operator: Operator,
) -> None:
    code, findings = await operator.doctors()
    assert (code, findings["telegram.main: the bot is @tertulia_bot"]) == (1, "ok")
    assert "bad" in findings.values(), "no webhook is set yet"

    code, said, complaints = await operator.runs("channels", "connect", "telegram.main")
    assert (code, complaints) == (0, "")
    assert WEBHOOK in said

    code, findings = await operator.doctors()
    assert (code, set(findings.values())) == (0, {"ok"}), findings


async def test_doctor_says_that_the_provider_does_not_take_the_token(operator: Operator) -> None:
    code, findings = await operator.doctors(channels__telegram__main__token="123456:revoked-long-ago")
    assert code == 1
    assert [level for what, level in findings.items() if what.startswith("telegram.main: ")] == ["bad"]


async def test_doctor_says_that_nobody_answers_at_the_providers_address(operator: Operator) -> None:
    code, findings = await operator.doctors(channels__telegram__main__api_url="http://127.0.0.1:9")
    assert code == 1
    assert list(findings.values()) == ["bad"]


async def test_connect_to_a_provider_that_refuses_is_one_line_and_no_traceback(operator: Operator) -> None:
    operator.sandbox.fail_next(1, 400, "Bad Request: bad webhook: IP address 10.0.0.1 is reserved", method="setWebhook")
    code, said, complaints = await operator.runs("channels", "connect", "telegram.main")
    assert (code, said) == (1, "")
    assert len(complaints.splitlines()) == 1
    assert "reserved" in complaints


async def test_connect_to_an_endpoint_that_is_not_configured_names_those_that_are(operator: Operator) -> None:
    code, _, complaints = await operator.runs("channels", "connect", "telegram.mian")
    assert code == 1
    assert "telegram.main" in complaints


async def test_one_wrong_endpoint_is_shown_and_the_other_one_examined(operator: Operator) -> None:
    wrong = {"channels__telegram__other__token": "123456:abc"}
    problem = "channels.telegram.other.secret_token: missing; set it"
    code, said, _ = await operator.runs("channels", "list", "--json", **wrong)
    assert code == 0
    listed = {row["endpoint"]: row for row in json.loads(said)}
    assert (listed["telegram.main"]["webhook"], listed["telegram.main"]["problem"]) == (WEBHOOK, "")
    assert listed["telegram.other"]["problem"] == problem

    code, _, complaints = await operator.runs("channels", "connect", "telegram.main", **wrong)
    assert (code, complaints) == (0, "")
    code, _, complaints = await operator.runs("channels", "connect", "telegram.other", **wrong)
    assert (code, complaints.strip()) == (2, f"✗ {problem}")
    code, findings = await operator.doctors(**wrong)
    assert code == 1
    assert findings.pop("channels.telegram.other.secret_token") == "bad"
    assert set(findings.values()) == {"ok"}


async def test_doctor_tells_of_the_certificate_of_the_clock_and_of_what_was_received(operator: Operator) -> None:
    await operator.runs("channels", "connect", "telegram.main")
    await operator.doctors()
    assert operator.ours["certificate"]["what"].startswith("telegram.main: bot.example cannot be reached from here")
    assert operator.ours["clock"]["level"] == "ok"
    assert operator.ours["last inbound"]["what"] == "nothing was received yet: the gateway has not run here"
