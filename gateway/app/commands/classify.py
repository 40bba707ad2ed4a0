"""``tertulia classify``: many texts at once, from files to files, understood as a customer's message is."""

from __future__ import annotations

import asyncio
import codecs
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec
import typer
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from config.settings import Settings
from gateway.app.commands.terminal import complaints, err, out, print_json, settings_or_exit
from gateway.core.errors import Misconfigured, Unavailable

if TYPE_CHECKING:
    from config.bot_model import Bot
    from nlp.batch.job import Job, Partition, Understanding
    from nlp.batch.manifest import Manifest
    from nlp.batch.plan import Plan
    from nlp.batch.run import Watch
    from nlp.models.versions import ModelPlace, ModelVersions

ALL_KINDS = "all"
"""For ``--extract``: whatever can be found."""

_SHOWN_LABELS = 12


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What stands on the command line."""

    source: str
    target: str
    tasks: tuple[str, ...]
    extract: tuple[str, ...] = ()
    text_column: str = "text"
    id_columns: tuple[str, ...] = ()
    encoding: str = "utf-8"
    output_format: Literal["csv", "parquet"] = "parquet"
    model: str = ""
    workers: int = 0
    language: str = ""
    at: datetime | None = None
    partition_rows: int = 20_000
    mode: Literal["new", "resume", "overwrite"] = "new"


def asked_for(
    source: str, target: str, tasks: Sequence[str], *, extract: str, text_column: str, id_columns: Sequence[str],
    output_format: str, encoding: str, model: str, language: str, at: datetime | None, workers: int,
    partition_rows: int, is_resumed: bool, is_overwritten: bool,
) -> Asked:  # fmt: skip
    """What the options mean together. Ends the command when they contradict one another."""
    with complaints():
        if is_resumed and is_overwritten:
            raise Misconfigured("--resume", "goes on where --overwrite begins anew: choose one")
        if output_format not in ("csv", "parquet"):
            raise Misconfigured("--format", f"'{output_format}' is not known: parquet or csv")
    return Asked(
        source=source,
        target=target,
        tasks=tuple(dict.fromkeys(tasks)) or ("intent",),
        extract=tuple(dict.fromkeys(kind for each in extract.split(",") if (kind := each.strip()))),
        text_column=text_column,
        id_columns=tuple(dict.fromkeys(id_columns)),
        encoding=encoding,
        output_format="csv" if output_format == "csv" else "parquet",
        model=model,
        workers=workers,
        language=language,
        at=at,
        partition_rows=partition_rows,
        mode="resume" if is_resumed else "overwrite" if is_overwritten else "new",
    )


def run_classify(config: Path | None, asked: Asked, *, as_json: bool) -> None:
    """Classify, and print the manifest's essence. Exit code 130 or 143 when it was told to stop."""
    settings = settings_or_exit(config)
    with complaints(), _stoppable(asked.target):
        from nlp.batch.places import find_sources
        from nlp.batch.run import run_job
        from nlp.batch.runner import available_cores

        found = find_sources(asked.source)
        _refuse_own_output(asked)
        job = make_job(settings, asked)
        with _progress() as progress:
            watch = _Shown(progress).watch()
            manifest = run_job(job, found, asked.mode, asked.workers or available_cores(), watch)
    if as_json:
        print_json(manifest)
    else:
        _show(manifest, asked.target)


@contextmanager
def _stoppable(target: str) -> Iterator[None]:
    """SIGINT and SIGTERM end what runs in order, with a word on how to go on."""
    stops: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: _stop(number, stops))
    # A shell that starts something in the background has SIGINT ignored, and what is ignored stops nothing.
    interrupt = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        err().print(f"[warn]stopped[/]: what is finished stays in {escape(target)}; --resume goes on from there")
        raise typer.Exit(128 + (stops[0] if stops else signal.SIGINT)) from None
    finally:
        signal.signal(signal.SIGTERM, before)
        signal.signal(signal.SIGINT, interrupt)


def _stop(number: int, stops: list[int]) -> None:
    """End as Ctrl-C would, and remember that it was another signal."""
    stops.append(number)
    signal.raise_signal(signal.SIGINT)


def make_job(settings: Settings, asked: Asked) -> Job:
    """The job that was asked for, with the bot and the models of the settings. Raises ``Misconfigured``.

    A task that has no model yet is learnt first, in a process of its own.
    """
    from config.bot import load_bot
    from gateway.app.model_place import lend_encoder_key, models_url
    from nlp.batch.job import Job, Reading
    from nlp.batch.models import locate
    from nlp.batch.places import absolute
    from nlp.models.versions import ModelVersions, place_of

    lend_encoder_key(settings)
    bot = load_bot(settings.bot.folder)
    if asked.language and asked.language not in bot.languages:
        raise Misconfigured("--language", f"the bot speaks {', '.join(bot.languages)}, not '{asked.language}'")
    if asked.model and len(asked.tasks) > 1:
        raise Misconfigured("--model", "names a version of one task: ask for one task, or leave it out")
    places = [place_of(bot.name, task) for task in asked.tasks]
    live = {} if asked.model else _live_versions(settings, places)
    versions = ModelVersions(models_url(settings))
    understanding = _understanding(bot, asked)
    for place in places:
        if not asked.model and not versions.names(place):
            _train_first(settings, versions, place)
    return Job(
        output=absolute(asked.target),
        models=tuple(locate(versions, place, asked.model or live.get(place.task, "")) for place in places),
        understanding=understanding,
        reading=Reading(
            text_column=asked.text_column,
            id_columns=asked.id_columns,
            encoding=_known_encoding(asked.encoding),
        ),
        extract=_known_kinds(bot, understanding, asked.extract),
        output_format=asked.output_format,
        partition_rows=asked.partition_rows,
    )


def _understanding(bot: Bot, asked: Asked) -> Understanding:
    from nlp.batch.job import Understanding

    return Understanding(
        bot_folder=str(bot.folder.absolute()),
        bot_version=bot.version,
        languages=tuple(bot.languages),
        time_zone=bot.time_zone.key,
        country=bot.country,
        at=asked.at.replace(tzinfo=asked.at.tzinfo or bot.time_zone).isoformat() if asked.at else "",
        language=asked.language,
    )


def _known_kinds(bot: Bot, understanding: Understanding, kinds: Sequence[str]) -> tuple[str, ...]:
    """The kinds of entities that were asked for. Raises ``Misconfigured`` for one that nobody knows."""
    if not kinds:
        return ()
    from nlp.batch.classifier import known_kinds
    from nlp.training_data import load_training_data

    known = known_kinds(load_training_data(bot.folder, bot.languages), understanding)
    if tuple(kinds) == (ALL_KINDS,):
        return tuple(sorted(known))
    unknown = [kind for kind in kinds if kind not in known]
    if unknown:
        raise Misconfigured("--extract", f"'{unknown[0]}' is not known: {', '.join(sorted(known))}, or {ALL_KINDS}")
    return tuple(sorted(kinds))


def _live_versions(settings: Settings, places: Sequence[ModelPlace]) -> dict[str, str]:
    """Which version serves, by task; empty where none was made live, or where there is no database yet."""
    if settings.database.is_embedded and not (settings.data_dir / "postgres").is_dir():
        return {}
    from gateway.app.commands.session import database_session
    from gateway.store.models import ModelPointers

    async def ask() -> dict[str, str]:
        async with database_session(settings) as database:
            return {
                place.task: (await ModelPointers(database, place.bot, place.task).read()).version for place in places
            }

    try:
        return asyncio.run(ask())
    except Unavailable as error:
        raise Unavailable(f"{error}: it says which model serves; --model names one without asking") from error


def _train_first(settings: Settings, versions: ModelVersions, place: ModelPlace) -> None:
    """Learn and store the first version of a task, which is promoted nowhere. Raises ``Misconfigured``."""
    from gateway.app.model_place import encoder_to_train
    from nlp.models.process import Order, train_in_process

    folder, encoder = str(settings.bot.folder.absolute()), encoder_to_train(settings, place.task, "")
    order = Order(url=versions.url, bot_folder=folder, place=place, by="classify", encoder=encoder)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=err(), transient=True) as progress:
        shown = progress.add_task(f"there is no model of '{place.task}' yet: training")
        asyncio.run(train_in_process(order, lambda line: progress.update(shown, description=f"training: {line}")))


def _known_encoding(name: str) -> str:
    """The codec's own name. Only those in which a line ends where an ASCII line ends."""
    try:
        codec = codecs.lookup(name)
        is_line_wise = "\n,".encode(name) == b"\n,"
    except (LookupError, UnicodeError) as error:
        raise Misconfigured("--encoding", f"'{name}' is not known: utf-8, cp1252, latin-1 …") from error
    if not is_line_wise:
        raise Misconfigured("--encoding", f"{codec.name} cannot be read line by line: save the file as utf-8")
    return codec.name


def _refuse_own_output(asked: Asked) -> None:
    """What is written must not be among what is read."""
    from nlp.batch.places import absolute

    source, target = absolute(asked.source), absolute(asked.target)
    if target == source or target.startswith(f"{source}/"):
        raise Misconfigured("OUT", f"{asked.target} lies within {asked.source}: name a folder beside it")


class _Shown:
    """The progress bar: rows, rows a second of this run, time left."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("reading the input", total=None)

    def watch(self) -> Watch:
        from nlp.batch.run import Watch

        return Watch(planned=self._planned, hear=self._heard)

    def _planned(self, plan: Plan, finished_rows: int) -> None:
        kept = f", {finished_rows:,} rows were done" if finished_rows else ""
        files = len(plan.sources)
        description = f"{len(plan.partitions):,} parts of {files:,} file{'s' if files > 1 else ''}{kept}"
        self._progress.reset(self._task, total=plan.rows, completed=finished_rows, description=description)

    def _heard(self, _partition: Partition, rows: int) -> None:
        self._progress.advance(self._task, rows)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.finished_speed or task.speed or 0:,.0f}/s", style="accent")


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn(),
        console=err(), transient=True,
    )  # fmt: skip


def _show(manifest: Manifest, target: str) -> None:
    console = out()
    run = manifest.this_run
    console.print(
        f"[ok]✓[/] {manifest.written:,} texts in {escape(target)}, "
        f"{run.seconds:,.1f} s, {run.rows_per_s:,.0f} a second"
        + (f" ({run.kept:,} of {run.partitions:,} parts were done before)" if run.kept else "")
    )
    for reason, count in manifest.rejected.items():
        console.print(f"[warn]![/] {count:,} rows put aside in _rejected: {reason}")
    for task, summary in manifest.tasks.items():
        console.print(
            f"\n{escape(task)} by {summary.model}: mean confidence {summary.mean_confidence:.2f}, "
            f"{summary.out_of_scope_share:.1%} out of scope"
        )
        console.print(_labels(summary.label_shares))
    quality = manifest.quality
    console.print(
        f"\nrepeated {quality.duplicates.share:.1%}, empty {quality.empty_share:.1%}, "
        f"languages {_shares(quality.language_shares)}, "
        f"characters {quality.length_chars.get('p50', 0)} (half), {quality.length_chars['longest']} (longest)"
    )


def _labels(shares: Mapping[str, float]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    for label, share in list(shares.items())[:_SHOWN_LABELS]:
        table.add_row(f"  {escape(label)}", f"{share:.1%}")
    if len(shares) > _SHOWN_LABELS:
        table.add_row(f"  and {len(shares) - _SHOWN_LABELS} more", "")
    return table


def _shares(shares: Mapping[str, float]) -> str:
    ranked = sorted(shares.items(), key=lambda item: -item[1])
    return ", ".join(f"{name or 'unknown'} {share:.0%}" for name, share in ranked[:4])
