"""Finds the words that an author listed (lookup tables, annotated values), also when they are mistyped.

A word that is not known is looked up by what is left of it when one letter is taken away (the idea of SymSpell,
W. Garbe 2012), so the cost does not grow with the length of the lists.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import msgspec

from nlp.entities.found import Source, Span
from nlp.entities.reading import Reading
from nlp.training_data import EntityMark, Example, TrainingData, synonym_key

MAX_WORDS = 10
"""Words of one listed phrase that are compared; a longer one is left out."""

_SHORTEST_MISTYPED, _LONGEST_MISTYPED = 5, 40
_TWO_MISTAKES_FROM = 8
_MOST_READINGS = 4  # of one mistyped word
_MOST_STEPS = 4_000  # of one text, whatever the lists hold
_LISTED, _MARKED, _PER_MISTAKE = 0.95, 0.9, 0.1
_LEAST_MARKED_SHARE = 0.3


class Entry(msgspec.Struct, frozen=True):
    """What a listed phrase stands for."""

    kind: str
    value: str
    source: Source
    confidence: float
    role: str = ""
    group: str = ""


class Gazetteer:
    """All listed phrases of a bot. Holds nothing of a text."""

    def __init__(
        self, entries: Iterable[tuple[str, Entry]], known: Collection[str] = (), *, forgives: bool = True
    ) -> None:
        """*entries* are phrases with their meaning; *known* are words that are right as they are.

        *forgives*: also mistyped ones are found.
        """
        self._entries: dict[str, list[Entry]] = defaultdict(list)
        for text, entry in entries:
            words = [word.text for word in Reading(text).words]
            if 0 < len(words) <= MAX_WORDS:
                self._entries[" ".join(words)].append(entry)
        phrases = [each.split(" ") for each in self._entries]
        self._beginnings = {" ".join(words[:count]) for words in phrases for count in range(1, len(words))}
        self._listed = frozenset(word for words in phrases for word in words)
        self._known = frozenset(known) | self._listed
        self.is_empty = not self._entries
        self._mistyped = _by_deletion(self._listed) if forgives else {}

    def find(self, reading: Reading) -> Iterator[Span]:
        """Every listed phrase; of those that begin at one place the longest. Bounded for any text."""
        if not self._entries or (not self._mistyped and reading.vocabulary.isdisjoint(self._listed)):
            return
        search = _Search(reading, self._entries, self._beginnings, self._readings(reading.vocabulary))
        for place in range(len(reading.words)):
            yield from search.longest(place)

    def _readings(self, vocabulary: Collection[str]) -> Mapping[str, Sequence[tuple[str, int]]]:
        """For each word of a text: the listed words that it may be, with the number of mistakes in it."""
        return {
            word: [(word, 0)] if word in self._known else self._corrected(word)
            for word in vocabulary
            if word in self._listed or word not in self._known
        }

    def _corrected(self, word: str) -> Sequence[tuple[str, int]]:
        if not _SHORTEST_MISTYPED <= len(word) <= _LONGEST_MISTYPED or not word.isalpha():
            return ()
        near: set[str] = set()
        for shorter in _shorter(word):
            found = self._mistyped.get(shorter, ())
            near.update((found,) if isinstance(found, str) else found)
        judged = [(listed, mistakes(word, listed)) for listed in near]
        most = 2 if len(word) >= _TWO_MISTAKES_FROM else 1
        return sorted((pair for pair in judged if pair[1] <= most), key=lambda pair: pair[::-1])[:_MOST_READINGS]


class _Search:
    """The phrases in one text."""

    def __init__(
        self,
        reading: Reading,
        entries: Mapping[str, Sequence[Entry]],
        beginnings: Collection[str],
        readings: Mapping[str, Sequence[tuple[str, int]]],
    ) -> None:
        self._reading = reading
        self._words = reading.words
        self._entries = entries
        self._beginnings = beginnings
        self._readings = readings
        self._steps = _MOST_STEPS

    def longest(self, place: int) -> Iterator[Span]:
        """What the longest phrase that begins at word *place* stands for; with the fewest mistakes."""
        found = list(self._phrases("", place, 0))
        if not found:
            return
        last, count, phrase = min(found, key=lambda each: (-each[0], each[1], each[2]))
        start, end = self._words[place].start, self._words[last].end
        for entry in self._entries[phrase]:
            confidence = round(entry.confidence - _PER_MISTAKE * count, 3)
            yield Span(entry.kind, entry.value, start, end, confidence, entry.source, entry.role, entry.group)

    def _phrases(self, begun: str, place: int, count: int) -> Iterator[tuple[int, int, str]]:
        """(last word, mistakes, phrase) of every phrase that goes on from *begun* with the word at *place*."""
        for word, more in self._readings.get(self._words[place].text, ()):
            self._steps -= 1
            if self._steps <= 0:
                return
            phrase = f"{begun} {word}" if begun else word
            if phrase in self._entries:
                yield place, count + more, phrase
            if phrase in self._beginnings and place + 1 < len(self._words) and self._is_joined(place):
                yield from self._phrases(phrase, place + 1, count + more)

    def _is_joined(self, place: int) -> bool:
        """Whether nothing but blanks, hyphens and points stands before the next word."""
        this, following = self._words[place], self._words[place + 1]
        return following.start - this.end < 4 and not self._reading.folded[this.end : following.start].strip(" -.'/&")


def gazetteer_of(data: TrainingData) -> Gazetteer:
    """The lists of an author: lookup tables, annotated values, and synonyms of either."""
    marked = list(_marked(data))
    entries = [*_looked_up(data), *marked]
    entries += _synonyms(data, [entry for _, entry in entries])
    known = {word for example in data.examples for word in Reading(example.text).vocabulary}
    return Gazetteer(entries, known)


def mistakes(word: str, other: str) -> int:
    """Letters left out, put in, replaced or swapped with the next (optimal string alignment)."""
    above: list[int] = []
    before = list(range(len(other) + 1))
    for row, letter in enumerate(word, 1):
        now = [row]
        for column, its in enumerate(other, 1):
            best = min(before[column] + 1, now[column - 1] + 1, before[column - 1] + (letter != its))
            if row > 1 and column > 1 and letter == other[column - 2] and word[row - 2] == its:
                best = min(best, above[column - 2] + 1)
            now.append(best)
        above, before = before, now
    return before[-1]


def _by_deletion(words: Iterable[str]) -> Mapping[int, str | tuple[str, ...]]:
    """For what is left of each word without one letter: the word, or the words where they are several."""
    found: dict[int, str | tuple[str, ...]] = {}
    for word in words:
        if not _SHORTEST_MISTYPED <= len(word) <= _LONGEST_MISTYPED or not word.isalpha():
            continue
        for shorter in _shorter(word):
            before = found.get(shorter)
            if before is None:
                found[shorter] = word
            else:
                found[shorter] = (before, word) if isinstance(before, str) else (*before, word)
    return found


def _shorter(word: str) -> set[int]:
    """The hashes of the word and of what is left of it without one letter: half the memory of the texts."""
    return {hash(word), *(hash(word[:place] + word[place + 1 :]) for place in range(len(word)))}


def _looked_up(data: TrainingData) -> Iterator[tuple[str, Entry]]:
    for kind, texts in data.lookups.items():
        for text in texts:
            yield text, Entry(kind, data.synonyms.get(synonym_key(text), text), "lookup", _LISTED)


def _marked(data: TrainingData) -> Iterator[tuple[str, Entry]]:
    """Annotated values that are seldom seen without an annotation, with their commonest meaning."""
    marks: dict[tuple[str, str], list[EntityMark]] = defaultdict(list)
    for example in data.examples:
        for mark in example.entities:
            marks[" ".join(word.text for word in Reading(mark.text).words), mark.kind].append(mark)
    seen = _times_seen({text for text, _ in marks}, data.examples)
    for (text, kind), same in marks.items():
        share = len(same) / max(seen[text], len(same))
        if not text or share < _LEAST_MARKED_SHARE:
            continue
        value = Counter(meaning(mark, data.synonyms) for mark in same).most_common(1)[0][0]
        role, group = (_only({getattr(mark, name) for mark in same}) for name in ("role", "group"))
        yield text, Entry(kind, value, "annotated", round(_MARKED * (0.5 + 0.5 * share), 3), role, group)


def meaning(mark: EntityMark, synonyms: Mapping[str, str]) -> str:
    """The value that the author gave, else the synonym's, else the words themselves."""
    return mark.value if mark.value != mark.text else synonyms.get(synonym_key(mark.text), mark.text)


def _times_seen(texts: Collection[str], examples: Iterable[Example]) -> Counter[str]:
    """How often each phrase stands in the examples, marked or not."""
    counted = Gazetteer(((text, Entry("", text, "annotated", 1.0)) for text in texts), forgives=False)
    return Counter(str(span.value) for example in examples for span in counted.find(Reading(example.text)))


def _synonyms(data: TrainingData, entries: Iterable[Entry]) -> Iterator[tuple[str, Entry]]:
    """Other words for a value that is listed."""
    kinds: dict[str, dict[str, Entry]] = defaultdict(dict)
    for entry in entries:
        kinds[entry.value].setdefault(entry.kind, entry)
    for text, value in data.synonyms.items():
        for entry in kinds.get(value, {}).values():
            yield text, entry


def _only(values: Collection[str]) -> str:
    return next(iter(values)) if len(values) == 1 else ""
