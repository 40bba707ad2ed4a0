"""``tertulia bench pipeline``: the options, and where the result goes."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gateway.app.bench.measure import Options, quick, run_pipeline_bench
from gateway.app.bench.processes import ChildFailed
from gateway.app.bench.report import as_json, show

SOAK_TURNS = 200_000

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(epilog="Example: tertulia bench pipeline --quick")
def pipeline(
    *,
    is_quick: Annotated[bool, typer.Option("--quick", help="About a minute and a half in all.")] = False,
    seconds: Annotated[float, typer.Option(min=0.5, help="Length of one run.")] = 4.0,
    repetitions: Annotated[int, typer.Option(min=1, help="Runs of each; medians are reported.")] = 3,
    workers: Annotated[int, typer.Option(min=1, help="Processes of the gateway, and of each baseline.")] = 1,
    growth_rows: Annotated[int, typer.Option(min=0, help="Stored messages at most; 0 leaves growth out.")] = 2_000_000,
    soak: Annotated[bool, typer.Option("--soak", help="Also watch the memory over 200,000 turns.")] = False,
    database_url: Annotated[str, typer.Option(help="A PostgreSQL to use; empty: one of its own.")] = "",
    as_data: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Accept and whole turn, next to a bare handler and a bare relay: rates, latency, growth, memory."""
    options = Options(
        seconds=seconds,
        repetitions=repetitions,
        workers=workers,
        growth_rows=growth_rows,
        soak_turns=SOAK_TURNS if soak else 0,
        database_url=database_url,
    )
    chosen = quick(options) if is_quick else options
    progress = Console(stderr=True)
    progress.print("Telegram's rates are raised to unlimited for the gateway that is measured.")
    with tempfile.TemporaryDirectory(prefix="tertulia-bench-") as folder:
        try:
            report = asyncio.run(run_pipeline_bench(chosen, Path(folder), progress.print))
        except ChildFailed as error:
            progress.print(str(error), markup=False)
            raise typer.Exit(1) from None
    if as_data:
        typer.echo(as_json(report))
    else:
        show(report, Console())
    if report.faults:
        raise typer.Exit(1)


def main(arguments: Sequence[str]) -> int:
    """Run the command with *arguments*; returns the exit code (1: it failed, or the delivery contract was broken)."""
    try:
        app(list(arguments), prog_name="tertulia bench pipeline")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    return 0
