"""Says where an author's examples contradict themselves, repeat themselves, or are too few, by file and line."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from config.bot_problems import Problem
from nlp.text import MAX_READ_CHARS
from nlp.training_data.examples import (
    Example,
    languages_told,
    same_text,
    same_to_classifier,
    synonym_key,
)
from nlp.training_data.gathering import Gathering, Placed

FEWEST_EXAMPLES = 5
"""Below this an intent is learnt badly, and the author is warned."""

MOST_PROBLEMS_A_FILE = 50
"""More than these of one file help nobody; how many more there are is told."""

_SHOWN_CHARS = 60
_MOST_REPETITIONS = 5


def problems_of(gathering: Gathering, place: str) -> Iterator[Problem]:
    """All that is wrong with what was gathered from the folder *place*; mere warnings."""
    yield from _long_texts(gathering.everything)
    yield from _contradictions(gathering.everything)
    yield from _repetitions(gathering.everything)
    yield from _sparse_intents(gathering.examples)
    yield from _ambiguous_synonyms(gathering)
    yield from _repeated_entries(gathering.lookups)
    yield from _languages(gathering, place)


def unused_entities(gathering: Gathering, used: Collection[str]) -> Iterator[Problem]:
    """Entities that are taught and answer no question; *used* are the kinds that flows ask for."""
    places: dict[str, tuple[str, int, str]] = {}
    for table, what in ((gathering.lookups, "lookup table"), (gathering.regexes, "regex")):
        for name, found in table.items():
            if found:
                places.setdefault(name, (found[0].file, found[0].line, what))
    for example in gathering.examples:
        for mark in example.entities:
            places.setdefault(mark.kind, (example.file, example.line, "entity"))
    for name, (file, line, what) in places.items():
        if name not in used:
            yield _warning(
                file, line, f"no flow asks for the {what} '{name}': write 'entity: {name}' where it is collected"
            )


def slow_regexes(gathering: Gathering) -> Iterator[Problem]:
    """Patterns on which a customer's text can hang the bot. Tries them in a process of its own, 30 ms and more."""
    from nlp.training_data.regex_risk import CPU_S, risky

    try:
        found = risky([each.text for placed in gathering.regexes.values() for each in placed])
    except OSError as error:
        yield _warning("nlu", 0, f"the regexes were not tried on long texts: {error.strerror}")
        return
    for name, placed in gathering.regexes.items():
        for each in placed:
            if each.text in found:
                yield _warning(
                    each.file, each.line,
                    f"regex '{name}' takes more than {CPU_S:g} s on a text that fits it badly: "
                    "do not repeat what is itself repeated, as in (a+)+",
                )  # fmt: skip


def capped(problems: Iterable[Problem]) -> list[Problem]:
    """The problems in order, errors before warnings where a file has too many of them."""
    by_file: dict[str, list[Problem]] = defaultdict(list)
    for problem in set(problems):
        by_file[problem.file].append(problem)
    kept: list[Problem] = []
    for file, found in by_file.items():
        found.sort(key=lambda problem: (problem.level, problem))
        shown, rest = found[:MOST_PROBLEMS_A_FILE], found[MOST_PROBLEMS_A_FILE:]
        kept += shown
        if rest:
            kept.append(Problem(file, 0, f"has {len(rest)} more problems like these", rest[0].level))
    return sorted(kept)


def _long_texts(examples: Iterable[Example]) -> Iterator[Problem]:
    for example in examples:
        if len(example.text) > MAX_READ_CHARS:
            what = f"'{_short(example.text)}' has {len(example.text)} characters, of which {MAX_READ_CHARS} are read"
            yield _warning(example.file, example.line, what)


def _contradictions(examples: Iterable[Example]) -> Iterator[Problem]:
    """The same text under two intents: whatever is learnt from it, one of them is wrong."""
    seen: dict[str, Example] = {}
    for example in examples:
        other = seen.setdefault(same_to_classifier(example.text), example)
        if other.intent != example.intent:
            yield _warning(
                example.file, example.line,
                f"'{_short(example.text)}' is an example of '{example.intent}' here and of '{other.intent}' "
                f"in {other.file}:{other.line}: keep it in one",
            )  # fmt: skip


def _repetitions(examples: Iterable[Example]) -> Iterator[Problem]:
    """The same text twice in an intent and language, which teaches nothing and flatters every measure.

    Projects that list each text with and without a capital have hundreds: the first few of an intent stand for all.
    """
    seen: dict[tuple[str, str, str], Example] = {}
    repeated: dict[tuple[str, str], list[tuple[Example, Example]]] = defaultdict(list)
    for example in examples:
        other = seen.setdefault((_as_written(example.text), example.intent, example.language), example)
        if other is not example:
            repeated[example.file, example.intent].append((example, other))
    for (file, intent), pairs in repeated.items():
        for example, other in pairs[:_MOST_REPETITIONS]:
            what = f"'{_short(example.text)}' is already in {other.file}:{other.line}: remove one"
            yield _warning(file, example.line, what)
        if len(pairs) > _MOST_REPETITIONS:
            line = pairs[_MOST_REPETITIONS][0].line
            more = len(pairs) - _MOST_REPETITIONS
            yield _warning(file, line, f"{more} more examples of '{intent}' from here on are repetitions")


def _sparse_intents(examples: Sequence[Example]) -> Iterator[Problem]:
    texts: dict[str, set[str]] = defaultdict(set)
    first: dict[str, Example] = {}
    for example in examples:
        texts[example.intent].add(same_text(example.text))
        first.setdefault(example.intent, example)
    for intent, found in texts.items():
        if len(found) < FEWEST_EXAMPLES:
            yield _warning(
                first[intent].file, first[intent].line,
                f"intent '{intent}' has {len(found)} example{'s' if len(found) > 1 else ''}: "
                f"write at least {FEWEST_EXAMPLES}, better 20",
            )  # fmt: skip


def _ambiguous_synonyms(gathering: Gathering) -> Iterator[Problem]:
    """A phrase with two values: two synonyms that say so, or an annotation that says other than the synonyms."""
    meant: dict[str, Placed] = {}
    for each in gathering.synonyms:
        other = meant.setdefault(synonym_key(each.phrase), each.value)
        if other.text != each.value.text:
            yield _ambiguous(each.phrase, each.value, other)
    by_kind: dict[tuple[str, str], Placed] = {}
    for example in gathering.everything:
        for mark in example.entities:
            key = synonym_key(mark.text)
            if mark.value == mark.text.strip():
                continue
            value = Placed(mark.value, example.file, example.line)
            other = meant.get(key) or by_kind.setdefault((mark.kind, key), value)
            if other.text != mark.value:
                yield _ambiguous(mark.text, value, other)


def _ambiguous(text: str, value: Placed, other: Placed) -> Problem:
    return _warning(
        value.file, value.line,
        f"'{_short(text)}' means '{_short(value.text)}' here and '{_short(other.text)}' "
        f"in {other.file}:{other.line}: keep one",
    )  # fmt: skip


def _repeated_entries(lookups: Mapping[str, Sequence[Placed]]) -> Iterator[Problem]:
    for name, entries in lookups.items():
        seen: dict[str, Placed] = {}
        for entry in entries:
            other = seen.setdefault(same_text(entry.text), entry)
            if other is not entry:
                yield _warning(
                    entry.file, entry.line,
                    f"lookup '{name}' already has '{_short(entry.text)}', in {other.file}:{other.line}: remove one",
                )  # fmt: skip


def _languages(gathering: Gathering, place: str) -> Iterator[Problem]:
    """Languages of the bot that no example is in, by intent where the files tell the languages of all its examples."""
    languages = gathering.languages
    yield from _unknown_languages(gathering)
    if len(languages) < 2 or not gathering.examples:
        return
    told = languages_told(gathering.examples)
    if not told:
        yield _warning(
            place, 0, f"no file tells the language of its examples: name them like {place}/greetings."
            f"{languages[0]}.yml and {place}/greetings.{languages[1]}.yml",
        )  # fmt: skip
        return
    for language in languages:
        if language not in told:
            yield _warning(place, 0, f"no example is in '{language}': add them in {place}/{language}.yml")
    by_intent: dict[str, list[Example]] = defaultdict(list)
    for example in gathering.examples:
        by_intent[example.intent].append(example)
    for intent, examples in by_intent.items():
        spoken = {example.language for example in examples}
        for language in languages:
            if language in told and language not in spoken and "" not in spoken:
                yield _warning(examples[0].file, examples[0].line, f"intent '{intent}' has no examples in '{language}'")


def _unknown_languages(gathering: Gathering) -> Iterator[Problem]:
    told: dict[str, Example] = {}
    for example in gathering.everything:
        told.setdefault(example.language, example)
    for language, example in told.items():
        if language and gathering.languages and language not in gathering.languages:
            known = ", ".join(gathering.languages)
            yield _warning(
                example.file, example.line, f"'{_short(language)}' is not among the bot's languages ({known})"
            )


def _warning(file: str, line: int, what: str) -> Problem:
    return Problem(file, line, what, "warning")


def _as_written(text: str) -> str:
    """What an author takes for the same: case and blanks aside. ``si`` beside ``sí`` is meant."""
    return " ".join(unicodedata.normalize("NFKC", text).lower().split())


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_CHARS else f"{line[: _SHOWN_CHARS - 1]}…"
