"""How the command line speaks: the look's colours, one line for each thing that is wrong, JSON where asked for."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import NoReturn

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.theme import Theme

from config.settings import BadSettings, Settings, load_settings
from gateway.core.errors import BadPayload, GiveUp, Misconfigured, NotSupported, TertuliaError

LOOK = Theme({
    "accent": "#E07A5F",
    "bot": "#3F9AA3",
    "bot.name": "bold #3F9AA3",
    "bot.button": "reverse #3F9AA3",
    "agent": "#7E9C66",
    "agent.name": "bold #7E9C66",
    "agent.button": "reverse #7E9C66",
    "soft": "#8C857A",
    "warn": "#C99A2E",
    "bad": "#D65A5A",
    "ok": "#7E9C66",
})  # fmt: skip

UNBROKEN = frozenset({"id", "message_id", "asked_at", "at", "received_at", "failed_at"})
"""Columns that are copied or compared: an id in two lines is of no use."""

EXIT_WRONG = 1
EXIT_SETTINGS = 2


class _Output(Console):
    """Standard output whose reader may leave (``| head``): that ends the command in order."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def out() -> Console:
    """Where results go."""
    return _Output(theme=LOOK, highlight=False)


def err() -> Console:
    """Where complaints go."""
    return Console(theme=LOOK, highlight=False, stderr=True, soft_wrap=True)


def settings_or_exit(config: Path | None, overrides: dict[str, object] | None = None) -> Settings:
    """The settings; when they are wrong, a line for each fault and exit code 2."""
    with complaints():
        return load_settings(config, overrides=overrides)


@contextmanager
def complaints() -> Iterator[None]:
    """Turn named errors into a clear line and an exit code. Anything else is a bug and keeps its traceback."""
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(EXIT_WRONG) from None
    except BadSettings as error:
        for problem in error.problems:
            err().print(f"[bad]✗[/] {_escape(str(problem))}")
        raise typer.Exit(EXIT_SETTINGS) from None
    except Misconfigured as error:
        complain(f"{error.key}: {error.detail}", EXIT_SETTINGS)
    except (BadPayload, GiveUp, NotSupported) as error:
        complain(str(error))
    except TertuliaError as error:
        complain(str(error) or type(error).__name__)


def complain(line: str, code: int = EXIT_WRONG) -> NoReturn:
    """One line, and the end."""
    err().print(f"[bad]✗[/] {_escape(line)}")
    raise typer.Exit(code)


def own_name() -> str:
    """How this program was called, to be shown in advice that can be pasted."""
    called = Path(sys.argv[0])
    if called.name != "tertulia" or not called.is_file():
        return "tertulia"
    here = Path.cwd()
    return str(called.relative_to(here)) if called.is_relative_to(here) else str(called)


def print_json(content: object) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(content, enc_hook=str), indent=2).decode() + "\n")


def print_rows(rows: Sequence[msgspec.Struct], columns: Sequence[str], *, empty: str, as_json: bool) -> None:
    """Rows as a table of these columns, or all of them as JSON."""
    if as_json:
        print_json(list(rows))
        return
    if not rows:
        out().print(f"[soft]{empty}[/]")
        return
    table = Table(box=None, pad_edge=False, header_style="soft")
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold", no_wrap=column in UNBROKEN)
    for row in rows:
        table.add_row(*(_cell(getattr(row, column)) for column in columns))
    out().print(table)


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value.astimezone():%Y-%m-%d %H:%M}"
    return _escape("" if value is None else str(value))


def shown(text: str, style: str = "") -> Text:
    """Somebody's words as they are; what would steer the terminal is a mark."""
    return Text("".join(c if c.isprintable() else "\ufffd" for c in text), style=style)


def figure(value: float) -> str:
    """A metric as it is read: counts whole, shares and seconds to three digits."""
    return f"{value:,.0f}" if value.is_integer() and value > 1 else f"{value:.3f}"


def _escape(text: str) -> str:
    return text.replace("[", r"\[")
