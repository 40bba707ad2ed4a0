"""Everything that can be found in a text, put together: what the author taught and what is built in."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from nlp.entities.amounts import AMOUNT_WORDS, Amounts
from nlp.entities.codes import CODE_WORDS, FEWEST_IN_CODES, find_codes
from nlp.entities.dates import DateWords
from nlp.entities.documents import FEWEST_IN_DOCUMENTS, PASSPORT_WORDS, Documents
from nlp.entities.durations import LENGTH_WORDS, ONE_WORDS, find_lengths
from nlp.entities.durations import spans as duration_spans
from nlp.entities.found import PERSONAL, Entity, Span, without_overlaps
from nlp.entities.gazetteer import Gazetteer, gazetteer_of
from nlp.entities.moments import Moments, zone_of
from nlp.entities.numbers import NUMBER_WORDS, Number, Numbers
from nlp.entities.numbers import spans as number_spans
from nlp.entities.patterns import Patterns
from nlp.entities.reachable import FEWEST_IN_PHONES, URL_WORDS, Phones, find_emails, find_urls
from nlp.entities.reading import Reading
from nlp.entities.tagger import Tagger, hints_of
from nlp.training_data import TrainingData, synonym_key

BUILT_IN = frozenset(
    {
        "number", "amount", "date", "time", "datetime", "period", "duration",
        "phone", "email", "url", "document", "code",
    }
)  # fmt: skip
"""The kinds that every bot knows."""

DOUBT = 0.3
"""Taken off the confidence of an annotated word where the tagger, which looks at its neighbours, sees none."""

LEAST_CONFIDENCE = 0.5
"""What is less sure is not told."""

_TELLING = frozenset[str]().union(
    NUMBER_WORDS, LENGTH_WORDS, ONE_WORDS, AMOUNT_WORDS, URL_WORDS, PASSPORT_WORDS, CODE_WORDS
)


class Extractor:
    """Finds entities. Holds nothing of a text; safe to share between threads.

    Costs 5 µs for a text without digits and without words for days or numbers, 15 to 30 µs with a number or a day,
    100 to 150 µs with phones, documents or numbers in words; three to five times that between other work, when the
    processor's caches hold none of it. Any string is harmless; beyond ``nlp.text.MAX_READ_CHARS`` nothing is read.
    """

    def __init__(
        self, data: TrainingData, languages: Sequence[str], *, country: str = "", tagger: Tagger | None = None
    ) -> None:
        """*country* (``CO``) decides on separators, currency, phones and documents; *tagger* finds what was annotated
        by its neighbourhood, without it the annotated words alone are found. Raises ``Misconfigured``.
        """
        self._synonyms = data.synonyms
        self._gazetteer: Gazetteer = gazetteer_of(data)
        self._patterns = Patterns(data.regexes) if data.regexes else None
        self._numbers = Numbers(country)
        self._amounts = Amounts(country)
        self._moments = Moments(DateWords(languages, country))
        self._telling = _TELLING | self._moments.words
        self._phones = Phones(country)
        self._documents = Documents(country)
        marked = {mark.kind for example in data.examples for mark in example.entities}
        self._tagger = tagger
        self._tagged = tagger.info.kinds if tagger is not None else frozenset()
        self.kinds: frozenset[str] = BUILT_IN | marked | data.lookups.keys() | data.regexes.keys()

    def extract(self, text: str, language: str, at: datetime, time_zone: str) -> tuple[Entity, ...]:
        """The entities in the order of the text, none overlapping another; *at* is when it was written.

        Raises ``KeyError`` or ``ValueError`` when there is no such *time_zone*.
        """
        reading = Reading(text)
        built_in = self._built_in(reading, language, at, time_zone)
        listed = [] if self._gazetteer.is_empty else list(self._gazetteer.find(reading))
        if self._tagger is not None:
            listed = self._with_tagged(self._tagger, reading, built_in, listed)
        found = [*built_in, *listed]
        if not reading.is_in_place:
            found = [_placed(span, reading) for span in found]
        if self._patterns is not None:
            found += [self._canonical(span) for span in self._patterns.find(text)]
        if len(found) < 2:
            return _lone(found[0], text) if found else ()
        sure = [span for span in found if span.confidence >= LEAST_CONFIDENCE]
        personal = [span for span in sure if span.kind in PERSONAL]
        return tuple([_entity(span, text, is_personal=_is_within(span, personal)) for span in without_overlaps(sure)])

    def known(self, reading: Reading, language: str, at: datetime, time_zone: str) -> list[Span]:
        """What is found without annotations: a hint for who learns from them. Offsets are of the folded text."""
        listed = (span for span in self._gazetteer.find(reading) if span.source == "lookup")
        return [*listed, *self._built_in(reading, language, at, time_zone)]

    def with_tagger(self, tagger: Tagger | None) -> Extractor:
        """The same extractor with another tagger; the lists are shared, so it costs nothing."""
        other = copy.copy(self)
        other._tagger = tagger  # noqa: SLF001 - of its own class
        other._tagged = tagger.info.kinds if tagger is not None else frozenset()  # noqa: SLF001
        return other

    def _built_in(self, reading: Reading, language: str, at: datetime, time_zone: str) -> list[Span]:
        """What a finder needs is asked here, for most texts have it not, and a call that finds nothing costs too."""
        zone, folded, digits = zone_of(time_zone), reading.folded, reading.digit_count
        reading.keep_clues(self._telling)
        numbers: Sequence[Number] = ()
        if digits or not reading.clues.isdisjoint(NUMBER_WORDS):
            numbers = self._numbers.find(reading, language)
        found = self._measured(reading, numbers, language, at, zone)
        if "@" in folded:
            found += find_emails(reading)
        if "." in folded or "://" in folded:
            found += find_urls(reading)
        if digits >= FEWEST_IN_DOCUMENTS:
            found += self._documents.find(reading)
        if digits >= FEWEST_IN_PHONES:
            found += self._phones.find(reading)
        if digits >= FEWEST_IN_CODES:
            found += find_codes(reading)
        if numbers:
            found += number_spans(numbers)
        return found

    def _measured(
        self, reading: Reading, numbers: Sequence[Number], language: str, at: datetime, zone: ZoneInfo
    ) -> list[Span]:
        """Days, times, amounts and lengths of time."""
        found: list[Span] = []
        clues = reading.clues
        lengths = [] if clues.isdisjoint(LENGTH_WORDS) else find_lengths(reading, numbers)
        if lengths or ((clues or reading.short_numbers > 1) and self._moments.may_find(reading, numbers)):
            found += self._moments.find(reading, numbers, lengths, language, at.astimezone(zone))
        if numbers:
            found += self._amounts.find(reading, numbers)
        if lengths:
            found += duration_spans(lengths)
        return found

    def _with_tagged(
        self, tagger: Tagger, reading: Reading, built_in: Sequence[Span], listed: Sequence[Span]
    ) -> list[Span]:
        """Tagged entities take their values from the lists; a mere word of a tagged kind, out of place, is doubtful."""
        hints = hints_of(reading, [*(span for span in listed if span.source == "lookup"), *built_in])
        tagged: list[Span] = []
        for span in tagger.find(reading, hints):
            listing = next((each for each in listed if _covers(each, span)), None)
            tagged.append(self._valued(span) if listing is None else _merged(listing, span))
        doubted = (self._doubted(span, tagged) for span in listed)
        return [*tagged, *(span for span in doubted if span is not None)]

    def _valued(self, span: Span) -> Span:
        return msgspec.structs.replace(span, value=self._synonyms.get(synonym_key(str(span.value)), span.value))

    def _doubted(self, span: Span, tagged: Sequence[Span]) -> Span | None:
        if span.source != "annotated" or span.kind not in self._tagged:
            return span
        if any(span.start < other.end and other.start < span.end for other in tagged):
            return None
        return msgspec.structs.replace(span, confidence=span.confidence - DOUBT)

    def _canonical(self, span: Span) -> Span:
        value = self._synonyms.get(synonym_key(str(span.value)))
        if value is None:
            return span
        return msgspec.structs.replace(span, value=value)


def _covers(listing: Span, span: Span) -> bool:
    return listing.kind == span.kind and listing.start <= span.start and span.end <= listing.end


def _merged(listing: Span, span: Span) -> Span:
    """What the list knows, in the role that the neighbours tell."""
    confidence = max(span.confidence, listing.confidence)
    return msgspec.structs.replace(listing, role=span.role, group=span.group, source="annotated", confidence=confidence)


def _placed(span: Span, reading: Reading) -> Span:
    """With offsets in the text itself."""
    start, end = reading.span(span.start, span.end)
    if (start, end) == (span.start, span.end):
        return span
    return msgspec.structs.replace(span, start=start, end=end)


def _lone(span: Span, text: str) -> tuple[Entity, ...]:
    return (_entity(span, text, is_personal=span.kind in PERSONAL),) if span.confidence >= LEAST_CONFIDENCE else ()


def _is_within(span: Span, personal: Sequence[Span]) -> bool:
    return bool(personal) and any(span.start < other.end and other.start < span.end for other in personal)


def _entity(span: Span, text: str, *, is_personal: bool) -> Entity:
    return Entity(
        kind=span.kind,
        text=text[span.start : span.end],
        value=span.value,
        start=span.start,
        end=span.end,
        confidence=span.confidence,
        role=span.role,
        group=span.group,
        source=span.source,
        is_personal=is_personal,
    )
