"""What the bench says: one object for programs, one table for people."""

from __future__ import annotations

import msgspec
from rich.console import Console
from rich.table import Table


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """The highest rate that was kept up, and what a message cost at it. CPU in microseconds a message, by process."""

    per_s: float
    offered_per_s: float
    was_sustained: bool
    p50_ms: float
    p99_ms: float
    subject_us: float = 0.0
    database_us: float = 0.0
    loader_us: float = 0.0
    provider_us: float = 0.0


class Growth(msgspec.Struct, frozen=True):
    """Time a turn with so much stored; ``turn_us`` is a second over the turns that fit into it."""

    stored_messages: int
    conversation_length: int
    turn_us: float


class MemorySample(msgspec.Struct, frozen=True):
    turns: int
    rss_mb: float


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The whole result; the names of the first ten fields are a contract. Rates are medians over repetitions."""

    bare_per_s: float
    accept_per_s: float
    accept_ratio: float
    accept_p99_ms: float
    relay_per_s: float
    turn_per_s: float
    turn_ratio: float
    growth: list[Growth]
    memory: list[MemorySample]
    settings: dict[str, str | int | float | bool]
    rates: dict[str, list[Rate]]
    backlog: dict[str, float]
    faults: list[str]


def as_json(report: Report) -> str:
    """One object."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode()


def show(report: Report, console: Console) -> None:
    """The tables, what was raised, and whether the contract held."""
    console.print(_rates_table(report))
    console.print(
        f"durable accept / bare handler: [bold]{report.accept_ratio:.2f}[/]   "
        f"whole turn / relay: [bold]{report.turn_ratio:.2f}[/]   "
        f"p99 of accept with a backlog: [bold]{report.accept_p99_ms:.0f} ms[/]"
    )
    if report.growth:
        console.print(_growth_table(report.growth))
    if report.memory:
        console.print(_memory_table(report.memory))
    console.print("Settings: " + ", ".join(f"{key} = {value}" for key, value in report.settings.items()))
    for fault in report.faults:
        console.print(f"[bold red]the delivery contract was broken:[/] {fault}")
    if not report.faults:
        console.print("Checked: each message stored once, in exactly one turn; each reply sent once.")


def _rates_table(report: Report) -> Table:
    table = Table(title="Messages a second, and microseconds for each (CPU time, by process)")
    for heading in ("", "a second", "µs", "gateway", "PostgreSQL", "loader", "provider", "p50 ms", "p99 ms"):
        table.add_column(heading, justify="left" if not heading else "right")
    per_s = {
        "bare": report.bare_per_s,
        "accept": report.accept_per_s,
        "relay": report.relay_per_s,
        "turn": report.turn_per_s,
    }
    for name, measured in report.rates.items():
        middle = sorted(measured, key=lambda rate: rate.per_s)[len(measured) // 2]
        costs = (middle.subject_us, middle.database_us, middle.loader_us, middle.provider_us)
        table.add_row(
            f"{name}{'' if all(rate.was_sustained for rate in measured) else ' *'}",
            f"{per_s[name]:,.0f}",
            f"{1e6 / max(per_s[name], 1e-9):,.0f}",
            *(f"{cost:,.0f}" for cost in costs),
            f"{middle.p50_ms:.1f}",
            f"{middle.p99_ms:.1f}",
        )
    for name, microseconds in stages(report).items():
        table.add_row(name, "", f"{microseconds:,.0f}", *[""] * 6, style="dim")
    if any(not rate.was_sustained for measured in report.rates.values() for rate in measured):
        table.caption = "* in some repetition no offered rate was kept up to 97 %: the rate achieved stands instead"
    return table


def stages(report: Report) -> dict[str, float]:
    """Microseconds that each stage adds to a message, from the rates of the programs that do more and more."""
    bare, accept, turn = (1e6 / max(rate, 1e-9) for rate in (report.bare_per_s, report.accept_per_s, report.turn_per_s))
    return {
        "· web server, verify, parse": bare,
        "· receive: stored and committed": accept - bare,
        "· respond and deliver": turn - accept,
    }


def _growth_table(growth: list[Growth]) -> Table:
    table = Table(title="A turn with more and more stored")
    for heading in ("stored messages", "conversation's length", "µs a turn", "against the first"):
        table.add_column(heading, justify="right")
    for row in growth:
        ratio = row.turn_us / growth[0].turn_us
        table.add_row(
            f"{row.stored_messages:,}", f"{row.conversation_length:,}", f"{row.turn_us:,.0f}", f"{ratio - 1:+.0%}"
        )
    return table


def _memory_table(samples: list[MemorySample]) -> Table:
    table = Table(title="Memory of the gateway")
    table.add_column("turns", justify="right")
    table.add_column("resident MB", justify="right")
    for sample in samples:
        table.add_row(f"{sample.turns:,}", f"{sample.rss_mb:.1f}")
    return table
