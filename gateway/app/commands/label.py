"""``tertulia label``: texts that were not understood, group by group, become examples in the bot's folder."""

from __future__ import annotations

import csv
import getpass
import io
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

import msgspec
from rich.text import Text

from config.settings import Settings
from gateway.app.commands.serving_model import live_model
from gateway.app.commands.session import with_database
from gateway.app.commands.terminal import out, print_json, shown
from gateway.core.errors import Misconfigured
from gateway.store import learning
from gateway.store.database import Database
from gateway.store.learning import Decision
from nlp.learning.choosing import ENOUGH, Choice, choose, completions, default_of
from nlp.learning.grouping import MOST_TEXTS
from nlp.learning.suggesting import Collected, Reviewed, suggest
from nlp.models.versions import place_of
from nlp.training_data import OUT_OF_SCOPE, Example, TrainingData, append_examples, load_training_data

TEXTS_SHOWN = 8
DEFAULT_FILE = "nlu/learned.yml"

HELP = """  [bold]Enter[/]     accept what is suggested; without a suggestion, leave it for later
  [bold]y[/]         accept the first suggestion, also a weak one
  [bold]name[/]      another intent; its beginning is enough, Tab completes it
  [bold]n name[/]    a new intent
  [bold]o[/]         out of scope: the bot should turn such texts away
  [bold]- 2,3[/]     leave these texts out of the decision; they come again
  [bold]d[/]         drop: worth nothing, never ask again
  [bold]s[/]         skip: leave it for later
  [bold]q[/]         quit; what was decided is kept"""

Ask = Callable[[str], str | None]


class Exported(msgspec.Struct, frozen=True):
    """One line of an export: a text with the intent that is suggested (empty: none is)."""

    text: str
    intent: str
    confidence: float
    times: int
    language: str
    reasons: str
    group: int


def run_label(config: Path | None, *, file: str, limit: int, export: Path | None, as_json: bool) -> None:
    """Review in the terminal, or list, or export."""

    async def work(settings: Settings, database: Database) -> None:
        bot = _bot_of(settings)
        async with database.lane().transaction() as connection:
            waiting = await learning.open_texts(connection, limit=min(limit, MOST_TEXTS))
        groups = suggest(
            [_collected(each) for each in waiting],
            await live_model(settings, database, place_of(bot.name)),
            bot.examples,
        )
        if as_json:
            print_json(groups)
        elif export is not None:
            _export(groups, export)
        else:
            await Review(settings, database, bot, file).run(groups)

    with_database(config, work)


class _Bot(msgspec.Struct, frozen=True):
    """What the reviewer decides for."""

    name: str
    folder: Path
    languages: tuple[str, ...]
    intents: frozenset[str]
    examples: tuple[Example, ...]


def _bot_of(settings: Settings) -> _Bot:
    from config.bot import load_bot

    bot = load_bot(settings.bot.folder)
    data: TrainingData = load_training_data(bot.folder, bot.languages)
    return _Bot(bot.name, bot.folder, tuple(bot.languages), frozenset({*data.intents, *bot.intents}), data.examples)


def _collected(waiting: learning.OpenText) -> Collected:
    return Collected(
        key=waiting.key,
        text=waiting.text,
        language=waiting.language,
        times=waiting.times,
        reasons=waiting.reasons,
        chosen=waiting.chosen,
        answer=waiting.answer,
    )


class Review:
    """Goes through the groups with somebody at the terminal, or with lines from a pipe.

    Examples are written before the decision is put down: after a kill in between, the same group comes again, and
    what the folder has already is not written twice.
    """

    def __init__(self, settings: Settings, database: Database, bot: _Bot, file: str, ask: Ask | None = None) -> None:
        self._lane = database.lane()
        self._bot = bot
        self._file = file
        self._is_sample = not settings.bot.path
        self._ask = ask or _asking(bot.intents)
        self._intents = set(bot.intents)
        self._console = out()
        self._written = 0
        self._decided = 0

    async def run(self, groups: Sequence[Reviewed]) -> None:
        """Ask for each group until the end, ``q``, or the end of the input."""
        if not groups:
            self._console.print(
                "[soft]Nothing waits: every text was understood, or nobody agreed to be learnt from.[/]"
            )
            return
        if self._is_sample:
            raise Misconfigured("bot.path", "is empty: the sample bot is not yours to teach; copy it and name the copy")
        for number, group in enumerate(groups, start=1):
            if not await self._review(group, f"{number} of {len(groups)}"):
                break
        self._tell_end()

    async def _review(self, group: Reviewed, place: str) -> bool:
        """One group; false ends the review."""
        self._show(group, place)
        left_out: frozenset[int] = frozenset()
        while True:
            line = self._ask(_prompt(group))
            if line is None:
                return False
            choice = choose(line, group, self._intents)
            match choice.act:
                case "help":
                    self._console.print(HELP)
                case "unclear":
                    self._console.print("[warn]![/]", shown(choice.why))
                case "leave out":
                    left_out = frozenset(choice.left_out)
                    self._console.print(f"[soft]  without {', '.join(map(str, choice.left_out))}[/]")
                case "quit":
                    return False
                case "skip":
                    return True
                case _:
                    texts = [text for i, text in enumerate(group.texts, start=1) if i not in left_out]
                    await self._decide(choice, texts)
                    return True

    async def _decide(self, choice: Choice, texts: Sequence[Collected]) -> None:
        decision: Decision = "dropped"
        if choice.act != "drop":
            decision = "accepted" if choice.act == "accept" else "out_of_scope"
            self._write(texts, choice.intent or OUT_OF_SCOPE)
        async with self._lane.transaction() as connection:
            await learning.decide(connection, [text.key for text in texts], decision, choice.intent, getpass.getuser())
        self._decided += len(texts)

    def _write(self, texts: Sequence[Collected], intent: str) -> None:
        languages = self._bot.languages
        examples = [Example(t.text, intent, t.language if t.language in languages else "") for t in texts]
        appended = append_examples(self._bot.folder, self._file, examples, languages)
        if intent != OUT_OF_SCOPE:
            self._intents.add(intent)
        self._written += len(appended.written)
        for refused in appended.refused:
            self._console.print("[warn]![/]", shown(f"“{refused.example.text}” was not added: {refused.why}"))
        count = len(appended.written)
        self._console.print("[ok]✓[/]", Text(f"{count} example{'s' if count != 1 else ''} of {intent}"))

    def _show(self, group: Reviewed, place: str) -> None:
        console = self._console
        reasons = sorted({reason for text in group.texts for reason in text.reasons})
        console.print()
        console.print(f"[accent]{place}[/] [soft]said {group.times} times, {', '.join(reasons)}[/]")
        for number, text in enumerate(group.texts[:TEXTS_SHOWN], start=1):
            console.print(
                f"[soft]{number:4}[/] ", shown(text.text), f"[soft]{text.times} times[/]" if text.times > 1 else ""
            )
        if len(group.texts) > TEXTS_SHOWN:
            console.print(f"[soft]     and {len(group.texts) - TEXTS_SHOWN} more like these[/]")
        for answer in group.answers:
            console.print("     [agent]an agent answered:[/]", shown(answer))
        for near in group.nearest:
            console.print(f"     [soft]like {near.likeness:.2f}:[/]", shown(f"{near.text} ({near.intent})", "soft"))
        console.print("     [accent]suggested:[/]", _suggested(group))

    def _tell_end(self) -> None:
        console = self._console
        console.print()
        console.print(f"{self._decided} texts decided, {self._written} examples written", end="")
        if self._written:
            console.print(Text(f" to {self._bot.folder / self._file}; look at the change, then: tertulia train"))
        else:
            console.print()


def _prompt(group: Reviewed) -> str:
    """What is asked, with what an empty line does."""
    return f"  Enter: {default_of(group) or 'skip'}   ?: help   > "


def _suggested(group: Reviewed) -> Text:
    ranked = ", ".join(f"{each.intent} {each.confidence:.0%}" for each in group.suggestions) or "nothing"
    return Text(f"{ranked}; looks out of scope" if group.is_foreign else ranked, style="bold")


def _asking(intents: Collection[str]) -> Ask:
    """Lines from a terminal, with Tab for intents; or from a pipe, where nothing is prompted."""
    if not sys.stdin.isatty():

        def read(_prompt: str) -> str | None:
            line = sys.stdin.readline()
            return line or None

        return read
    _complete(intents)

    def ask(prompt: str) -> str | None:
        try:
            return input(prompt)
        except (EOFError, KeyboardInterrupt):
            return None

    return ask


def _complete(intents: Collection[str]) -> None:
    try:
        import readline
    except ImportError:  # a Python without it asks all the same
        return

    def find(typed: str, state: int) -> str | None:
        found = completions(typed, intents)
        return found[state] if state < len(found) else None

    readline.set_completer(find)
    readline.set_completer_delims(" ")
    readline.parse_and_bind("tab: complete")


def _export(groups: Sequence[Reviewed], path: Path) -> None:
    """One line a text, for whoever reviews in another tool; ``classify`` and training read both forms."""
    rows = list(_exported(groups))
    match path.suffix.lower():
        case ".jsonl":
            content = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
        case ".csv":
            content = _csv(rows)
        case _:
            raise Misconfigured("--export", f"{path.name}: ends with .csv or .jsonl")
    try:
        path.write_bytes(content)
    except OSError as error:
        raise Misconfigured("--export", f"{path} cannot be written to: {error.strerror}") from error
    out().print(f"[ok]✓[/] {len(rows)} texts in {path}", soft_wrap=True)


def _exported(groups: Sequence[Reviewed]) -> Iterable[Exported]:
    for number, group in enumerate(groups, start=1):
        best = group.suggestions[0] if group.suggestions else None
        intent = best.intent if best is not None and best.confidence >= ENOUGH and not group.is_foreign else ""
        for text in group.texts:
            confidence = best.confidence if best is not None else 0.0
            reasons = " ".join(text.reasons)
            yield Exported(text.text, intent, confidence, text.times, text.language, reasons, number)


def _csv(rows: Sequence[Exported]) -> bytes:
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(Exported.__struct_fields__)
    writer.writerows([_harmless(cell) for cell in msgspec.structs.astuple(row)] for row in rows)
    return file.getvalue().encode("utf-8-sig", "replace")


def _harmless(cell: object) -> object:
    """A spreadsheet takes a cell that begins so for a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t")) else cell
