"""``tertulia bench swap``: the model changed again and again under load, and one trained beside serving."""

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

from gateway.app.bench.processes import ChildFailed
from gateway.app.bench.swap_measure import ACCEPT_GOAL_MS, RATIO_GOAL, Run, SwapOptions, SwapReport, measure_swaps

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(epilog="Example: tertulia bench swap --quick")
def swap(
    *,
    is_quick: Annotated[bool, typer.Option("--quick", help="About a minute in all.")] = False,
    seconds: Annotated[float, typer.Option(min=2, help="Length of one run.")] = 20.0,
    rate: Annotated[float, typer.Option(min=1, help="Messages a second.")] = 200.0,
    swaps: Annotated[int, typer.Option(min=1, help="Changes of model in one run.")] = 50,
    repetitions: Annotated[int, typer.Option(min=1, help="Runs of each; medians are reported.")] = 2,
    database_url: Annotated[str, typer.Option(help="A PostgreSQL to use; empty: one of its own.")] = "",
    as_data: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Change the model under load, and train one beside: no error, and what it costs those who are answered."""
    options = SwapOptions(
        seconds=min(seconds, 5.0) if is_quick else seconds,
        rate_per_s=rate,
        swaps=min(swaps, 15) if is_quick else swaps,
        repetitions=1 if is_quick else repetitions,
        is_short=is_quick,
        database_url=database_url,
    )
    progress = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="tertulia-bench-") as folder:
        try:
            report = asyncio.run(measure_swaps(options, Path(folder), progress.print))
        except ChildFailed as error:
            progress.print(str(error), markup=False)
            raise typer.Exit(1) from None
    if as_data:
        typer.echo(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        show(report, Console())
    if report.faults:
        raise typer.Exit(1)


def show(report: SwapReport, console: Console) -> None:
    """A table for people, the two figures that were promised, and whether anything went wrong."""
    table = Table(title=f"Turns at {report.settings['rate_per_s']:g} a second (milliseconds from due to answered)")
    for heading in ("", "turns", "wrong", "p50", "p99", "longest", "p99 of accept"):
        table.add_column(heading, justify="left" if not heading else "right")
    rows: list[tuple[str, Run]] = [("training beside", report.training)]
    for alone, swapping in zip(report.alone, report.swapping, strict=True):
        rows += [("left alone", alone), (f"{report.settings['swaps']} changes", swapping)]
    for name, run in rows:
        table.add_row(
            name,
            f"{run.turns:,}",
            str(run.wrong),
            f"{run.turn_p50_ms:.1f}",
            f"{run.turn_p99_ms:.1f}",
            f"{run.turn_max_ms:.1f}",
            f"{run.accept_p99_ms:.1f}",
        )
    console.print(table)
    console.print(
        f"p99 of a turn with changes / without: [bold]{report.ratio:.2f}[/] (goal: at most {RATIO_GOAL:g})   "
        f"p99 of accept while a model is trained: [bold]{report.accept_p99_training_ms:.0f} ms[/]"
        f" (goal: under {ACCEPT_GOAL_MS:g} ms)"
    )
    served = ", ".join(f"{version} {turns:,}" for version, turns in report.served.items())
    console.print(f"{report.swaps} changes, {report.load_ms:.0f} ms each beside serving; turns by model: {served}")
    for fault in report.faults:
        console.print(f"[bold red]wrong:[/] {fault}")
    if not report.faults:
        console.print("Checked: every message accepted, in exactly one turn, answered once by a model.")


def main(arguments: Sequence[str]) -> int:
    """Run the command with *arguments*; returns the exit code (1: it failed, or something went wrong)."""
    try:
        app(list(arguments), prog_name="tertulia bench swap")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    return 0
