"""``tertulia models explain``: why a text is understood as it is, for an author who wonders."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gateway.app.commands.terminal import complaints, out, print_json, settings_or_exit, shown
from gateway.core.errors import Misconfigured, Unavailable
from nlp.text import MAX_READ_CHARS

if TYPE_CHECKING:
    from config.bot_model import Bot
    from nlp.intents.explaining import Neighbour, SpokenWord
    from nlp.models.serving import LoadedModel

FROM_INPUT = "-"
_MOST_INPUT_BYTES = 1_000_000
_SHOWN_CHARS = 100
_SHOWN_WORDS = 6
_LEAST_WEIGHT = 0.1
_BAR = 12


class CandidateShown(msgspec.Struct, frozen=True):
    label: str
    probability: float


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """The answer. ``in_scope_from`` is the author's threshold (``scope`` of ``bot.yaml``), else the model's.

    ``nearest`` have likeness, ``words`` the log-odds that they speak for the first candidate with; strongest first.
    ``doubts`` are what lowers the score, the weightiest first.
    """

    version: str
    task: str
    text: str
    is_in_scope: bool
    score: float
    in_scope_from: float
    is_author_threshold: bool
    candidates: tuple[CandidateShown, ...]
    nearest: tuple[Neighbour, ...]
    words: tuple[SpokenWord, ...]
    doubts: tuple[str, ...]


def explain_text(config: Path | None, text: str, *, version: str, task: str, as_json: bool) -> None:
    """Explain *text* (``-``: standard input) by *version*, else by the live model, else by the newest."""
    settings = settings_or_exit(config)
    with complaints():
        from config.bot import load_bot
        from gateway.app.commands.serving_model import named_or_live
        from nlp.models.versions import place_of

        bot = load_bot(settings.bot.folder)
        loaded = named_or_live(settings, place_of(bot.name, task), version)
        explained = explain(loaded, bot, task, _given(text))
    if as_json:
        print_json(explained)
    else:
        _show(explained, out())


def explain(loaded: LoadedModel, bot: Bot, task: str, text: str) -> Explained:
    """The explanation of any string. Raises ``Unavailable`` when the model's encoder fails."""
    from nlp.intents.encoding import EncoderFailed

    text = text.encode("utf-8", "replace").decode()
    try:
        found = loaded.model.explain(text)
    except EncoderFailed as error:
        raise Unavailable(f"the encoder fails: {error}") from error
    scope = bot.settings.scope if task == "intent" else None
    threshold = loaded.model.info.calibration.threshold if scope is None else scope
    return Explained(
        version=loaded.version,
        task=task,
        text=text,
        is_in_scope=found.prediction.score >= threshold,
        score=found.prediction.score,
        in_scope_from=threshold,
        is_author_threshold=scope is not None,
        candidates=tuple(CandidateShown(each.intent, each.confidence) for each in found.prediction.candidates),
        nearest=found.nearest,
        words=found.words,
        doubts=found.doubts,
    )


def _given(text: str) -> str:
    if text != FROM_INPUT:
        return text
    read = sys.stdin.buffer.read(_MOST_INPUT_BYTES + 1)
    if len(read) > _MOST_INPUT_BYTES:
        raise Misconfigured("TEXT", f"standard input has more than {_MOST_INPUT_BYTES:,} bytes: it is one text")
    return read.decode("utf-8", "replace").removesuffix("\n")


def _show(explained: Explained, console: Console) -> None:
    best = explained.candidates[0]
    verdict = "[ok]in scope[/]" if explained.is_in_scope else "[bad]out of scope[/]"
    whose = "bot.yaml" if explained.is_author_threshold else "the model"
    console.print(
        f"[accent]{escape(best.label)}[/] {best.probability:.2f}, {verdict}: score {explained.score:.3f}, "
        f"in scope from {explained.in_scope_from:.3f} ({whose}); {explained.version} of {escape(explained.task)}",
        soft_wrap=True,
    )
    for other in explained.candidates[1:]:
        console.print(f"  [soft]{other.probability:.2f} {escape(other.label)}[/]", soft_wrap=True)
    if len(explained.text) > MAX_READ_CHARS:
        console.print(f"[warn]![/] the first {MAX_READ_CHARS:,} of {len(explained.text):,} characters are read")
    if explained.doubts and not explained.is_in_scope:
        console.print("\nwhy it is turned away")
        for doubt in explained.doubts:
            console.print(f"  {doubt}")
    console.print("\nnearest examples" if explained.nearest else "\n[soft]no example is like it[/]")
    if explained.nearest:
        console.print(_nearest(explained.nearest))
    _show_words(explained, console)


def _nearest(found: Sequence[Neighbour]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="soft")
    table.add_column(overflow="fold")
    for each in found:
        table.add_row(f"  {each.similarity:.2f}", escape(each.intent), shown(_cut(each.text)))
    return table


def _show_words(explained: Explained, console: Console) -> None:
    """Those that matter, for and against. Of a word said twice, none matters by itself."""
    label = escape(explained.candidates[0].label)
    spoke = [word for word in explained.words if word.weight >= _LEAST_WEIGHT][:_SHOWN_WORDS]
    against = [word for word in reversed(explained.words) if word.weight <= -_LEAST_WEIGHT][:_SHOWN_WORDS]
    if not spoke and not against:
        console.print("\n[soft]no word decides by itself[/]")
        return
    strongest = max(abs(word.weight) for word in (*spoke, *against))
    for heading, words in ((f"words that spoke for {label}", spoke), (f"words that spoke against {label}", against)):
        if words:
            console.print(f"\n{heading}")
            console.print(_weighed(words, strongest))


def _weighed(words: Sequence[SpokenWord], strongest: float) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    for word in words:
        bar = "█" * max(1, round(_BAR * abs(word.weight) / strongest))
        style = "bot" if word.weight > 0 else "bad"
        table.add_row(f"  {word.weight:+.1f}", shown(_cut(word.word)), f"[{style}]{bar}[/]")
    return table


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else f"{text[: _SHOWN_CHARS - 1]}…"
