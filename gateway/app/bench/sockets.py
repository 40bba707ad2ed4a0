"""``tertulia bench sockets``: the options, and where the result goes."""

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
from gateway.app.bench.socket_measure import (
    GOAL_IDLE_KB,
    GOAL_P99_MS,
    SocketOptions,
    SocketReport,
    run_socket_bench,
)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(epilog="Example: tertulia bench sockets --sockets 1000 --seconds 10")
def sockets(
    *,
    count: Annotated[int, typer.Option("--sockets", min=1, help="Web chats that are open at once.")] = 5_000,
    rate_per_s: Annotated[float, typer.Option("--rate", min=1, help="Messages a second, spread over them.")] = 200.0,
    seconds: Annotated[float, typer.Option(min=1, help="How long they talk.")] = 30.0,
    database_url: Annotated[str, typer.Option(help="A PostgreSQL to use; empty: one of its own.")] = "",
    as_data: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Open web chats on one process: time to the reply on the socket, memory for an idle one."""
    options = SocketOptions(sockets=count, rate_per_s=rate_per_s, seconds=seconds, database_url=database_url)
    progress = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="tertulia-bench-") as folder:
        try:
            report = asyncio.run(run_socket_bench(options, Path(folder), progress.print))
        except ChildFailed as error:
            progress.print(str(error), markup=False)
            raise typer.Exit(1) from None
    if as_data:
        typer.echo(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        show(report, Console())
    if report.faults:
        raise typer.Exit(1)


def show(report: SocketReport, console: Console) -> None:
    """A table for people, and whether the contract held."""
    table = Table(title=f"{report.sockets:,} open web chats on one process, {report.rate_per_s:,.0f} messages a second")
    for heading in ("", "measured", "goal"):
        table.add_column(heading, justify="left" if not heading else "right")
    rows = (
        ("message to reply on the socket, p50", f"{report.reply_p50_ms:.1f} ms", ""),
        ("message to reply on the socket, p99", f"{report.reply_p99_ms:.1f} ms", f"{GOAL_P99_MS:.0f} ms"),
        ("message to reply on the socket, longest", f"{report.reply_max_ms:.1f} ms", ""),
        ("message to “accepted” (it is stored), p99", f"{report.accepted_p99_ms:.1f} ms", ""),
        ("memory of one idle socket", f"{report.idle_kb:.1f} KB", f"{GOAL_IDLE_KB:.0f} KB"),
        ("processor for all idle sockets", f"{report.idle_cpu:.1%} of a core", ""),
        ("sockets opened a second", f"{report.open_per_s:,.0f}", ""),
        ("processor time a message, gateway", f"{report.gateway_us:,.0f} µs", ""),
        ("processor time a message, PostgreSQL", f"{report.database_us:,.0f} µs", ""),
    )
    for row in rows:
        table.add_row(*row)
    console.print(table)
    memory = ", ".join(f"{when} {megabytes:.1f} MB" for when, megabytes in report.rss_mb.items())
    console.print(f"Resident memory of the gateway: {memory}")
    console.print("Settings: " + ", ".join(f"{key} = {value}" for key, value in report.settings.items()))
    for fault in report.faults:
        console.print(f"[bold red]the delivery contract was broken:[/] {fault}")
    if not report.faults:
        console.print("Checked: each message stored once, in one turn; each reply on its socket, in order.")


def main(arguments: Sequence[str]) -> int:
    """Run the command with *arguments*; returns the exit code (1: it failed, or the delivery contract was broken)."""
    try:
        app(list(arguments), prog_name="tertulia bench sockets")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    return 0
