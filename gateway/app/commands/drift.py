"""``tertulia evaluate --drift``: this week beside the weeks before it."""

from __future__ import annotations

from pathlib import Path

import msgspec
from rich.table import Table
from rich.text import Text

from config.settings import Settings
from gateway.app.commands.session import with_database
from gateway.app.commands.terminal import out, print_json
from gateway.app.learning import look
from gateway.core.clock import SystemClock
from gateway.store.database import Database
from nlp.learning.drift import Measure, Period, Reading, Shift

SHIFTS_SHOWN = 8

NAMES = {
    "stability": ("share of intents", "stability index; below 0.1 calm"),
    "out_of_scope": ("out of scope", "share of texts"),
    "confidence": ("confidence", "mean, in scope"),
    "unseen_words": ("new words", "share of words that no example has"),
}


def run_drift(config: Path | None, *, as_json: bool) -> None:
    """Read now, and tell; nothing is kept, no event is raised."""

    async def work(settings: Settings, database: Database) -> tuple[Settings, Reading]:
        async with database.lane().transaction() as connection:
            return settings, await look(connection, settings.learning, SystemClock())

    settings, reading = with_database(config, work)
    if as_json:
        print_json({**msgspec.structs.asdict(reading), "drifted": reading.drifted})
        return
    _show(reading, settings)


def _show(reading: Reading, settings: Settings) -> None:
    console = out()
    console.print()
    console.print(_sentence(reading, settings.learning.drift_fewest_turns))
    console.print(f"[soft]{_period(reading.before)}  beside  {_period(reading.now)}[/]")
    console.print()
    table = _table("measure", "before", "now", "change", "limit", "")
    for measure in reading.measures:
        table.add_row(*_row(measure))
    console.print(table)
    moved = [shift for shift in reading.shifts if shift.weight > 0.001][:SHIFTS_SHOWN]
    if moved:
        console.print()
        console.print("[accent]What moved[/]")
        table = _table("intent", "before", "now", "part of the index")
        for shift in moved:
            table.add_row(*_moved(shift))
        console.print(table)
    console.print()


def _sentence(reading: Reading, fewest: int) -> str:
    if not reading.enough:
        return f"Too few turns to say anything: it takes {fewest} on each side."
    if not reading.drifted:
        return "[ok]✓[/] Customers speak as they did."
    return f"[warn]![/] Customers' words have moved: {', '.join(NAMES[name][0] for name in reading.drifted)}."


def _period(period: Period) -> str:
    return f"{period.since} to {period.until}, {period.turns} turns"


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="soft")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 or not column else "right")
    return table


def _row(measure: Measure) -> tuple[Text, str, str, str, str, str]:
    name, what = NAMES[measure.name]
    label = Text.assemble(name, (f"  {what}", "soft"))
    if measure.before is None or measure.now is None:
        change, limit, before, now = f"{measure.change:.3f}", f"{measure.limit:.2f}", "", ""
    else:
        change, limit = f"{measure.now - measure.before:+.1%}", f"{measure.limit:.0%}"
        before, now = f"{measure.before:.1%}", f"{measure.now:.1%}"
    return label, before, now, change, limit, "[warn]over its limit[/]" if measure.is_over else ""


def _moved(shift: Shift) -> tuple[Text, str, str, str]:
    return Text(shift.intent), f"{shift.before:.1%}", f"{shift.now:.1%}", f"{shift.weight:.3f}"
