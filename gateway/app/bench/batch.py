"""``tertulia bench batch``: a great many texts classified from files, killed halfway, resumed, and held against online.

Texts are made from the bot's own examples with slips of the finger, the same ones each time; or a file is given.
"""

from __future__ import annotations

import asyncio
import csv
import hashlib
import itertools
import random
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from config.bot import load_bot
from config.settings import Settings, load_settings
from gateway.app.bench.processes import Child, ChildFailed, cost_of, tertulia, wait_until_gone
from gateway.app.model_place import models_url
from nlp.batch.job import Reading
from nlp.batch.manifest import Manifest
from nlp.batch.models import locate, open_model
from nlp.batch.partition import RECEIPTS, REJECTED
from nlp.batch.records import Row, read_rows
from nlp.batch.runner import available_cores
from nlp.batch.workspace import JOB, MANIFEST, SUCCESS, Begun
from nlp.intents import Model
from nlp.models.process import Order, train_in_process
from nlp.models.versions import ModelVersions, place_of
from nlp.training_data import load_training_data

GOAL_TEXTS_PER_S = 5_000.0
GOAL_MB = 1_000.0
SEED = 5

_SAMPLED_EVERY_S = 0.1
_PATIENCE_S = 3_600.0
_ORPHANS_PATIENCE_S = 30.0
_ALONE = 2_000
LARGEST_ONLINE_BATCH = 64
_LETTERS = "abcdefghijklmnopqrstuvwxyzáéíóúñ"

_Answer = tuple[str, bool]
"""A label, and whether the text is in scope."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class BatchReport(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds and rates are of the whole command, its start and the reading for checksums included.

    ``cpu_us_per_text`` is what all processes used together. ``peak_mb`` adds up the resident memory of all processes;
    what they share counts for each. ``compared`` texts were predicted again as online traffic is (in batches of 1 to
    64, ``compared_alone`` of them one by one).
    """

    texts: int
    workers: int
    texts_per_s: float
    seconds: float
    cpu_us_per_text: float
    peak_mb: float
    killed_at_share: float
    resumed_s: float
    kept_partitions: int
    partitions: int
    is_identical: bool
    compared: int
    compared_alone: int
    different: int
    model: str
    faults: list[str]


@app.command(epilog="Example: tertulia bench batch --texts 300000")
def batch(
    *,
    texts: Annotated[int, typer.Option(min=1_000, help="How many are made.")] = 300_000,
    data: Annotated[
        Path | None, typer.Option(help="A file to take instead, with a column 'text'.", exists=True, dir_okay=False)
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0: one for each core.")] = 0,
    partition_rows: Annotated[int, typer.Option(min=100, help="Rows of one part.")] = 20_000,
    output_format: Annotated[str, typer.Option("--format", help="parquet or csv.")] = "parquet",
    is_quick: Annotated[bool, typer.Option("--quick", help="With a model that is learnt in seconds.")] = False,
    as_data: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Classify many texts, kill it halfway, resume, and compare with what a customer's message would get."""
    folder = Path(tempfile.mkdtemp(prefix="tertulia-bench-batch-"))
    try:
        report = asyncio.run(
            measure(folder, texts, data, workers or available_cores(), partition_rows, output_format, is_quick=is_quick)
        )
    except ChildFailed as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if as_data:
        typer.echo(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        show(report, Console())
    if report.faults:
        raise typer.Exit(1)


async def measure(
    folder: Path,
    texts: int,
    data: Path | None,
    workers: int,
    partition_rows: int,
    output_format: str,
    *,
    is_quick: bool,
) -> BatchReport:
    """The whole measurement in *folder*. Raises ``ChildFailed``."""
    settings = load_settings(None, overrides={"data_dir": str(folder / "data")})
    source = data or folder / "texts.jsonl"
    if data is None:
        source.write_bytes(b"".join(made_lines(settings, texts)))
    runs = _Runs(folder, source, workers, partition_rows, output_format)
    place = place_of(load_bot(settings.bot.folder).name)
    folder_of_bot = str(settings.bot.folder.absolute())
    await train_in_process(
        Order(url=models_url(settings), bot_folder=folder_of_bot, place=place, by="bench", is_quick=is_quick)
    )
    whole = await runs.classify("whole")
    broken = await runs.classify_with_a_kill("broken")
    manifest = _manifest(folder / "whole")
    ref = locate(ModelVersions(models_url(settings)), place)
    compared, alone, different = compare(open_model(ref), folder / "whole")
    is_identical = checksums(folder / "whole") == checksums(folder / "broken")
    return BatchReport(
        texts=manifest.rows,
        workers=workers,
        texts_per_s=round(manifest.rows / whole.seconds, 1),
        seconds=round(whole.seconds, 1),
        cpu_us_per_text=round(whole.cpu_s / manifest.rows * 1e6, 1),
        peak_mb=round(max(whole.peak_mb, broken.peak_mb), 1),
        killed_at_share=round(broken.killed_at_share, 3),
        resumed_s=round(broken.seconds, 1),
        kept_partitions=broken.kept,
        partitions=manifest.this_run.partitions,
        is_identical=is_identical,
        compared=compared,
        compared_alone=alone,
        different=different,
        model=ref.version,
        faults=list(_faults(folder, manifest, different, broken, is_identical=is_identical)),
    )


class Ran(msgspec.Struct, frozen=True):
    """One run, or the second half of one that was killed when so much was done."""

    seconds: float
    peak_mb: float
    cpu_s: float
    killed_at_share: float = 0.0
    kept: int = 0


class _Runs:
    """Calls the command line as an operator would, and watches what it takes."""

    def __init__(self, folder: Path, source: Path, workers: int, partition_rows: int, output_format: str) -> None:
        self._folder = folder
        self._env = {"TERTULIA__DATA_DIR": str(folder / "data")}
        self._source = source
        self._options = (
            "--workers", str(workers), "--partition-rows", str(partition_rows), "--format", output_format, "--json",
        )  # fmt: skip

    async def call(self, *arguments: str) -> Ran:
        """Run a command to its end. Raises ``ChildFailed`` when it fails."""
        started, peak, cpu_s = time.perf_counter(), 0.0, 0.0
        async with self._child(arguments) as child:
            while child.is_running:
                cost = cost_of([child.pid])
                peak, cpu_s = max(peak, cost.rss_mb), max(cpu_s, cost.cpu_s)
                await child.ended(_SAMPLED_EVERY_S)
            if child.returncode:
                raise ChildFailed(f"`{' '.join(arguments)}` ended with {child.returncode}:\n{child.output()}")
        return Ran(time.perf_counter() - started, peak, cpu_s)

    async def classify(self, name: str, *more: str) -> Ran:
        return await self.call("classify", str(self._source), str(self._folder / name), *self._options, *more)

    async def classify_with_a_kill(self, name: str) -> Ran:
        """Kill it without warning when half of the partitions are done, wait until its processes are gone, resume."""
        target = self._folder / name
        arguments = ("classify", str(self._source), str(target), *self._options)
        async with self._child(arguments) as child:
            while _share_done(target) < 0.5 and not await child.ended(0.0):
                pass
            share = _share_done(target)
            family = children_of(child.pid)
            child.kill()
        for pid in family:
            await wait_until_gone(pid, _ORPHANS_PATIENCE_S)
        kept = len(list((target / RECEIPTS).glob("*.json")))
        resumed = await self.classify(name, "--resume")
        return Ran(resumed.seconds, resumed.peak_mb, resumed.cpu_s, share, kept)

    def _child(self, arguments: Sequence[str]) -> Child:
        return Child(arguments[0], tertulia(*arguments), log=self._folder / f"{arguments[0]}.log", env=self._env)


def _share_done(target: Path) -> float:
    """The share of partitions that have a receipt."""
    try:
        begun = msgspec.json.decode((target / JOB).read_bytes())
    except FileNotFoundError:
        return 0.0
    return len(list((target / RECEIPTS).glob("*.json"))) / max(1, len(begun["partitions"]))


def children_of(pid: int) -> list[int]:
    """The processes that *pid* started and that run now."""
    found = [path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    return [int(child) for children in found for child in children]


def checksums(target: Path) -> dict[str, str]:
    """The hashes of all parts and of the rows that were put aside, by their names."""
    files = sorted([*target.glob("part-*"), *(target / REJECTED).glob("*")])
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def _faults(folder: Path, manifest: Manifest, different: int, broken: Ran, *, is_identical: bool) -> Iterator[str]:
    if not (folder / "broken" / SUCCESS).exists():
        yield "the resumed run is not marked as complete"
    if manifest.rows != manifest.written + sum(manifest.rejected.values()):
        yield f"{manifest.rows} rows, but {manifest.written} written and {manifest.rejected} put aside"
    if not is_identical:
        yield "the run that was killed and resumed left other bytes than the one that was not"
    if not 0 < broken.kept < manifest.this_run.partitions:
        yield f"the kill came too late or too early to prove anything: {broken.kept} partitions were done"
    if different:
        yield f"{different} texts got another label than they get online"


def compare(model: Model, target: Path) -> tuple[int, int, int]:
    """Predict every text of the result as online: ``(texts, of them also alone, with another label or scope)``."""
    sizes = random.Random(SEED)  # noqa: S311  # no secret
    answers = _answers(target)
    different = compared = alone = 0
    while chunk := list(itertools.islice(answers, sizes.randint(1, LARGEST_ONLINE_BATCH))):
        said = [answer for _, answer in chunk]
        texts = [text for text, _ in chunk]
        compared += len(chunk)
        different += _count_different(said, _labels(model, texts))
        if alone < _ALONE:
            alone += len(chunk)
            different += _count_different(said, [_labels(model, [text])[0] for text in texts])
    return compared, alone, different


def _count_different(said: Sequence[_Answer], expected: Sequence[_Answer]) -> int:
    return sum(one != other for one, other in zip(said, expected, strict=True))


def _labels(model: Model, texts: Sequence[str]) -> list[_Answer]:
    return [(prediction.candidates[0].intent, prediction.is_in_scope) for prediction in model.predict(texts)]


def _answers(target: Path) -> Iterator[tuple[str, _Answer]]:
    """Each text of the input that was not put aside, with what the result says of it."""
    begun = msgspec.json.decode((target / JOB).read_bytes(), type=Begun)
    for partition in begun.partitions:
        rows = [row for row in read_rows(partition, Reading()) if isinstance(row, Row)]
        answers = _read_part(next(target.glob(f"{partition.id}.*")))
        for row, (number, label, is_in_scope) in zip(rows, answers, strict=True):
            if row.number != number:
                raise ChildFailed(f"{partition.id}: row {row.number} of the input is row {number} of the result")
            yield row.text, (label, is_in_scope)


def _read_part(path: Path) -> list[tuple[int, str, bool]]:
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            return [(int(row["row"]), row["intent"], row["intent_in_scope"] == "true") for row in csv.DictReader(file)]
    import pyarrow.parquet as pq

    table = pq.read_table(path, columns=["row", "intent", "intent_in_scope"])
    return list(zip(*(table[name].to_pylist() for name in table.column_names), strict=True))


def made_lines(settings: Settings, texts: int) -> Iterator[bytes]:
    """JSON lines with texts from the bot's examples: damaged, joined, with numbers, some empty. The same each time."""
    bot = load_bot(settings.bot.folder)
    examples = [example.text for example in load_training_data(bot.folder, bot.languages).examples]
    chance = random.Random(SEED)  # noqa: S311  # no secret
    for number in range(texts):
        yield msgspec.json.encode({"id": number, "text": _made(examples, chance)}) + b"\n"


def _made(examples: Sequence[str], chance: random.Random) -> str:
    kind = chance.random()
    if kind < 0.001:
        return " "
    text = chance.choice(examples)
    if kind < 0.2:
        text = f"{text}, {chance.choice(examples)}"
    if kind > 0.7:
        text = f"{text} {chance.randint(1, 10**9)}"
    return "".join(_slipped(letter, chance) for letter in text)


def _slipped(letter: str, chance: random.Random) -> str:
    kind = chance.random()
    if kind > 0.04:
        return letter
    if kind > 0.03:
        return ""
    return letter * 2 if kind > 0.02 else chance.choice(_LETTERS)


def _manifest(target: Path) -> Manifest:
    return msgspec.json.decode((target / MANIFEST).read_bytes(), type=Manifest)


def show(report: BatchReport, console: Console) -> None:
    """A table for people."""
    table = Table(title=f"{report.texts:,} texts on {report.workers} processes")
    for heading in ("", "measured", "goal"):
        table.add_column(heading, justify="left" if not heading else "right")
    rows = {
        "texts a second": (f"{report.texts_per_s:,.0f}", f"{GOAL_TEXTS_PER_S:,.0f}"),
        "processor time a text": (f"{report.cpu_us_per_text:,.0f} µs", ""),
        "memory of all processes, peak": (f"{report.peak_mb:,.0f} MB", f"{GOAL_MB:,.0f} MB"),
        "killed when so much was done": (f"{report.killed_at_share:.0%}", ""),
        "resumed and finished in": (f"{report.resumed_s:.1f} s (whole: {report.seconds:.1f} s)", ""),
        "same bytes as without a kill": ("yes" if report.is_identical else "no", "yes"),
        "labels that differ from online": (f"{report.different} of {report.compared:,}", "0"),
    }
    for name, (measured, goal) in rows.items():
        table.add_row(name, measured, goal)
    console.print(table)
    console.print(f"Of those, {report.compared_alone:,} texts were also predicted one by one. Model {report.model}.")
    for fault in report.faults:
        console.print(f"[bold red]wrong:[/] {fault}")


def main(arguments: Sequence[str]) -> int:
    """Run the command with *arguments*; returns the exit code (1: something did not hold)."""
    try:
        app(list(arguments), prog_name="tertulia bench batch")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    return 0
