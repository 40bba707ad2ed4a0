"""What an author taught: texts with their labels, and what was said of entities."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Mapping

import msgspec

from nlp.text import fold, for_intents, phrase

OUT_OF_SCOPE = "out_of_scope"
"""The label of all examples that belong to none of the intents, whatever the file calls it."""


class EntityMark(msgspec.Struct, frozen=True):
    """An annotated piece of an example; ``start`` and ``end`` are offsets in the clean text."""

    kind: str
    text: str
    value: str
    start: int
    end: int
    role: str = ""
    group: str = ""


class Example(msgspec.Struct, frozen=True):
    """One text with its intent. ``language`` is empty when the file does not tell.

    ``metadata`` holds the author's notes on the example and its intent as sorted pairs of texts; nothing is learnt
    from them.
    """

    text: str
    intent: str
    language: str = ""
    entities: tuple[EntityMark, ...] = ()
    file: str = ""
    line: int = 0
    metadata: tuple[tuple[str, str], ...] = ()


class TrainingData(msgspec.Struct, frozen=True):
    """Everything the author wrote for understanding.

    ``synonyms`` maps a phrase (``synonym_key``) to its canonical value. ``outside`` holds texts that none of the
    intents should take; their ``intent`` is ``OUT_OF_SCOPE``.
    """

    examples: tuple[Example, ...]
    synonyms: Mapping[str, str] = {}
    regexes: Mapping[str, tuple[str, ...]] = {}
    lookups: Mapping[str, tuple[str, ...]] = {}
    outside: tuple[Example, ...] = ()

    @property
    def intents(self) -> tuple[str, ...]:
        """The intents' names, sorted."""
        return tuple(sorted({example.intent for example in self.examples}))

    @property
    def fingerprint(self) -> str:
        """Names what is learnt from: texts, labels, languages, entities, synonyms, regexes, lookups, outside.

        The order, repetitions, the files they stand in and metadata make no difference. 16 hexadecimal digits.
        """
        taught = (
            sorted({_taught(example) for example in self.examples}),
            sorted({_taught(example) for example in self.outside}),
            sorted(self.synonyms.items()),
            sorted((name, tuple(sorted(set(patterns)))) for name, patterns in self.regexes.items()),
            sorted((name, tuple(sorted(set(entries)))) for name, entries in self.lookups.items()),
        )
        return hashlib.sha256(repr(taught).encode("utf-8", "surrogatepass")).hexdigest()[:16]


_Taught = tuple[str, str, str, tuple[tuple[int, int, str, str, str, str], ...]]


def _taught(example: Example) -> _Taught:
    marks = sorted((each.start, each.end, each.kind, each.value, each.role, each.group) for each in example.entities)
    return example.text, example.intent, example.language, tuple(marks)


def same_text(text: str) -> str:
    """Texts with the same one are duplicates: folded, blanks squeezed; numbers still differ."""
    return " ".join(fold(text).split())


def same_to_classifier(text: str) -> str:
    """Texts with the same one cannot be told apart by a classifier: also digits are the same."""
    return " ".join(for_intents(text).split())


def synonym_key(text: str) -> str:
    """Under what ``TrainingData.synonyms`` holds a phrase; a phrase of signs alone stays as it is."""
    return phrase(text) or unicodedata.normalize("NFKC", text).strip()


def languages_told(examples: Iterable[Example]) -> frozenset[str]:
    """The languages that the files tell of."""
    return frozenset(example.language for example in examples if example.language)
