"""``tertulia bench rates``: a burst of 10,000 replies on an account of each kind that is found, in simulated time."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import structlog
import typer
from rich.console import Console
from rich.table import Table

from channels.discovery import discover
from channels.specimen import specimen_of
from gateway.app.bench.databases import Server, database, database_server
from gateway.app.bench.rates_measure import LEAST_USED, Load, RatesReport, measure_rates
from gateway.core.channel import Rates

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(epilog="Example: tertulia bench rates --only telegram --messages 2000")
def rates(
    *,
    messages: Annotated[int, typer.Option(min=100, help="Replies that wait at once.")] = 10_000,
    refusals: Annotated[int, typer.Option(min=0, help="How many calls are refused for 3 s, by surprise.")] = 10,
    only: Annotated[str, typer.Option(help="The accounts of this channel alone.")] = "",
    database_url: Annotated[str, typer.Option(help="A PostgreSQL to use; empty: one of its own.")] = "",
    as_data: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Drain a burst at every rate that a channel documents: kept exactly, used up, and shared fairly."""
    load = Load(people=messages * 9 // 100, each=10, burst=messages - messages * 9 // 100 * 10, refusals=refusals)
    progress = Console(stderr=True)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with tempfile.TemporaryDirectory(prefix="tertulia-bench-") as folder:
        reports = asyncio.run(_measure_all(Path(folder), database_url, only, load, progress))
    if as_data:
        typer.echo(msgspec.json.format(msgspec.json.encode(reports), indent=2).decode())
    else:
        show(reports, Console())
    if any(report.faults for report in reports):
        raise typer.Exit(1)


def documented_rates(only: str = "") -> dict[str, Rates]:
    """The rates of the accounts that channels give as examples, without settings of their own, by app."""
    found: dict[str, Rates] = {}
    for name, channel in discover().items():
        if only and name != only:
            continue
        settings = channel.settings.model_validate(dict(specimen_of(name).settings_values))
        for account in channel.accounts(settings):
            if account.rates.is_limited:
                found.setdefault(f"{name} ({account.app})", account.rates)
    return found


async def _measure_all(folder: Path, database_url: str, only: str, load: Load, progress: Console) -> list[RatesReport]:
    reports = []
    async with database_server(database_url, folder) as server:
        for name, kind in documented_rates(only).items():
            progress.print(f"{name}: {load.people * load.each + load.burst:,} replies …", markup=False)
            reports.append(await _measure(server, name, kind, load))
    return reports


async def _measure(server: Server, name: str, kind: Rates, load: Load) -> RatesReport:
    async with database(server, "rates") as dsn:
        return await measure_rates(dsn, name, kind, load)


def show(reports: Sequence[RatesReport], console: Console) -> None:
    """A table for people, and whether every rate was kept."""
    table = Table(title="A burst of replies, by the log of the provider (simulated time)")
    for heading in (
        "",
        "calls",
        "most in a span",
        "allowed",
        "too many to one",
        "of the rate",
        "ahead",
        "pauses",
        "took",
    ):
        table.add_column(heading, justify="left" if not heading else "right")
    for report in reports:
        table.add_row(
            report.name,
            f"{report.calls:,}",
            f"{report.most_calls} in {report.span_s:g} s" if report.most_allowed else "-",
            str(report.most_allowed or "-"),
            str(report.recipient_excess),
            f"{report.used:.1%}" if report.most_allowed else "-",
            str(report.spread),
            f"{report.paused_s:.0f} s",
            f"{report.simulated_s:,.0f} s",
        )
    console.print(table)
    console.print(f"Goals: no span holds more than allowed; at least {LEAST_USED:.0%} of the rate used; fair to all.")
    for report in reports:
        for fault in report.faults:
            console.print(f"[bold red]{report.name}:[/] {fault}")


def main(arguments: Sequence[str]) -> int:
    """Run the command with *arguments*; returns the exit code (1: a rate was broken, not used, or not shared)."""
    try:
        app(list(arguments), prog_name="tertulia bench rates")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    return 0
