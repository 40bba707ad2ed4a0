"""An installation as the documents tell it: settings in a file, the set-up by commands, `tertulia run`, a Zendesk.

The gateway is a process of its own; Zendesk and Telegram are stand-ins beside it, which it knows by their addresses.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from handoff_stage import JOURNEY_BOT, MINUTE_S, PhoneCustomer, sees, until
from shared_models import shared_models

from channels.handset import words_of
from channels.sandboxes import HasPhone, Phone, Stage, open_sandbox
from gateway.app.bench.processes import free_port, tertulia
from gateway.app.bench.subjects import Gateway, SettingValue
from handoff.desks.zendesk.sandbox import Pace, ZendeskSandbox
from handoff.desks.zendesk.sandbox_records import Ticket

pytestmark = pytest.mark.system

DESK = "desks.zendesk.main"


class Installation:
    """A folder with settings, a database, and who is on the other side of them."""

    def __init__(self, folder: Path, dsn: str, zendesk: ZendeskSandbox, phone: Phone, port: int) -> None:
        self.folder = folder
        self.dsn = dsn
        self.zendesk = zendesk
        self.phone = phone
        self.customer = PhoneCustomer(phone)
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.telegram: dict[str, SettingValue] = {}

    def values(self, **changed: SettingValue) -> dict[str, SettingValue]:
        """The settings; *changed* are keys of the desk's section."""
        account = self.zendesk.world.account
        desk: dict[str, SettingValue] = {
            "api_url": self.zendesk.server.url,
            "oauth_token": account.oauth_token,
            "rates.minute_s": MINUTE_S,
            **changed,
        }
        return {
            "server.public_url": self.url,
            "bot.path": str(JOURNEY_BOT),
            "router.desk": "zendesk.main",
            "handoff.reopen_within_h": 0,
            "handoff.reconcile_every_s": MINUTE_S,
            "handoff.backoff_cap_s": 1.0,
            **{f"channels.telegram.site.{key}": value for key, value in self.telegram.items()},
            **{f"{DESK}.{key}": value for key, value in desk.items()},
        }

    def gateway(self, **changed: SettingValue) -> Gateway:
        return Gateway(
            self.folder,
            database_url=self.dsn,
            port=self.port,
            data_dir=self.folder / "data",
            models_url=shared_models(),
            settings=self.values(**changed),
        )

    async def runs(self, *words: str, **changed: SettingValue) -> tuple[int, str]:
        """A command in that folder: its exit code, and what it printed."""
        config = self.gateway(**changed).config
        process = await asyncio.create_subprocess_exec(
            *tertulia(*words),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=os.environ | {"TERTULIA_CONFIG": str(config), "COLUMNS": "250"},
        )
        said, _ = await asyncio.wait_for(process.communicate(), 120)
        assert process.returncode is not None
        assert self.zendesk.world.account.oauth_token not in said.decode()
        return process.returncode, said.decode()

    async def is_told(self, what: str, advice: str, **changed: SettingValue) -> None:
        """The doctor finds that, and says what to do about it."""
        code, said = await self.runs("desk", "doctor", "--json", **changed)
        findings = json.loads(said[said.index("[") :])
        bad = {finding["what"]: finding["advice"] for finding in findings if finding["level"] == "bad"}
        assert code == 1, said
        assert any(what in found and advice in told for found, told in bad.items()), findings
        assert all(bad.values()), "each with what to do"

    async def ticket(self) -> Ticket:
        await until(self.zendesk.tickets, lambda: "there is no ticket")
        return self.zendesk.tickets()[-1]

    def heard(self) -> list[str]:
        return [words_of(message) for message in self.phone.view(0).messages if not message.is_own]


@pytest.fixture
async def installed(dsn: str, tmp_path: Path) -> AsyncIterator[Installation]:
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    stage = Stage(
        webhook_url=f"{origin}/webhooks/telegram/site",
        origin=origin,
        endpoint="site",
        bot_name="Camino",
        languages=("es",),
        starters={"es": ("saldo",)},
    )
    async with (
        ZendeskSandbox(pace=Pace(minute_s=MINUTE_S, closes_after_s=10**6)) as zendesk,
        open_sandbox("telegram", stage) as sandbox,
    ):
        assert isinstance(sandbox, HasPhone)
        made = Installation(tmp_path, dsn, zendesk, sandbox.phone("Ana", "es"), port)
        made.telegram = dict(sandbox.settings_values)  # type: ignore[arg-type]
        yield made


async def test_the_doctor_names_each_fault_of_a_set_up_with_what_to_do_and_connect_mends_it(
    installed: Installation,
) -> None:
    account = installed.zendesk.world.account
    await installed.is_told("does not accept it", "README", oauth_token="wrong")
    await installed.is_told("no webhook leads to", "desk connect")
    for words in ("made the webhook", "leads here already"):
        code, said = await installed.runs("desk", "connect")
        assert (code, words in said) == (0, True), said
    assert len(account.hooks) == 1
    code, said = await installed.runs("desk", "doctor")
    assert code == 0, said

    await installed.is_told("no active trigger calls the webhook", "desk connect", uses_trigger=True)
    hook = next(iter(account.hooks.values()))
    hook.endpoint = "http://127.0.0.1:1/elsewhere"
    await installed.is_told("no webhook leads to", "desk connect")
    code, said = await installed.runs("desk", "connect")
    assert (code, "mended the webhook" in said, len(account.hooks)) == (0, True, 1), said
    hook.status = "inactive"
    await installed.is_told("is inactive", "desk connect")
    await installed.runs("desk", "connect")
    await installed.is_told("field 77 is not there", "settings", fields={"77": "app"})
    account.person(account.bot_id).role = "end-user"
    await installed.is_told("cannot write for others", "agent or admin")


async def test_a_customer_is_handed_over_and_back_though_the_gateway_is_stopped_in_between(
    installed: Installation,
) -> None:
    code, said = await installed.runs("desk", "connect")
    assert code == 0, said
    gateway = installed.gateway()
    try:
        await gateway.start()
        await _is_handed_over(installed)
        await _goes_on_after_a_stop(installed, gateway)
        await _comes_back(installed)
        await _has_no_dead_letters_but_those_that_are_tried_again(installed)
        assert await gateway.child.stop() == 0
    finally:
        gateway.child.kill()


async def _is_handed_over(on: Installation) -> None:
    await on.customer.writes("una cosa rara")
    await sees(on.customer, "No entendí")
    await on.customer.writes("otra cosa rara")
    await sees(on.customer, "Te paso con una persona")
    berta = on.zendesk.agent("Berta Gómez")
    await berta.answers(await on.ticket(), "Hola, soy Berta")
    await sees(on.customer, "Hola, soy Berta")


async def _goes_on_after_a_stop(on: Installation, gateway: Gateway) -> None:
    """What both sides say around a SIGTERM arrives once it runs again: Telegram repeats, Zendesk's export tells."""
    ticket, berta = await on.ticket(), on.zendesk.agent("Berta Gómez")
    assert await gateway.child.stop() == 0
    await berta.answers(ticket, "mientras no estabas")
    await on.zendesk.settled()
    await gateway.start()
    await sees(on.customer, "mientras no estabas")
    await on.customer.writes("ya volví")
    await until(lambda: any("ya volví" in comment.body for comment in ticket.comments))
    assert sum("ya volví" in comment.body for comment in ticket.comments) == 1


async def _comes_back(on: Installation) -> None:
    await on.zendesk.agent("Berta Gómez").solves(await on.ticket(), "Listo")
    await sees(on.customer, "Listo")
    await sees(on.customer, "¿Cómo te atendieron?")
    await on.customer.presses("5 · Excelente")
    await sees(on.customer, "Gracias por tu nota")
    await on.customer.writes("saldo")
    await sees(on.customer, "12 pesos")
    for words in ("Hola, soy Berta", "mientras no estabas", "Listo"):
        assert sum(words in text for text in on.heard()) == 1, on.heard()
    assert len(on.zendesk.tickets()) == 1


async def _has_no_dead_letters_but_those_that_are_tried_again(on: Installation) -> None:
    assert json.loads((await on.runs("dead-letters", "desks", "--json"))[1]) == []
    connection = await asyncpg.connect(on.dsn)
    try:
        key = await connection.fetchval(
            """UPDATE desk_event SET applied_at = NULL, gave_up_at = now(), problem = 'GiveUp: by a test'
               WHERE key = (SELECT max(key) FROM desk_event WHERE key LIKE 'comment:%') RETURNING key"""
        )
        [dead] = json.loads((await on.runs("dead-letters", "desks", "--json"))[1])
        assert (dead["desk"], dead["key"], dead["problem"]) == ("zendesk.main", key, "GiveUp: by a test")
        code, said = await on.runs("dead-letters", "retry-desk", "zendesk.main", key)
        assert code == 0, said
        async with asyncio.timeout(30):
            while not await connection.fetchval("SELECT applied_at FROM desk_event WHERE key = $1", key):
                await asyncio.sleep(0.05)
    finally:
        await connection.close()
    assert json.loads((await on.runs("dead-letters", "desks", "--json"))[1]) == []
    assert sum("Listo" in text for text in on.heard()) == 1, "it was said before"
