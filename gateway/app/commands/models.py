"""``tertulia models``: which versions there are, which is live and why, and how to change that."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from config.bot import load_bot
from config.settings import Settings
from gateway.app.commands.session import with_database
from gateway.app.commands.terminal import EXIT_WRONG, complaints, figure, out, print_json, print_rows
from gateway.app.model_start import open_registry
from gateway.core.errors import Misconfigured
from gateway.router.wakes import MODELS
from gateway.store.database import Database
from gateway.store.models import Promotion, ShadowReport
from gateway.store.redis import wake_once
from nlp.models.examples import fixed_tests
from nlp.models.gate import Comparison
from nlp.models.registry import LIVE, ModelRegistry, NotPromoted
from nlp.models.versions import Manifest, place_of, version_number

T = TypeVar("T")

COLUMNS = ("version", "state", "trained", "by", "accuracy", "labels", "texts", "seconds")


class Row(msgspec.Struct, frozen=True):
    """A version as it is listed. ``state``: live, shadow, was live, rolled back, or nothing."""

    version: str
    state: str
    trained: str
    by: str
    accuracy: float | None
    labels: int
    texts: int
    seconds: float | None
    fingerprint: str
    mb: float


class Shown(msgspec.Struct, frozen=True):
    """A version with everything that is known of it."""

    state: str
    manifest: Manifest
    promotions: tuple[Promotion, ...]


class Moved(msgspec.Struct, frozen=True):
    """What is live after a command; ``figures`` are those of the gate, where it was asked."""

    live: str
    previous: str
    is_promoted: bool = True
    figures: Comparison | None = None


class Removed(msgspec.Struct, frozen=True):
    """What is gone, and what stayed with the reason."""

    removed: tuple[str, ...]
    kept: dict[str, str]


def list_models(config: Path | None, *, task: str, as_json: bool) -> None:
    async def work(_settings: Settings, registry: ModelRegistry) -> list[Row]:
        manifests = await asyncio.to_thread(registry.versions.manifests, registry.place)
        states = await _states(registry)
        return [_row(manifest, states.get(manifest.version, "")) for manifest in reversed(manifests)]

    rows = _with_models(config, task, work)
    print_rows(rows, COLUMNS, empty="no models yet: run `tertulia train`", as_json=as_json)


def show_model(config: Path | None, version: str, *, task: str, as_json: bool) -> None:
    async def work(_settings: Settings, registry: ModelRegistry) -> Shown:
        named = version or (await registry.pointers.read()).version
        if not named:
            raise LookupError("no model is live yet; `tertulia models list` shows what there is")
        manifest = await asyncio.to_thread(registry.versions.manifest, registry.place, named)
        history = await registry.pointers.history()
        states = await _states(registry)
        return Shown(states.get(named, ""), manifest, tuple(each for each in history if each.version == named))

    shown = _with_models(config, task, work)
    if as_json:
        print_json(shown)
    else:
        _print_shown(shown, out())


def compare_models(config: Path | None, candidate: str, live: str, *, task: str, as_json: bool) -> None:
    """Exit code 1 when the gate would refuse."""

    async def work(settings: Settings, registry: ModelRegistry) -> Comparison:
        tests = await asyncio.to_thread(fixed_tests, settings.bot.folder, task)
        version_number(candidate)
        return await registry.examine(candidate, tests, live or None)

    comparison = _with_models(config, task, work)
    if as_json:
        print_json(comparison)
    else:
        print_comparison(comparison, out())
    if comparison.refusals:
        raise typer.Exit(EXIT_WRONG)


def promote_model(
    config: Path | None,
    version: str,
    *,
    task: str,
    by: str,
    why: str,
    is_forced: bool,
    as_json: bool,
    besides: dict[str, object] | None = None,
) -> None:
    """Make a version live, everywhere. Exit code 1, with the figures, when the gate refuses.

    *besides* joins the JSON.
    """

    async def work(settings: Settings, registry: ModelRegistry) -> Moved:
        tests = await asyncio.to_thread(fixed_tests, settings.bot.folder, task)
        before = (await registry.pointers.read()).version
        try:
            figures = await registry.promote(version, tests, by=_person(by), why=why, is_forced=is_forced)
        except NotPromoted as refused:
            return Moved(before, before, is_promoted=False, figures=refused.comparison)
        await _tell(settings)
        return Moved(version, before, figures=figures)

    moved = _with_models(config, task, work)
    if as_json:
        print_json({**(besides or {}), **msgspec.structs.asdict(moved)})
    else:
        _print_promoted(moved, out())
    if not moved.is_promoted:
        raise typer.Exit(EXIT_WRONG)


def roll_back_model(config: Path | None, *, task: str, by: str, why: str, as_json: bool) -> None:
    """What was live before is live again."""

    async def work(settings: Settings, registry: ModelRegistry) -> Moved:
        before = (await registry.pointers.read()).version
        pointer = await registry.roll_back(by=_person(by), why=why)
        await _tell(settings)
        return Moved(pointer.version, before)

    moved = _with_models(config, task, work)
    if as_json:
        print_json(moved)
    else:
        out().print(f"[ok]✓[/] {moved.live} is live again, instead of {moved.previous}")


def remove_models(
    config: Path | None, versions: Sequence[str], *, task: str, keep: int | None, is_forced: bool, as_json: bool
) -> None:
    """Remove these versions, or with *keep* all but the newest so many. Exit code 1 when a named one stays."""
    with complaints():
        if bool(versions) == (keep is not None):
            raise Misconfigured("VERSION", "name the versions to remove, or with --keep how many of the newest stay")
        for version in versions:
            version_number(version)

    async def work(settings: Settings, registry: ModelRegistry) -> Removed:
        there = await asyncio.to_thread(registry.versions.names, registry.place)
        if missing := next((version for version in versions if version not in there), ""):
            raise LookupError(
                f"there is no {missing}, so nothing was removed; `tertulia models list` shows what there is"
            )
        chosen = tuple(dict.fromkeys(versions)) if keep is None else there[: max(0, len(there) - keep)]
        kept = {
            version: reason for version in chosen if (reason := await registry.remove(version, is_forced=is_forced))
        }
        await _tell(settings)
        return Removed(tuple(each for each in chosen if each not in kept), kept)

    done = _with_models(config, task, work)
    if as_json:
        print_json(done)
    else:
        _print_removed(done, out())
    if versions and done.kept:
        raise typer.Exit(EXIT_WRONG)


def show_history(config: Path | None, *, task: str, as_json: bool) -> None:
    """Who made what live, when and why, the newest first."""

    async def work(_settings: Settings, registry: ModelRegistry) -> list[Promotion]:
        return await registry.pointers.history()

    columns = ("at", "version", "previous", "by", "why", "undone_by")
    print_rows(_with_models(config, task, work), columns, empty="nothing was ever live", as_json=as_json)


def start_shadow(config: Path | None, version: str, *, task: str) -> None:
    """Run a version beside the live one; an empty *version* ends it."""

    async def work(settings: Settings, registry: ModelRegistry) -> str:
        if version:
            live = (await registry.pointers.read()).version
            if live == version:
                raise LookupError(f"{version} is live: it cannot be its own shadow")
            await registry.load(version)
        await registry.pointers.set_shadow(version)
        await _tell(settings)
        return version

    _with_models(config, task, work)
    said = f"{version} runs beside the live model; `models shadow show` tells what differs" if version else "no shadow"
    out().print(f"[ok]✓[/] {said}", soft_wrap=True)


def show_shadow(config: Path | None, version: str, *, task: str, limit: int, as_json: bool) -> None:
    async def work(_settings: Settings, registry: ModelRegistry) -> ShadowReport:
        named = version or (await registry.pointers.read()).shadow
        if not named:
            raise LookupError("no shadow runs; `tertulia models shadow start v0007` starts one, or name a version")
        return await registry.pointers.shadow_report(named, limit)

    report = _with_models(config, task, work)
    if as_json:
        print_json(report)
    else:
        _print_shadow(report, out())


def _with_models(config: Path | None, task: str, work: Callable[[Settings, ModelRegistry], Awaitable[T]]) -> T:
    async def run(settings: Settings, database: Database) -> T:
        place = place_of(load_bot(settings.bot.folder).name, task)
        return await work(settings, await asyncio.to_thread(open_registry, settings, database, place))

    return with_database(config, run)


async def _tell(settings: Settings) -> None:
    if url := settings.redis.url.get_secret_value():
        await wake_once(url, MODELS)


async def _states(registry: ModelRegistry) -> dict[str, str]:
    """What each version is or was, by its newest promotion."""
    pointer = await registry.pointers.read()
    states: dict[str, str] = {}
    for each in await registry.pointers.history(limit=1_000):
        states.setdefault(each.version, "was live" if each.undone_at is None else "rolled back")
    return {**states, pointer.shadow: "shadow", pointer.version: "live"}


def _row(manifest: Manifest, state: str) -> Row:
    about = manifest.about
    return Row(
        version=manifest.version,
        state=state,
        trained=_time(about.trained_at),
        by=about.by,
        accuracy=about.metrics.get("accuracy"),
        labels=len(about.labels),
        texts=int(about.metrics.get("texts", 0)),
        seconds=about.metrics.get("seconds"),
        fingerprint=about.fingerprint,
        mb=round(manifest.size_bytes / 2**20, 2),
    )


def _time(iso: str) -> str:
    try:
        return f"{datetime.fromisoformat(iso).astimezone():%Y-%m-%d %H:%M}"
    except ValueError:
        return iso


def _person(by: str) -> str:
    try:
        return by or getpass.getuser()
    except (KeyError, OSError):
        return "somebody"


def print_comparison(comparison: Comparison, console: Console) -> None:
    """The figures of two versions side by side."""
    where = {"tests": f"fixed tests ({comparison.tests})", "out_of_fold": "out of fold", "nothing": ""}
    table = Table(box=None, pad_edge=False, header_style="soft")
    for heading in ("", comparison.candidate, comparison.live or "nothing live"):
        table.add_column(heading)
    accuracies = (_share(comparison.candidate_accuracy), _share(comparison.live_accuracy))
    table.add_row(f"right, {where[comparison.measured_on]}", *accuracies)
    console.print(table)
    if comparison.agreement is not None:
        console.print(f"understood alike: {_share(comparison.agreement)} of {comparison.texts} recent texts")
    for change in comparison.changes:
        console.print(
            f"  [soft]{change.times:4} times {escape(change.live or 'out of scope')} →"
            f" {escape(change.candidate or 'out of scope')}[/]",
            soft_wrap=True,
        )
    for refusal in comparison.refusals:
        console.print(f"[bad]✗[/] {escape(refusal)}", soft_wrap=True)


def _print_promoted(moved: Moved, console: Console) -> None:
    if moved.figures is not None and (moved.figures.live or moved.figures.refusals):
        print_comparison(moved.figures, console)
    if not moved.is_promoted:
        console.print(f"[bad]✗[/] {moved.live} stays live; --force promotes all the same", soft_wrap=True)
    elif moved.live == moved.previous:
        console.print(f"[ok]✓[/] {moved.live} is live already")
    else:
        console.print(f"[ok]✓[/] {moved.live} is live" + (f", instead of {moved.previous}" if moved.previous else ""))


def _print_removed(done: Removed, console: Console) -> None:
    if done.removed:
        console.print(f"[ok]✓[/] removed {', '.join(done.removed)}", soft_wrap=True)
    elif not done.kept:
        console.print("[soft]nothing to remove[/]")
    for version, reason in done.kept.items():
        how = "it is never removed" if reason == LIVE else "--force removes it all the same"
        console.print(f"[warn]![/] {version} stays: it is {reason}; {how}", soft_wrap=True)


def _print_shown(shown: Shown, console: Console) -> None:
    manifest, about = shown.manifest, shown.manifest.about
    console.print(f"[accent]{manifest.version}[/] of {manifest.place} [ok]{shown.state}[/]")
    facts = {
        "trained": f"{_time(about.trained_at)} by {about.by or 'somebody'}",
        "examples": about.fingerprint,
        "labels": f"{len(about.labels)}: {', '.join(about.labels[:12])}{' …' if len(about.labels) > 12 else ''}",
        "made with": ", ".join(f"{name} {version}" for name, version in sorted(about.libraries.items())),
        "settings": ", ".join(f"{name} {value}" for name, value in sorted(about.settings.items())),
        "files": ", ".join(f"{name} ({file.size_bytes:,} bytes)" for name, file in sorted(manifest.files.items())),
        **{name.replace("_", " "): figure(value) for name, value in sorted(about.metrics.items())},
    }
    for name, value in facts.items():
        console.print(f"  {name:24} {escape(value)}", soft_wrap=True)
    for meant, understood, times in about.confusions[:10]:
        console.print(f"  [soft]{times:4} times {escape(meant)} taken for {escape(understood)}[/]", soft_wrap=True)
    for each in shown.promotions:
        undone = f", taken back by {each.undone_by} ({each.undone_why})" if each.undone_at is not None else ""
        console.print(
            f"  [soft]{each.at.astimezone():%Y-%m-%d %H:%M} live by {escape(each.by)}: {escape(each.why)}"
            f"{' (forced)' if each.is_forced else ''}{escape(undone)}[/]",
            soft_wrap=True,
        )


def _print_shadow(report: ShadowReport, console: Console) -> None:
    if not report.counts:
        console.print(f"[soft]{report.version}: nothing was compared yet[/]")
    for count in report.counts:
        share = count.differed / max(1, count.compared)
        console.print(
            f"{report.version} beside {count.live}: {count.compared:,} turns, {count.differed:,} differ ({share:.1%})"
            + (f", {count.dropped:,} were too many to compare" if count.dropped else ""),
            soft_wrap=True,
        )
    for pair in report.pairs:
        console.print(
            f"  {pair.times:4} times {escape(pair.live_label or 'out of scope')} →"
            f" {escape(pair.shadow_label or 'out of scope')}",
            soft_wrap=True,
        )
    for sample in report.samples[:10]:
        console.print(
            f"  [soft]message {sample.message_id}: {escape(sample.live_label or 'out of scope')}"
            f" {sample.live_confidence:.2f} → {escape(sample.shadow_label or 'out of scope')}"
            f" {sample.shadow_confidence:.2f}[/]",
            soft_wrap=True,
        )


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
