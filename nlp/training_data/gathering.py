"""Gathers what the files of one folder say, each saying with its place, until it is whole and can be checked."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from config.bot_examples import is_outside
from nlp.training_data.examples import OUT_OF_SCOPE, EntityMark, Example, TrainingData, synonym_key

_MOST_NAME_CHARS = 128


def bad_name(name: str) -> str:
    """What is wrong with the name of an intent or an entity; empty: nothing. It goes into logs, reports and tables."""
    if len(name) > _MOST_NAME_CHARS:
        return f"is longer than {_MOST_NAME_CHARS} characters"
    return "" if name.isprintable() else "holds a line's end or a character that cannot be printed"


class Placed(msgspec.Struct, frozen=True):
    """A synonym's value, a pattern or an entry of a lookup table, and where it was written."""

    text: str
    file: str
    line: int


class Synonym(msgspec.Struct, frozen=True):
    """One phrase and what it means."""

    phrase: str
    value: Placed


class Gathering:
    """Mutable while the files are read; ``data`` is what came of it."""

    def __init__(self, languages: Sequence[str] = ()) -> None:
        self.languages = tuple(languages)
        self.examples: list[Example] = []
        self.outside: list[Example] = []
        self.synonyms: list[Synonym] = []
        self.regexes: dict[str, list[Placed]] = {}
        self.lookups: dict[str, list[Placed]] = {}

    @property
    def everything(self) -> list[Example]:
        """The examples, those out of scope last."""
        return [*self.examples, *self.outside]

    def add(
        self,
        text: str,
        label: str | None,
        language: str,
        marks: tuple[EntityMark, ...],
        place: tuple[str, int],
        metadata: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """One example; a label that says *none of the others* puts it outside."""
        if label is None or is_outside(label):
            self.outside.append(Example(text, OUT_OF_SCOPE, language, marks, *place, metadata))
        else:
            self.examples.append(Example(text, label, language, marks, *place, metadata))

    def language(self, told: str) -> str:
        """The bot's own name for a language as a file tells it: ``ES`` and ``es-CO`` are ``es`` where that is one."""
        told = told.strip().replace("_", "-").lower()
        names = {known.lower(): known for known in self.languages}
        return names.get(told) or names.get(told.partition("-")[0]) or told

    def data(self) -> TrainingData:
        """What was gathered. Of a phrase with two meanings the first holds."""
        synonyms: dict[str, str] = {}
        for each in self.synonyms:
            synonyms.setdefault(synonym_key(each.phrase), each.value.text)
        return TrainingData(
            examples=tuple(self.examples),
            synonyms=synonyms,
            regexes={name: tuple(each.text for each in found) for name, found in self.regexes.items() if found},
            lookups={
                name: tuple(dict.fromkeys(each.text for each in found)) for name, found in self.lookups.items() if found
            },
            outside=tuple(self.outside),
        )
