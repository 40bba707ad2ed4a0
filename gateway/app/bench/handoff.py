"""``tertulia bench handoff``: a thousand conversations handed to a Zendesk at once, in good times and in bad."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from gateway.app.bench.handoff_audit import LIMITS
from gateway.app.bench.handoff_measure import (
    LATENCY_GOAL_MS,
    Delay,
    HandoffOptions,
    HandoffReport,
    HandoffRun,
    measure_handoff,
)
from gateway.app.bench.processes import ChildFailed

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

QUICK = HandoffOptions(conversations=60, minute_s=2.0, kills=1, latency_s=5.0, patience_s=300.0)


@app.command(epilog="Example: tertulia bench handoff --quick")
def handoff(
    *,
    is_quick: Annotated[bool, typer.Option("--quick", help="60 conversations, about a minute in all.")] = False,
    conversations: Annotated[int, typer.Option(min=1, help="How many are handed over at once.")] = 1_000,
    words: Annotated[int, typer.Option(min=1, max=999, help="Messages that each customer then writes.")] = 3,
    answers: Annotated[int, typer.Option(min=0, max=900, help="Answers in each ticket before the last.")] = 2,
    minute_s: Annotated[float, typer.Option(min=0.5, help="How long Zendesk's minutes take, in seconds.")] = 6.0,
    kills: Annotated[int, typer.Option(min=0, help="How often the gateway is killed in the rough run.")] = 3,
    seconds: Annotated[float, typer.Option(min=0, help="Length of the latency run; 0: none.")] = 20.0,
    rate: Annotated[float, typer.Option(min=1, help="Agents' answers a second in the latency run.")] = 50.0,
    database_url: Annotated[str, typer.Option(help="A PostgreSQL to use; empty: one of its own.")] = "",
    as_data: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Hand over and give back: what is lost, doubled or out of order (nothing may be), and how long it takes."""
    options = HandoffOptions(
        conversations=conversations,
        words=words,
        answers=answers,
        minute_s=minute_s,
        kills=kills,
        latency_s=seconds,
        rate_per_s=rate,
        database_url=database_url,
    )
    if is_quick:
        options = msgspec.structs.replace(QUICK, database_url=database_url)
    progress = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="tertulia-bench-") as folder:
        try:
            report = asyncio.run(measure_handoff(options, Path(folder), progress.print))
        except ChildFailed as error:
            progress.print(str(error), markup=False)
            raise typer.Exit(1) from None
    if as_data:
        typer.echo(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        show(report, Console())
    if report.faults:
        raise typer.Exit(1)


def show(report: HandoffReport, console: Console) -> None:
    """A table for people, the latency, and whether the contract held."""
    if report.runs:
        console.print(_table(report))
        console.print("Delays: median / 95th percentile / longest.")
    if report.latency_answers:
        console.print(
            f"From an agent's webhook to the channel's call, {report.settings['rate_per_s']:g} a second: "
            f"p50 {report.latency_p50_ms:.0f} ms, p95 [bold]{report.latency_p95_ms:.0f} ms[/] "
            f"(goal: at most {LATENCY_GOAL_MS:g} ms), longest {report.latency_max_ms:.0f} ms, "
            f"{report.latency_answers:,} answers, {report.latency_cpu_ms:.0f} ms of the gateway's CPU for each"
        )
    for fault in report.faults:
        console.print(f"[bold red]the delivery contract was broken:[/] {fault}")
    if not report.faults:
        console.print(
            "Checked: one ticket for each handoff; every word once and in order, both ways; no limit of Zendesk's "
            "exceeded; every conversation back with the bot."
        )


def _table(report: HandoffReport) -> Table:
    table = Table(title=f"Handed over at once, Zendesk's minutes of {report.settings['minute_s']:g} s")
    for heading in ("", *(run.name for run in report.runs)):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, cells in _rows(report.runs):
        table.add_row(name, *cells)
    return table


def _rows(runs: Sequence[HandoffRun]) -> list[tuple[str, list[str]]]:
    return [
        ("conversations, tickets", [f"{run.tally.customers:,}, {run.tally.tickets:,}" for run in runs]),
        (
            "customers' messages: lost, doubled",
            [_lost(run.tally.words, run.tally.words_lost, run.tally.words_doubled) for run in runs],
        ),
        (
            "agents' answers: lost, doubled",
            [_lost(run.tally.answers, run.tally.answers_lost, run.tally.answers_doubled) for run in runs],
        ),
        ("… sent again, the call's fate unknown", [f"{run.tally.answers_explained:,}" for run in runs]),
        (
            "tickets, chats out of order",
            [f"{run.tally.tickets_out_of_order}, {run.tally.chats_out_of_order}" for run in runs],
        ),
        (
            "calls beyond a limit",
            [str(sum(n for kind, n in run.tally.violations.items() if kind in LIMITS)) for run in runs],
        ),
        ("gateway killed, calls answered 5xx", [f"{run.kills}, {run.failed_calls}" for run in runs]),
        (
            "webhooks taken, lost or refused",
            [
                f"{run.webhooks.get('taken', 0):,}, {sum(n for fate, n in run.webhooks.items() if fate != 'taken'):,}"
                for run in runs
            ],
        ),
        ("asked → ticket", [_delay(run.ticket) for run in runs]),
        ("customer's message → comment", [_delay(run.comment) for run in runs]),
        ("agent's answer → channel's call", [_delay(run.send) for run in runs]),
        ("took", [f"{run.took_s:,.0f} s = {run.minutes:,.0f} min" for run in runs]),
    ]


def _lost(count: int, lost: int, doubled: int) -> str:
    return f"{count:,}: {lost}, {doubled}"


def _delay(delay: Delay) -> str:
    return f"{delay.p50_s:.1f} / {delay.p95_s:.1f} / {delay.max_s:.1f} s"


def main(arguments: Sequence[str]) -> int:
    """Run the command with *arguments*; returns the exit code (1: it failed, or the contract was broken)."""
    try:
        app(list(arguments), prog_name="tertulia bench handoff")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    return 0
