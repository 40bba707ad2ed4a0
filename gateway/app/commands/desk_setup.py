"""``tertulia desk doctor`` and ``connect``: desks elsewhere, set up and examined through their own interfaces."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import msgspec
import typer

from config.settings import Settings
from gateway.app.commands.check import show_findings
from gateway.app.commands.session import with_database
from gateway.app.commands.terminal import EXIT_WRONG, complain, print_json
from gateway.core.channel import Finding
from gateway.core.clock import SystemClock
from gateway.core.desks import ConnectsDesk, DeskParts, DeskPort
from gateway.core.errors import TertuliaError
from gateway.core.metrics import Metrics
from gateway.core.news import News
from gateway.router.agents import Agents
from gateway.router.wakes import Wakes
from gateway.store.blobs import Blobs
from gateway.store.database import Database
from gateway.store.kept import KeptValues
from handoff.desks import DeskConfig, discover, full_name, read_desks

_Ask = Callable[[ConnectsDesk, str], Awaitable[Sequence[Finding]]]


def connect_desk(config: Path | None, name: str) -> None:
    """Make at the desk what it needs to call us, and say what was done."""

    async def work(settings: Settings, database: Database) -> list[Finding]:
        if not settings.server.public_url:
            complain("server.public_url: set it to the https address by which the desk reaches this server")
        desk = _chosen(settings, name)
        return await _asked(settings, database, desk, lambda port, url: port.connect(url))

    findings = with_database(config, work, log_level="error")
    show_findings(findings)
    _exit_when_bad(findings)


def examine_desks(config: Path | None, name: str, *, as_json: bool) -> None:
    """Ask every desk that can be asked, or the one of that name."""

    async def work(settings: Settings, database: Database) -> list[Finding]:
        configured = read_desks(settings, discover())
        desks = [_chosen(settings, name)] if name else _connectable(settings)
        findings = [Finding("bad", problem.key, problem.advice) for problem in configured.problems if not name]
        for desk in desks:
            found = await _asked(settings, database, desk, lambda port, url: port.doctor(url))
            findings += [msgspec.structs.replace(one, what=f"{desk.full_name}: {one.what}") for one in found]
        if not findings:
            findings.append(Finding("ok", "no desk elsewhere is configured; the built-in one needs nothing"))
        return findings

    findings = with_database(config, work, log_level="error")
    if as_json:
        print_json(findings)
    else:
        show_findings(findings)
    _exit_when_bad(findings)


def _connectable(settings: Settings) -> list[DeskConfig]:
    """The desks that are elsewhere: those with settings of their own."""
    return [desk for desk in read_desks(settings, discover()).served if settings.desks.get(desk.kind.name)]


def _chosen(settings: Settings, name: str) -> DeskConfig:
    """The desk of that name; without one, the one that conversations go to, or the only one there is."""
    configured = read_desks(settings, discover())
    served = {desk.full_name: desk for desk in configured.served}
    elsewhere = [desk.full_name for desk in _connectable(settings)]
    usual = full_name(settings.router.desk)
    wanted = full_name(name) if name else usual if usual in elsewhere or len(elsewhere) != 1 else elsewhere[0]
    refused = [problem for problem in configured.problems if problem.key.startswith(f"desks.{wanted}")]
    if refused:
        complain("\n".join(str(problem) for problem in refused))
    if wanted not in served:
        complain(f"no desk {wanted}; configured: {', '.join(elsewhere) or 'none'}")
    return served[wanted]


async def _asked(settings: Settings, database: Database, desk: DeskConfig, ask: _Ask) -> list[Finding]:
    port = _opened(settings, database, desk)
    if not isinstance(port, ConnectsDesk):
        return [Finding("ok", "needs no connection")]
    public_url = settings.server.public_url.rstrip("/")
    url = f"{public_url}/webhooks/desks/{desk.kind.name}/{desk.name}" if public_url else ""
    try:
        await port.start()
        try:
            return list(await ask(port, url))
        finally:
            await port.close()
    except TertuliaError as error:
        return [Finding("bad", str(error), f"look at [desks.{desk.full_name}] in the settings")]


def _opened(settings: Settings, database: Database, desk: DeskConfig) -> DeskPort:
    blobs = Blobs(str(settings.data_dir / "blobs"))
    return desk.kind.open(
        DeskParts(
            name=desk.full_name,
            settings=desk.settings,
            database=database,
            read_blob=blobs.read,
            agents=Agents(database, Wakes(), News(), desk.full_name),
            clock=SystemClock(),
            metrics=Metrics(),
            public_url=settings.server.public_url.rstrip("/"),
            kept=KeptValues(database, f"desks.{desk.full_name}"),
            blobs=blobs,
        )
    )


def _exit_when_bad(findings: Sequence[Finding]) -> None:
    if any(finding.level == "bad" for finding in findings):
        raise typer.Exit(EXIT_WRONG)
