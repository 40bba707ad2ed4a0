"""Everything that can be found in a text, put together: what the author taught and what is built in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from nlp.entities.amounts import Amounts
from nlp.entities.codes import find_codes
from nlp.entities.dates import DateWords
from nlp.entities.documents import Documents
from nlp.entities.durations import find_lengths
from nlp.entities.durations import spans as duration_spans
from nlp.entities.found import Entity, Span, without_overlaps
from nlp.entities.gazetteer import Gazetteer, gazetteer_of
from nlp.entities.moments import Moments, local
from nlp.entities.numbers import Numbers
from nlp.entities.numbers import spans as number_spans
from nlp.entities.patterns import Patterns
from nlp.entities.reachable import Phones, find_emails, find_urls
from nlp.entities.reading import Reading
from nlp.training_data import TrainingData, synonym_key

BUILT_IN = frozenset(
    {
        "number", "amount", "date", "time", "datetime", "period", "duration",
        "phone", "email", "url", "document", "code",
    }
)  # fmt: skip
"""The kinds that every bot knows."""

LEAST_CONFIDENCE = 0.5
"""What is less sure is not told."""


class Extractor:
    """Finds entities. Holds nothing of a text; safe to share between threads.

    Costs 10 to 40 µs for a text without digits and without words for days, 100 to 250 µs else. Any string is harmless;
    beyond ``MAX_READ_CHARS`` nothing is read.
    """

    def __init__(self, data: TrainingData, languages: Sequence[str], *, country: str = "") -> None:
        """*country* (``CO``) decides on separators, currency, phones and documents. Raises ``Misconfigured``."""
        self._synonyms = data.synonyms
        self._gazetteer: Gazetteer = gazetteer_of(data)
        self._patterns = Patterns(data.regexes)
        self._numbers = Numbers(country)
        self._amounts = Amounts(country)
        self._moments = Moments(DateWords(languages, country))
        self._phones = Phones(country)
        self._documents = Documents(country)
        marked = {mark.kind for example in data.examples for mark in example.entities}
        self.kinds: frozenset[str] = BUILT_IN | marked | data.lookups.keys() | data.regexes.keys()

    def extract(self, text: str, language: str, at: datetime, time_zone: str) -> tuple[Entity, ...]:
        """The entities in the order of the text, none overlapping another; *at* is when it was written.

        Raises ``KeyError`` or ``ValueError`` when there is no such *time_zone*.
        """
        reading = Reading(text)
        found = [_placed(span, reading) for span in self._built_in(reading, language, at, time_zone)]
        found += [_placed(span, reading) for span in self._gazetteer.find(reading)]
        found += [self._canonical(span) for span in self._patterns.find(text)]
        sure = [span for span in found if span.confidence >= LEAST_CONFIDENCE]
        return tuple(_entity(span, text) for span in without_overlaps(sure))

    def _built_in(self, reading: Reading, language: str, at: datetime, time_zone: str) -> Iterator[Span]:
        numbers = self._numbers.find(reading, language)
        lengths = find_lengths(reading, numbers)
        yield from self._moments.find(reading, numbers, lengths, language, local(at, time_zone))
        yield from self._amounts.find(reading, numbers)
        yield from duration_spans(lengths)
        yield from find_emails(reading)
        yield from find_urls(reading)
        yield from self._documents.find(reading)
        yield from self._phones.find(reading)
        yield from find_codes(reading)
        yield from number_spans(numbers)

    def _canonical(self, span: Span) -> Span:
        value = self._synonyms.get(synonym_key(str(span.value)))
        if value is None:
            return span
        return Span(span.kind, value, span.start, span.end, span.confidence, span.source)


def _placed(span: Span, reading: Reading) -> Span:
    """With offsets in the text itself."""
    start, end = reading.span(span.start, span.end)
    if (start, end) == (span.start, span.end):
        return span
    return Span(span.kind, span.value, start, end, span.confidence, span.source, span.role, span.group)


def _entity(span: Span, text: str) -> Entity:
    return Entity(
        span.kind, text[span.start : span.end], span.value, span.start, span.end, span.confidence, span.role,
        span.group, span.source,
    )  # fmt: skip
