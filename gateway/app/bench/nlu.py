"""``tertulia bench nlu``: how well texts are understood, on public sets or one's own, beside what others reach.

Each folder with ``train.jsonl`` and ``test.jsonl`` (``text`` and ``intent`` a line; ``oos`` is out of scope) is learnt
once and measured once; every choice is made by cross-validation inside the training texts.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import psutil
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from gateway.app.bench.nlu_figures import Drawn, intervals, scope_figures
from gateway.core.errors import Misconfigured
from nlp.intents import DEFAULTS, QUICK, FitOptions, Model
from nlp.intents.damage import damaged
from nlp.intents.model import Prediction, expected_calibration_error
from nlp.training_data import Example, TrainingData

OUT_OF_SCOPE = frozenset({"oos", "out_of_scope", "NO_NODES_DETECTED"})
BATCH = 64
DAMAGE_SEED = 1_000
_SINGLES = 500
_WARM = 50

# nlp.md of the project's first measurements, and what is published on the same files
_BASELINES: Mapping[str, tuple[tuple[str, str, str, str], ...]] = {
    "clinc150_small": (
        ("LinearSVC, highest score", "91.0", "94.7", "75.3"),
        ("Rasa 3.6 DIET, with out-of-scope examples", "85.7", "91.9", "59.7"),
        ("published: Rasa / MLP on USE / BERT", "88.9 / 91.5 / 96.4", "", ""),
    ),
    "fb_multilingual_es": (("LinearSVC", "98.5", "", ""),),
    "hint3_curekart_v1": (
        ("LinearSVC, highest score", "84.3", "82.9", ""),
        ("published: Rasa / Dialogflow / LUIS / BERT", "84.1 / 75.0 / 73.7 / 83.6", "", ""),
    ),
}

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class _Line(msgspec.Struct, frozen=True):
    text: str
    intent: str


class Measured(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One set. Percentages, save seconds, microseconds and megabytes; ``intervals`` hold 95 % of 1,000 resamples.

    ``kept`` and ``caught`` are at the model's own threshold; ``acc_damaged`` with 8 % of the letters damaged;
    ``us_one`` for a text alone, ``us_batch`` in batches of 64; ``memory_mb`` of a process that only serves.
    """

    acc: float
    auroc: float | None = None
    r95: float | None = None
    macro_f1: float
    ece: float
    acc_damaged: float
    kept: float
    caught: float | None = None
    fit_s: float
    fit_cpu_s: float
    us_one: float
    us_batch: float
    memory_mb: float
    model: str
    damaged_copies: int
    train_texts: int
    test_texts: int
    intents: int
    intervals: dict[str, tuple[float, float]]
    variants: dict[str, Measured] = {}


class _Served(msgspec.Struct, frozen=True):
    us_one: float
    us_batch: float
    memory_mb: float


@app.command(epilog="Example: tertulia bench nlu --data data --json")
def nlu(
    *,
    data: Annotated[Path, typer.Option(exists=True, file_okay=False, help="A folder of sets, or one set.")],
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Only the set of this name; may be repeated.")
    ] = None,
    extended: Annotated[
        bool, typer.Option("--extended", help="Also the linear model alone, and with the examples of val.jsonl's oos.")
    ] = False,
    encoder: Annotated[
        str, typer.Option(help="Sentence vectors beside the words: minilm, or folder:PATH of an ONNX model.")
    ] = "",
    as_data: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Train on each set and measure it: accuracy, out of scope, damaged letters, calibration, speed, memory."""
    console = Console(stderr=True)
    measured: dict[str, Measured] = {}
    for folder in _sets(data, only or [], console):
        report = _reporter(console, folder.name)
        try:
            measured[folder.name] = measure(folder, report=report, is_extended=extended, encoder=encoder)
        except Misconfigured as error:
            console.print(f"{folder.name}: {error}")
            raise typer.Exit(1) from error
        if not as_data:
            _show(Console(), folder.name, measured[folder.name])
    if as_data:
        typer.echo(msgspec.json.format(msgspec.json.encode(measured), indent=2).decode())
    if not measured:
        console.print(f"no set in {data}: a set is a folder with train.jsonl and test.jsonl")
        raise typer.Exit(1)


def measure(
    folder: Path,
    *,
    report: Callable[[str], None] = lambda _line: None,
    is_extended: bool = False,
    encoder: str = "",
) -> Measured:
    """Train on the one file, test on the other. With *is_extended* also variants, by name. Raises ``Misconfigured``."""
    options, quick = (msgspec.structs.replace(each, encoder=encoder) for each in (DEFAULTS, QUICK))
    training, test = _read(folder / "train.jsonl"), _read(folder / "test.jsonl")
    measured = _measure(training, test, options, (), report)
    if not is_extended:
        return measured
    variants = {"quick": _measure(training, test, quick, (), report)}
    validation = _read(folder / "val.jsonl") if (folder / "val.jsonl").exists() else []
    if given := [line for line in validation if line.intent in OUT_OF_SCOPE]:
        variants["with out-of-scope examples"] = _measure(training, test, options, given, report)
    return msgspec.structs.replace(measured, variants=variants)


def _measure(
    training: Sequence[_Line],
    test: Sequence[_Line],
    options: FitOptions,
    given: Sequence[_Line],
    report: Callable[[str], None],
) -> Measured:
    from nlp.intents.storage import pack
    from nlp.intents.training import fit

    examples = tuple(Example(line.text, line.intent) for line in training if line.intent not in OUT_OF_SCOPE)
    outside = tuple(Example(line.text, "out_of_scope") for line in given)
    started, worked = time.perf_counter(), time.process_time()
    info, weights = fit(TrainingData(examples, outside=outside), datetime.now(UTC), report, options)
    fit_s, fit_cpu_s = time.perf_counter() - started, time.process_time() - worked
    model = Model(info, weights)
    inside = [line for line in test if line.intent not in OUT_OF_SCOPE]
    others = [line for line in test if line.intent in OUT_OF_SCOPE]
    known, unknown = (_predict(model, [line.text for line in part]) for part in (inside, others))
    spoilt = _predict(model, damaged([line.text for line in inside], DAMAGE_SEED))
    report("serving")
    served = _served(pack(info, weights), [line.text for line in test])
    return _measured(
        _drawn(known, inside, unknown, info.calibration.threshold),
        acc_damaged=_percent(float(_is_right(spoilt, inside).mean())),
        ece=_percent(expected_calibration_error(_confidence(known), _is_right(known, inside))),
        fit_s=round(fit_s, 1),
        fit_cpu_s=round(fit_cpu_s, 1),
        served=served,
        model=str(info.settings["kind"]),
        damaged_copies=int(info.settings["damaged_copies"]),
        sizes=(len(examples), len(test), len(info.intents)),
    )


def _measured(
    drawn: Drawn,
    *,
    acc_damaged: float,
    ece: float,
    fit_s: float,
    fit_cpu_s: float,
    served: _Served,
    model: str,
    damaged_copies: int,
    sizes: tuple[int, int, int],
) -> Measured:
    found = scope_figures(drawn)
    return Measured(
        acc=_percent(found.acc),
        macro_f1=_percent(found.macro_f1),
        kept=_percent(found.kept),
        auroc=None if found.auroc is None else _percent(found.auroc),
        r95=None if found.r95 is None else _percent(found.r95),
        caught=None if found.caught is None else _percent(found.caught),
        acc_damaged=acc_damaged,
        ece=ece,
        fit_s=fit_s,
        fit_cpu_s=fit_cpu_s,
        us_one=served.us_one,
        us_batch=served.us_batch,
        memory_mb=served.memory_mb,
        model=model,
        damaged_copies=damaged_copies,
        train_texts=sizes[0],
        test_texts=sizes[1],
        intents=sizes[2],
        intervals={name: (_percent(low), _percent(high)) for name, (low, high) in intervals(drawn).items()},
    )


def _drawn(
    known: Sequence[Prediction], inside: Sequence[_Line], unknown: Sequence[Prediction], threshold: float
) -> Drawn:
    meant = [line.intent for line in inside]
    said = [each.candidates[0].intent for each in known]
    names = {name: index for index, name in enumerate(sorted({*meant, *said}))}
    return Drawn(
        np.array([names[name] for name in meant]),
        np.array([names[name] for name in said]),
        np.array([each.score for each in known]),
        np.array([each.score for each in unknown]),
        threshold,
    )


def _is_right(predictions: Sequence[Prediction], lines: Sequence[_Line]) -> NDArray[np.bool_]:
    return np.array([p.candidates[0].intent == line.intent for p, line in zip(predictions, lines, strict=True)])


def _confidence(predictions: Sequence[Prediction]) -> NDArray[np.float32]:
    return np.array([each.candidates[0].confidence for each in predictions], dtype=np.float32)


def _predict(model: Model, texts: Sequence[str]) -> list[Prediction]:
    found: list[Prediction] = []
    for start in range(0, len(texts), BATCH):
        found += model.predict(texts[start : start + BATCH])
    return found


def _served(files: Mapping[str, bytes], texts: Sequence[str]) -> _Served:
    """What a fresh process needs that loads the model and predicts *texts*, one by one and in batches."""
    with tempfile.TemporaryDirectory() as place:
        for name, content in files.items():
            (Path(place) / name).write_bytes(content)
        spawn = multiprocessing.get_context("spawn")
        with spawn.Pool(1) as pool:
            return pool.apply(_serve, (place, sorted(files), list(texts)))


def _serve(place: str, names: Sequence[str], texts: list[str]) -> _Served:
    """Medians of processor time, so that a busy machine does not show."""
    from nlp.intents.storage import unpack

    model = unpack({name: (Path(place) / name).read_bytes() for name in names})
    _predict(model, texts[:_WARM])
    alone = [_cost(model, [text]) for text in texts[_WARM : _WARM + _SINGLES] or texts]
    together = [
        _cost(model, texts[start : start + BATCH]) / len(texts[start : start + BATCH])
        for start in range(0, len(texts), BATCH)
    ]
    resident = psutil.Process().memory_info().rss  # not ru_maxrss: a new process starts with its parent's
    return _Served(
        round(float(np.median(alone)), 1), round(float(np.median(together)), 1), round(resident / 1_000_000, 1)
    )


def _cost(model: Model, texts: Sequence[str]) -> float:
    started = time.process_time_ns()
    model.predict(texts)
    return (time.process_time_ns() - started) / 1_000


def _sets(data: Path, only: Sequence[str], console: Console) -> list[Path]:
    """The folders that are sets; others are named, so that nothing is left out silently."""
    if _is_set(data):
        return [data]
    found: list[Path] = []
    for folder in sorted(path for path in data.iterdir() if path.is_dir()):
        if only and folder.name not in only:
            continue
        if _is_set(folder):
            found.append(folder)
        else:
            console.print(f"{folder.name}: skipped, it has no train.jsonl and test.jsonl")
    return found


def _is_set(folder: Path) -> bool:
    return (folder / "train.jsonl").is_file() and (folder / "test.jsonl").is_file()


def _read(path: Path) -> list[_Line]:
    lines: list[_Line] = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        if not line.strip():
            continue
        try:
            lines.append(msgspec.json.decode(line, type=_Line))
        except msgspec.MsgspecError as error:
            sys.stderr.write(f"{path}:{number}: {error}; a line is an object with text and intent\n")
            raise typer.Exit(1) from error
    return lines


def _reporter(console: Console, name: str) -> Callable[[str], None]:
    return lambda line: console.print(f"[dim]{name}: {line}[/]", highlight=False)


def _show(console: Console, name: str, measured: Measured) -> None:
    table = Table(
        title=f"{name}: {measured.train_texts} texts, {measured.intents} intents; {measured.test_texts} tests"
    )
    columns = (
        "acc",
        "AUROC",
        "R@95",
        "macro F1",
        "ECE",
        "damaged",
        "kept",
        "caught",
        "fit s",
        "µs one",
        "µs batch",
        "MB",
    )
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right")
    for label, each in [(measured.model, measured), *measured.variants.items()]:
        scope = [each.acc, each.auroc, each.r95, each.macro_f1, each.ece, each.acc_damaged, each.kept, each.caught]
        costs = [each.fit_s, each.us_one, each.us_batch, each.memory_mb]
        table.add_row(label, *("" if value is None else f"{value:.1f}" for value in [*scope, *costs]))
    spans = measured.intervals
    shown = [
        " to ".join(f"{value:.1f}" for value in spans[key]) if key in spans else "" for key in ("acc", "auroc", "r95")
    ]
    table.add_row("  95 % interval", *shown, style="dim")
    for label, *figures in _BASELINES.get(name, ()):
        table.add_row(label, *figures, style="dim")
    console.print(table)


def _percent(share: float) -> float:
    return round(share * 100, 2)


def main(arguments: Sequence[str]) -> int:
    """Run the command with *arguments*; returns the exit code."""
    try:
        app(list(arguments), prog_name="tertulia bench nlu")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    return 0
