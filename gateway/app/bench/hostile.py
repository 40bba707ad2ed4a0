"""``tertulia bench hostile``: that no string whatever harms the predictions of a turn, and what the worst one costs."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from time import process_time_ns
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from config.bot import load_bot
from config.settings import SAMPLE_BOT
from gateway.app.bench.entities import MOST_MS, hostile
from nlp.intents import Prediction
from nlp.language import LanguageDetector
from nlp.models.process import Order, train
from nlp.models.serving import load
from nlp.models.versions import INTENT, SENTIMENT, ModelVersions, place_of
from nlp.training_data import load_training_data

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

MOST_FAULTS = 20


class HostileCost(msgspec.Struct, frozen=True):
    """Processor time of one reader of texts: the mean in microseconds, the slowest in milliseconds."""

    reader: str
    mean_us: float
    slowest_ms: float


class HostileReport(msgspec.Struct, frozen=True, kw_only=True):
    texts: int
    costs: list[HostileCost]
    most_ms: float
    faults: list[str]


Reader = Callable[[str], str]
"""Reads one text; what is wrong with its answer, or nothing."""


@app.command(epilog="Example: tertulia bench hostile --json")
def hostile_texts(
    *,
    texts: Annotated[int, typer.Option(min=100, help="Hostile texts.")] = 100_000,
    seed: Annotated[int, typer.Option(help="What they are made from.")] = 1,
    as_data: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Predict intent, sentiment and language of hostile texts, one by one: processor time, and that nothing fails."""
    with tempfile.TemporaryDirectory(prefix="tertulia-bench-") as folder:
        report = measure(_readers(Path(folder)), texts, seed)
    if as_data:
        typer.echo(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        show(report, Console())
    if report.faults:
        raise typer.Exit(1)


def measure(readers: dict[str, Reader], texts: int, seed: int) -> HostileReport:
    """Measure; a text that fails, costs more than ``MOST_MS`` or has no sound answer is a fault."""
    total, slowest = dict.fromkeys(readers, 0), dict.fromkeys(readers, 0)
    faults: list[str] = []
    for text in hostile(texts, seed):
        for name, read in readers.items():
            begun = process_time_ns()
            try:
                fault = read(text)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is what this looks for
                fault = type(error).__name__
            spent = process_time_ns() - begun
            total[name] += spent
            slowest[name] = max(slowest[name], spent)
            if spent > MOST_MS * 1e6:
                fault = fault or f"{spent / 1e6:.0f} ms"
            if fault:
                faults.append(f"{name}: {fault} on {text[:40]!r}")
    costs = [HostileCost(name, round(total[name] / texts / 1e3, 1), round(slowest[name] / 1e6, 1)) for name in readers]
    return HostileReport(texts=texts, costs=costs, most_ms=MOST_MS, faults=faults[:MOST_FAULTS])


def show(report: HostileReport, console: Console) -> None:
    """The report for people."""
    for cost in report.costs:
        console.print(
            f"{cost.reader}: {report.texts:,} hostile texts, {cost.mean_us:.0f} us each, the slowest"
            f" {cost.slowest_ms:.1f} ms (at most {report.most_ms:.0f})"
        )
    for fault in report.faults:
        console.print(f"[red]{fault}", markup=True, highlight=False)


def _readers(folder: Path) -> dict[str, Reader]:
    """The sample bot's, as a gateway has them after its first start."""
    bot = load_bot(SAMPLE_BOT)
    detector = LanguageDetector(bot.languages, load_training_data(SAMPLE_BOT, bot.languages).examples)

    def language(text: str) -> str:
        chosen = detector.choose(text, "", is_first=True)
        return "" if chosen in bot.languages else f"{chosen!r} is no language of the bot"

    return {
        INTENT: _predicting(folder, bot.name, INTENT),
        SENTIMENT: _predicting(folder, bot.name, SENTIMENT),
        "language": language,
    }


def _predicting(folder: Path, bot: str, task: str) -> Reader:
    place = place_of(bot, task)
    made = train(Order(url=str(folder), bot_folder=str(SAMPLE_BOT), place=place, by="bench", is_quick=True))
    loaded = load(ModelVersions(str(folder)), place, made.version)
    return lambda text: _fault(loaded.predict((text,)))


def _fault(predictions: Sequence[Prediction]) -> str:
    if len(predictions) != 1 or not predictions[0].candidates:
        return "no prediction"
    found = predictions[0]
    numbers = (found.score, *(each.confidence for each in found.candidates))
    if not all(map(math.isfinite, numbers)) or not all(0 <= each.confidence <= 1 for each in found.candidates):
        return f"confidences {numbers}"
    return ""


def main(arguments: Sequence[str]) -> int:
    """Run the command with *arguments*; returns the exit code (1: a text did harm)."""
    try:
        app(list(arguments), prog_name="tertulia bench hostile")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    return 0
