"""``tertulia check``: everything that can be known to be wrong before a customer finds out."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import typer
from rich.text import Text

from config.settings import BadSettings, ConfiguredEndpoints, Settings, endpoints_to_serve, load_settings
from gateway.app.commands.terminal import EXIT_SETTINGS, EXIT_WRONG, out, print_json
from gateway.app.runtime import open_database
from gateway.core.channel import Finding
from gateway.core.errors import Misconfigured, TertuliaError

if TYPE_CHECKING:
    from handoff.desks import ConfiguredDesks

MARKS = {"ok": "[ok]✓[/]", "warn": "[warn]![/]", "bad": "[bad]✗[/]"}


def run_check(config: Path | None, *, as_json: bool) -> None:
    """Print a line for each finding. Exit code 2 for settings that cannot be used, 1 for anything else bad."""
    findings, code = _findings(config)
    if as_json:
        print_json(findings)
    else:
        show_findings(findings)
    if code:
        raise typer.Exit(code)


def show_findings(findings: list[Finding]) -> None:
    """One line each, the advice after it."""
    console = out()
    for finding in findings:
        line = f"{finding.what}: {finding.advice}" if finding.advice else finding.what
        console.print(MARKS[finding.level], Text(line), soft_wrap=True)


def _findings(config: Path | None) -> tuple[list[Finding], int]:
    try:
        settings = load_settings(config)
        endpoints = _endpoints(settings)
    except BadSettings as error:
        return [Finding("bad", problem.key, problem.advice) for problem in error.problems], EXIT_SETTINGS
    desks = _desks(settings)
    findings = [
        Finding("ok", "settings", ""),
        *_channel_findings(settings, endpoints),
        *_bot_findings(settings),
        *_desk_findings(settings, desks),
        *_folder_findings(settings),
        asyncio.run(_database_finding(settings)),
    ]
    if endpoints.refused or desks.problems:
        return findings, EXIT_SETTINGS
    return findings, EXIT_WRONG if any(finding.level == "bad" for finding in findings) else 0


def _endpoints(settings: Settings) -> ConfiguredEndpoints:
    from channels.discovery import discover

    return endpoints_to_serve(settings, discover())


def _channel_findings(settings: Settings, endpoints: ConfiguredEndpoints) -> Iterator[Finding]:
    if not endpoints.served:
        yield Finding("warn", "channels", "none is configured; add [channels.<channel>.<endpoint>] to the settings")
    for endpoint in endpoints.served:
        accounts = endpoint.channel.accounts(endpoint.settings)
        names = ", ".join(account.name for account in accounts)
        yield Finding("ok", f"channels.{endpoint.channel.name}.{endpoint.name} ({names})")
    for problem in endpoints.problems:
        yield Finding("bad", problem.key, problem.advice)
    if endpoints.served and not settings.server.public_url:
        yield Finding("warn", "server.public_url", "is empty; `channels connect` needs it")


def _bot_findings(settings: Settings) -> Iterator[Finding]:
    from config.bot import check_bot, load_bot
    from gateway.app.commands.check_examples import problems_of_examples, problems_without_bot

    folder = settings.bot.folder
    if not folder.is_dir():
        yield Finding("bad", "bot.path", f"{folder} is not a folder")
        return
    try:
        problems = check_bot(folder)
        is_sound = not any(problem.level == "error" for problem in problems)
        problems += problems_of_examples(load_bot(folder)) if is_sound else problems_without_bot(folder)
    except Misconfigured as error:
        yield Finding("bad", error.key, error.detail)
        return
    for problem in sorted(set(problems)):
        place = f"{problem.file}:{problem.line}" if problem.line else problem.file
        yield Finding("bad" if problem.level == "error" else "warn", place, problem.what)
    if not any(problem.level == "error" for problem in problems):
        yield Finding("ok", f"bot {folder}")


def _desks(settings: Settings) -> ConfiguredDesks:
    from handoff.desks import read_desks

    return read_desks(settings)


def _desk_findings(settings: Settings, desks: ConfiguredDesks) -> Iterator[Finding]:
    for desk in desks.served:
        if desk.name in settings.desks.get(desk.kind.name, {}):
            yield Finding("ok", f"desks.{desk.full_name}")
        for finding in desk.kind.check(desk.settings):
            if finding.level == "warn":
                yield Finding("warn", f"desks.{desk.full_name}.{finding.what}", finding.advice)
    for problem in desks.problems:
        yield Finding("bad", problem.key, problem.advice)


def _folder_findings(settings: Settings) -> Iterator[Finding]:
    folder = settings.data_dir.absolute()
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        yield Finding("bad", "data_dir", f"{nearest} cannot be written to by this user")


async def _database_finding(settings: Settings) -> Finding:
    from gateway.store.database import storage_errors
    from gateway.store.migrate import current_revision, head_revision

    where = "embedded database" if settings.database.is_embedded else "database"
    if settings.database.is_embedded and not (settings.data_dir / "postgres").exists():
        return Finding("ok", f"{where}, made at the first start")
    try:
        async with open_database(settings) as dsn:
            with storage_errors():
                connection = await asyncpg.connect(dsn, timeout=settings.database.connect_timeout_s)
                try:
                    found = await current_revision(connection)
                finally:
                    await connection.close()
    except TertuliaError as error:
        return Finding("bad", where, str(error))
    except asyncpg.PostgresError as error:
        return Finding("bad", where, f"refuses us ({type(error).__name__})")
    except ValueError:
        return Finding("bad", "database.url", "is not an address like postgresql://user:password@host/name")
    if found == head_revision():
        return Finding("ok", f"{where}, revision {found}")
    state = f"is at revision {found}, this release wants {head_revision()}" if found else "has no tables yet"
    return Finding("warn", where, f"{state}; `tertulia migrate` or `run` brings it up to date")
