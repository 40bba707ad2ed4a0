"""``tertulia bench entities``: what finding entities costs, and that no string whatever harms it."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from time import process_time_ns
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from nlp.entities import Extractor
from nlp.training_data import TrainingData

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

MOST_MS = 250.0
"""The processor time that one text may cost, whatever is in it."""

REPEATS = 2_000
_AT = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
_ZONE = "America/Bogota"
_LANGUAGES = ("es", "en", "pt")
_MESSAGES: Mapping[str, tuple[str, str]] = {
    "a greeting": ("hola, buenas tardes", "es"),
    "nothing to find": ("no tengo señal en mi casa", "es"),
    "a day": ("quiero que empiece el lunes que viene", "es"),
    "numbers and a day": ("quiero 2 paquetes de 5 GB para el viernes", "es"),
    "numbers in words, a time": ("necesito veinte mil pesos mañana a las cinco", "es"),
    "a phone and a mail": ("mi línea es 300 555 0142 y mi correo ana@example.com", "es"),
    "a document and money": ("meu cpf é 529.982.247-25, paguei R$ 30,50", "pt"),
}
_PIECES = (
    "1", "1.", "1,", "a las ", "5/", "\x00", "\ud800", "\u202e", "\u200b", "mil ", "y ", "-", "@", "$", "é", "😀",
    "lunes ", "a", "aaaa", "calle ", "+57 ", "http://", "www.", "a.", "#", "5 de ", "de ", "mayo ", "media ", "dos ",
    "cinco mil ", "1/1/", "x@y.", "pedido ", "cpf ", "\uff41",
    "½", "٣", " ", "\n", "12:", "3005550142 ", "שלום ", "zonas ",
    "n\u0303", "ﷺ", "\U0001d7d8", "İ", "ß", "'", '"', "\\", "{", "%s",
)  # fmt: skip


class Cost(msgspec.Struct, frozen=True):
    """Microseconds of processor time for a message of a kind, and how many entities it has."""

    message: str
    us: float
    entities: int


class EntitiesReport(msgspec.Struct, frozen=True, kw_only=True):
    """``hostile`` texts were read, with ``slowest_ms`` of processor time for the worst and ``mean_us`` for one."""

    costs: list[Cost]
    hostile: int
    slowest_ms: float
    mean_us: float
    most_ms: float
    faults: list[str]


@app.command(epilog="Example: tertulia bench entities --json")
def entities(
    *,
    texts: Annotated[int, typer.Option(min=100, help="Hostile texts.")] = 100_000,
    seed: Annotated[int, typer.Option(help="What the hostile texts are made from.")] = 1,
    as_data: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Find entities in messages and in hostile texts: processor time, and that nothing fails."""
    report = measure(texts, seed)
    if as_data:
        typer.echo(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        show(report, Console())
    if report.faults:
        raise typer.Exit(1)


def measure(texts: int, seed: int) -> EntitiesReport:
    """Measure; a text that fails, costs too much or has an entity that is not in it is a fault."""
    extractor = Extractor(_taught(), _LANGUAGES, country="CO")
    costs = [_cost(extractor, name, *message) for name, message in _MESSAGES.items()]
    faults: list[str] = []
    slowest = total = 0
    for number, text in enumerate(hostile(texts, seed)):
        begun = process_time_ns()
        try:
            found = extractor.extract(text, _LANGUAGES[number % len(_LANGUAGES)], _AT, _ZONE)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what this looks for
            faults.append(f"{type(error).__name__} on {text[:40]!r}")
            continue
        spent = process_time_ns() - begun
        slowest, total = max(slowest, spent), total + spent
        if any(text[each.start : each.end] != each.text for each in found):
            faults.append(f"an entity is not where it says on {text[:40]!r}")
        if spent > MOST_MS * 1e6:
            faults.append(f"{spent / 1e6:.0f} ms on {text[:40]!r}")
    return EntitiesReport(
        costs=costs,
        hostile=texts,
        slowest_ms=round(slowest / 1e6, 1),
        mean_us=round(total / texts / 1e3, 1),
        most_ms=MOST_MS,
        faults=faults[:20],
    )


def hostile(count: int, seed: int) -> Iterator[str]:
    """Texts that nobody sends by chance: mixtures, endless repetitions, any code point, 100 kB."""
    chance = random.Random(seed)  # noqa: S311 - test texts
    for number in range(count):
        match number % 50:
            case 0:
                yield "".join(chr(chance.randrange(sys.maxunicode + 1)) for _ in range(chance.randrange(200)))
            case 1:
                yield "".join(chance.choices(_PIECES, k=2)) * chance.randrange(1, 1_000)
            case 2 if number % 5_000 == 2:
                yield chance.choice(_PIECES) * 50_000
            case _:
                yield "".join(chance.choices(_PIECES, k=chance.randrange(40)))


def show(report: EntitiesReport, console: Console) -> None:
    """The report for people."""
    table = Table("message", "entities", "us")
    for cost in report.costs:
        table.add_row(cost.message, str(cost.entities), f"{cost.us:.0f}")
    console.print(table)
    console.print(
        f"{report.hostile:,} hostile texts: {report.mean_us:.0f} us each, the slowest {report.slowest_ms:.0f} ms "
        f"(at most {report.most_ms:.0f})"
    )
    for fault in report.faults:
        console.print(f"[red]{fault}", markup=True, highlight=False)


def _taught() -> TrainingData:
    """Lists and patterns as an author may write them, one of them as bad as can be."""
    return TrainingData(
        (),
        lookups={"zone": ("Norte", "Centro histórico", "calle 5", "calle calle calle"), "pack": ("5 GB", "10 GB")},
        regexes={"member": (r"(?<!\d)9\d{5}",), "slow": (r"(a+a+)+b", r"(\d+)+x")},
    )


def _cost(extractor: Extractor, name: str, text: str, language: str) -> Cost:
    count = len(extractor.extract(text, language, _AT, _ZONE))
    spent: Sequence[int] = [_spent(extractor, text, language) for _ in range(5)]
    return Cost(name, round(min(spent) / (REPEATS / 5) / 1e3, 1), count)


def _spent(extractor: Extractor, text: str, language: str) -> int:
    begun = process_time_ns()
    for _ in range(REPEATS // 5):
        extractor.extract(text, language, _AT, _ZONE)
    return process_time_ns() - begun


def main(arguments: Sequence[str]) -> int:
    """Run the command with *arguments*; returns the exit code (1: a text did harm)."""
    try:
        app(list(arguments), prog_name="tertulia bench entities")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    return 0
