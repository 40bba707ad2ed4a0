"""``tertulia evaluate``: how well texts are understood, in words that need no statistics, and what to do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import typer
from rich.console import Console, Group
from rich.padding import Padding
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from config.settings import Settings
from gateway.app.commands.terminal import EXIT_WRONG, complaints, err, out, print_json, settings_or_exit, shown
from gateway.core.errors import Misconfigured
from nlp.evaluation.junit import Limits, verdicts, write_junit
from nlp.evaluation.metrics import Figure
from nlp.evaluation.report import (
    GOOD_F1,
    WORTHWHILE_GAIN,
    Confusion,
    Evaluation,
    LabelCurve,
    LabelReport,
    Learning,
    Scope,
)

WEAKEST_SHOWN = 10
CONFUSIONS_SHOWN = 8
CURVE_SHOWN = 5
WELL_CALIBRATED = 0.05
INTENT = "intent"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asked for. ``model`` empty: the live one."""

    task: str = INTENT
    test: Path | None = None
    folds: int = 5
    model: str = ""
    is_quick: bool = False
    as_json: bool = False
    junit: Path | None = None
    plots: Path | None = None
    limits: Limits = Limits()


def run_evaluate(config: Path | None, asked: Asked) -> None:
    """Evaluate, tell, write what was asked for. Exit code 1 when a limit does not hold."""
    settings = settings_or_exit(config)
    with complaints():
        if asked.model and asked.test is None:
            advice = f"{asked.model} has learnt from the bot's examples: give it others with --test FILE"
            raise Misconfigured("--model", advice)
        evaluation = _with_progress(lambda report: _evaluate(settings, asked, report))
        files = _write(evaluation, asked)
        failed = [each for each in verdicts(evaluation, asked.limits) if each.problem]
        if asked.as_json:
            print_json(evaluation)
        else:
            show(evaluation, out())
            for path in files:
                out().print(f"[ok]✓[/] {path}", soft_wrap=True)
        for each in failed:
            err().print("[bad]✗[/]", shown(f"{each.name}: {each.problem}"))
    if failed:
        raise typer.Exit(EXIT_WRONG)


def _with_progress(work: Callable[[Callable[[str], None]], Evaluation]) -> Evaluation:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=err(), transient=True) as progress:
        task = progress.add_task("reading the examples")
        return work(lambda line: progress.update(task, description=line))


def _evaluate(settings: Settings, asked: Asked, report: Callable[[str], None]) -> Evaluation:
    from config.bot import load_bot
    from gateway.app.commands.serving_model import named_or_live
    from nlp.evaluation.classifier import quick_teacher, taught, teacher
    from nlp.evaluation.judging import Plan, cross_validate, judge_file
    from nlp.evaluation.tests_file import read_tests
    from nlp.models.examples import examples_of
    from nlp.models.versions import place_of
    from nlp.text import for_intents

    bot = load_bot(settings.bot.folder)
    data = examples_of(bot.folder, asked.task)
    if asked.test is None:
        plan = Plan(asked.task, asked.folds, hides_labels=not asked.is_quick, draws_curves=not asked.is_quick)
        quick = quick_teacher(asked.task)
        return cross_validate(data, quick if asked.is_quick else teacher(asked.task), plan, report, quick)
    tests = read_tests(asked.test, bot.languages)
    loaded = named_or_live(settings, place_of(bot.name, asked.task), asked.model)
    report(f"judging {len(tests)} texts by {loaded.version}")
    is_same = data.fingerprint == loaded.fingerprint
    return judge_file(
        taught(loaded.model),
        tests,
        Counter(example.intent for example in data.examples) if is_same else {},
        task=asked.task,
        model=loaded.version,
        fingerprint=loaded.fingerprint,
        known=loaded.model.info.intents,
        seen=frozenset(for_intents(example.text) for example in data.examples) if is_same else frozenset(),
    )


def _write(evaluation: Evaluation, asked: Asked) -> list[Path]:
    written: list[Path] = []
    if asked.junit is not None:
        write_junit(evaluation, asked.limits, asked.junit)
        written.append(asked.junit)
    if asked.plots is not None:
        from nlp.evaluation.plots import draw

        written += draw(evaluation, asked.plots)
    return written


def show(evaluation: Evaluation, console: Console) -> None:
    """The summary for a person: first the sentence, then what is weak, then what to do."""
    console.print()
    for line in _sentences(evaluation):
        console.print(line)
    weak = [label for label in evaluation.labels if label.texts and label.f1 < GOOD_F1][:WEAKEST_SHOWN]
    if weak:
        _section(console, f"Understood least ({len(weak)} of {len(evaluation.labels)} labels)", _weakest(weak))
    if evaluation.confusions:
        _section(console, "Mixed up most", _confused(evaluation.confusions[:CONFUSIONS_SHOWN]))
    if evaluation.scope is not None:
        _section(console, "What the bot is not made for", _foreign(evaluation.scope))
    if evaluation.learning is not None:
        _section(console, "What to do", _advice(evaluation.learning, evaluation.labels))
    for note in evaluation.notes:
        console.print("[warn]![/]", shown(note))
    console.print()


def _section(console: Console, title: str, content: Table | Group) -> None:
    console.print()
    console.print(f"[accent]{title}[/]")
    console.print(Padding(content, (0, 0, 0, 2)))


def _sentences(evaluation: Evaluation) -> list[str]:
    how = (
        f"each judged by a model that had not seen it ({evaluation.folds} folds)"
        if evaluation.folds
        else f"judged by {evaluation.model or 'the model'}"
    )
    is_trusted = evaluation.calibration_error <= WELL_CALIBRATED
    understood = f"[bold]{_of_hundred(evaluation.accuracy)}[/] of 100 texts are understood "
    evenly = f"[bold]{_of_hundred(evaluation.macro_f1)}[/] when every label counts the same, however rare "
    sure = f"Its confidence is off by [bold]{evaluation.calibration_error * 100:.1f}[/] points on average: "
    return [
        understood + f"[soft](between {_bounds(evaluation.accuracy)}; {evaluation.texts} texts, {how})[/]",
        evenly + f"[soft](macro F1, between {_bounds(evaluation.macro_f1)})[/]",
        sure + ("[ok]it can be trusted[/]" if is_trusted else "[warn]be careful[/]") + " [soft](calibration error)[/]",
    ]


def _of_hundred(figure: Figure) -> str:
    return f"{figure.value * 100:.1f}"


def _bounds(figure: Figure) -> str:
    return f"{figure.low * 100:.1f} and {figure.high * 100:.1f}"


def _table(*columns: tuple[str, bool]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="soft")
    for name, is_number in columns:
        table.add_column(name, justify="right" if is_number else "left", overflow="fold")
    return table


def _weakest(labels: list[LabelReport]) -> Table:
    table = _table(("label", False), ("found", True), ("right when said", True), ("F1", True), ("examples", True))
    for each in labels:
        style = "bad" if each.f1 < 0.7 else "warn"
        table.add_row(
            shown(each.label),
            f"{each.recall:.0%}",
            f"{each.precision:.0%}",
            f"[{style}]{each.f1:.0%}[/]",
            str(each.examples or "?"),
        )
    return table


def _confused(pairs: tuple[Confusion, ...]) -> Table:
    table = _table(("texts", True), ("of", False), ("taken for", False), ("for instance", False))
    for pair in pairs:
        example = shown(f"“{pair.examples[0].text[:70]}”", "soft") if pair.examples else Text("")
        table.add_row(f"{pair.texts} ({pair.share:.0%})", shown(pair.label), shown(pair.predicted), example)
    return table


def _foreign(scope: Scope) -> Group:
    source = "examples of yours" if scope.source == "examples" else "labels that were hidden from it"
    lines = [
        Text.from_markup(
            f"With the threshold in use [bold]{scope.in_use.caught:.0%}[/] of foreign texts are caught, "
            f"and {1 - scope.in_use.kept:.1%} of the good ones turned away too."
        ),
        Text.from_markup(
            f"[soft]Foreign texts: {scope.outside} from {source}. AUROC {scope.auroc.value:.3f} "
            f"({scope.auroc.low:.3f} to {scope.auroc.high:.3f}).[/]"
        ),
    ]
    table = _table(("threshold", True), ("good ones kept", True), ("foreign ones caught", True))
    useful = [point for point in scope.curve if 0.8 <= point.kept < 1.0]
    step = max(1, len(useful) // CURVE_SHOWN)
    for point in useful[::step]:
        table.add_row(f"{point.threshold:.3f}", f"{point.kept:.1%}", f"{point.caught:.1%}")
    return Group(*lines, table)


def _advice(learning: Learning, labels: tuple[LabelReport, ...]) -> Group:
    examples = {label.label: label.examples for label in labels}
    more = [each for each in learning.labels if each.advice == "more examples"]
    mixed = [each for each in learning.labels if each.advice == "look at its confusions"]
    lines = []
    if more:
        names = ", ".join(f"{each.label} ({_why(each, examples)})" for each in more[:WEAKEST_SHOWN])
        lines.append(Text.assemble("Write more examples for: ", (names, "bold")))
    if mixed:
        names = ", ".join(each.label for each in mixed[:WEAKEST_SHOWN])
        lines.append(Text.assemble("More examples alone will not help, part it from its neighbours: ", (names, "bold")))
    if not lines:
        lines.append(Text("Nothing stands out: every label is understood well, or has examples enough."))
    curve = " → ".join(f"{point.f1:.0%} with {point.examples:.0f}" for point in learning.overall)
    lines.append(Text(f"All labels together: {curve} examples.", style="soft"))
    return Group(*lines)


def _why(curve: LabelCurve, examples: Mapping[str, int]) -> str:
    """What the second half of its examples brought, or how few there are."""
    if curve.gain >= WORTHWHILE_GAIN:
        return f"+{curve.gain:.0%}"
    return f"only {examples.get(curve.label, 0)}"
