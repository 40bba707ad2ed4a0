"""Numbers in digits and in words: ``1.500``, ``20 mil``, ``veintidós``, ``mil e quinhentos``, ``2.5k``, ``a dozen``.

Words are read by text2num (MIT); digits by the rules below, because people mix both and every region its separators.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice

import msgspec
from babel import Locale, localedata
from babel.core import UnknownLocaleError
from text_to_num import Token, find_numbers

from nlp.entities.found import MAX_FINDS, Span, Taken
from nlp.entities.reading import Reading, Word

_DIGITS = re.compile(
    r"(?<![\w'])(?<!\d[.,])(?P<sign>-(?=\d))?(?P<whole>\d{1,3}(?:[.,']\d{3})+(?:[.,]\d{1,6})?|\d+(?:[.,]\d{1,6})?)(?![.,']?\d)"
)
_GROUPED = re.compile(r"\d{1,3}([.,'])\d{3}(?:[.,']\d{3})*")
_MULTIPLIERS: Mapping[str, float] = {
    **dict.fromkeys(("k", "mil", "thousand"), 1e3),
    **dict.fromkeys(("millon", "millones", "million", "millions", "milhao", "milhoes", "mm"), 1e6),
    **dict.fromkeys(("docena", "docenas", "dozen", "dozens", "duzia", "duzias"), 12.0),
}
_TIMES = re.compile(rf"\s{{0,2}}(?:de )?({'|'.join(sorted(_MULTIPLIERS, key=len, reverse=True))})\b")
_HALF_MORE = re.compile(r"\s(?:y medi[oa]|e mei[oa]|and a half)\b")
_HALVES = re.compile(
    r"\b(?:medi[oa]|mei[oa]|half an?)\s(millon|million|milhao|docena|dozen|duzia)\b"
    r"|\b(?:una?|uma|a)\s(docena|dozen|duzia)\b"
)
_SPOKEN_WORDS: Mapping[str, str] = {
    "es": (
        "uno una dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciseis diecisiete "
        "dieciocho diecinueve veinte veintiuno veintiun veintiuna veintidos veintitres veinticuatro veinticinco "
        "veintiseis veintisiete veintiocho veintinueve treinta cuarenta cincuenta sesenta setenta ochenta noventa cien "
        "ciento doscientos doscientas trescientos trescientas cuatrocientos cuatrocientas quinientos quinientas "
        "seiscientos seiscientas setecientos setecientas ochocientos ochocientas novecientos novecientas mil "
        "millon millones cero"
    ),
    "en": (
        "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
        "eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million zero "
        "one"
    ),
    "pt": (
        "dois duas tres quatro cinco seis sete oito nove dez onze doze treze catorze quatorze quinze dezesseis "
        "dezasseis dezessete dezassete dezoito dezenove dezanove vinte trinta quarenta cinquenta sessenta setenta "
        "oitenta noventa cem cento duzentos duzentas trezentos trezentas quatrocentos quatrocentas quinhentos "
        "quinhentas seiscentos setecentos oitocentos novecentos mil milhao milhoes zero um uma"
    ),
}
_SPOKEN = {language: frozenset(words.split()) for language, words in _SPOKEN_WORDS.items()}
NUMBER_WORDS = frozenset({"medio", "media", "meio", "meia", "half"}).union(_MULTIPLIERS, *_SPOKEN.values())
"""Without a digit and without any of these there is no number; without them a number in digits is what these say."""
_SPELT = {  # how text2num wants what people write without accents
    "veintidos": "veintidós",
    "veintitres": "veintitrés",
    "veintiseis": "veintiséis",
    "veintiun": "veintiuno",
    "veintiuna": "veintiuno",
    "milhao": "milhão",
    "milhoes": "milhões",
    "dezasseis": "dezesseis",
    "dezassete": "dezessete",
    "dezanove": "dezenove",
}
_NO_NUMBERS = ("mil gracias", "mil disculpas", "mil perdones", "mil desculpas")
_MOST = 1e15  # what is more is a string of digits and counts nothing
_ARTICLES = frozenset({"un", "una", "uno", "um", "uma", "one", "a"})


class Number(msgspec.Struct, frozen=True):
    """A number with its place in the folded text; ``is_spoken``: written in words alone."""

    value: float
    start: int
    end: int
    confidence: float
    is_spoken: bool


class Numbers:
    """Reads numbers as a region writes them."""

    def __init__(self, country: str = "") -> None:
        self._country = country

    def find(self, reading: Reading, language: str) -> list[Number]:
        """All numbers in order; where they overlap, what has digits stays."""
        found: list[Number] = []
        has_words = not reading.clues.isdisjoint(NUMBER_WORDS)
        if reading.digit_count:
            found += self._digits(reading, language, may_multiply=has_words)
        if has_words:
            found += _worded(reading, language.partition("-")[0])
        if len(found) < 2:
            return found
        taken = Taken()
        return sorted((each for each in found if taken.take(each.start, each.end)), key=lambda each: each.start)

    def _digits(self, reading: Reading, language: str, *, may_multiply: bool) -> list[Number]:
        folded = reading.folded
        found: list[Number] = []
        for match in _DIGITS.finditer(folded, max(0, reading.first_digit - 1)):
            sign, whole = match.groups()
            start, end = match.span()
            if whole.isdigit():
                if whole[0] == "0" and len(whole) > 1:
                    continue  # a part of a phone or a code
                value, confidence = float(whole), 0.9
            else:
                value, confidence = _value(whole, decimal_sign(language, self._country))
            is_below_zero = sign is not None and (start == 0 or folded[start - 1].isspace())
            start += 0 if is_below_zero or sign is None else 1
            if may_multiply:
                value, end = _multiplied(folded, value, end)
                if end < len(folded) and folded[end].isalnum() and folded[end - 1].isalnum() and end != match.end():
                    continue
            if value <= _MOST:
                found.append(Number(-value if is_below_zero else value, start, end, confidence, is_spoken=False))
                if len(found) == MAX_FINDS:
                    break
        return found


def spans(numbers: Sequence[Number]) -> list[Span]:
    """Numbers as entities; a lone article is none."""
    return [Span("number", plain(each.value), each.start, each.end, each.confidence) for each in numbers]


def plain(value: float) -> int | float:
    """A whole number as one."""
    return int(value) if value.is_integer() and abs(value) <= _MOST else round(value, 6)


@lru_cache(maxsize=256)
def decimal_sign(language: str, country: str) -> str:
    """``,`` or ``.``: what the country writes before decimals, else the language."""
    locale = locale_of(language, country)
    symbols = locale.number_symbols
    return str((symbols.get("latn") or symbols).get("decimal", ".")) if symbols else "."


def locale_of(language: str, country: str = "") -> Locale:
    """The rules of a language in a country, else of the language, else English ones."""
    main = language.partition("-")[0]
    for name in (f"{main}_{country.upper()}" if country else main, main):
        if localedata.exists(name):
            try:
                return Locale.parse(name)
            except (ValueError, UnknownLocaleError):
                continue
    return Locale.parse("en")


def _value(written: str, decimal: str) -> tuple[float, float]:
    """The number and the confidence in it. Three digits after a separator are thousands, as people mean it in chats."""
    grouped = _GROUPED.fullmatch(written)
    if grouped is not None and not written.startswith("0"):
        separators = {character for character in written if not character.isdigit()}
        is_unlike = len(separators) == 1 and decimal in separators
        if len(separators) == 1 or _is_mixed_grouping(written):
            return float(re.sub(r"\D", "", written)), 0.7 if is_unlike else 0.9
    point = max(written.rfind("."), written.rfind(","))
    if point < 0:
        return float(written.replace("'", "")), 0.9
    whole, rest = re.sub(r"\D", "", written[:point]), written[point + 1 :]
    if "'" in rest:
        return float(re.sub(r"\D", "", written)), 0.7  # 1.500'000: every sign groups
    return float(f"{whole}.{rest}"), 0.9


def _is_mixed_grouping(written: str) -> bool:
    """``1'500.000``: an apostrophe at the millions and points at the thousands."""
    return "'" in written and written.count(".") + written.count(",") == 1 and len(written.rsplit("'", 1)[1]) > 6


def _multiplied(folded: str, value: float, end: int) -> tuple[float, int]:
    """With the words after it: ``20 mil``, ``2 millones y medio``."""
    times = _TIMES.match(folded, end)
    if times is None:
        half = _HALF_MORE.match(folded, end) if value < 1e3 and value.is_integer() else None
        return (value + 0.5, half.end()) if half is not None else (value, end)
    factor = _MULTIPLIERS[times[1]]
    half = _HALF_MORE.match(folded, times.end()) if factor >= 1e3 else None
    return (value + (0.5 if half else 0.0)) * factor, (half or times).end()


def _worded(reading: Reading, language: str) -> Iterator[Number]:
    if not reading.vocabulary.isdisjoint(_MULTIPLIERS):
        yield from islice(_halves(reading.folded), MAX_FINDS)
    if not reading.vocabulary.isdisjoint(_SPOKEN.get(language, ())):
        yield from islice(_spoken(reading, language), MAX_FINDS)


def _spoken(reading: Reading, language: str) -> Iterator[Number]:
    words = reading.words
    ends = (0, *(word.end for word in words[:-1]))
    tokens = [
        _Spoken(word, is_apart=reading.folded[end : word.start].strip(" -") != "")
        for end, word in zip(ends, words, strict=True)
    ]
    for found in find_numbers(tokens, language, threshold=0.0):
        first, last = words[found.start], words[found.end - 1]
        if reading.folded.startswith(_NO_NUMBERS, first.start) or reading.folded[: first.start].endswith("por "):
            continue
        if found.is_ordinal or any(word.text.isdigit() for word in words[found.start : found.end]):
            continue
        is_article = found.end - found.start == 1 and first.text in _ARTICLES
        if is_article and len(words) > 1:
            continue
        value, end = _multiplied(reading.folded, float(found.value), last.end)
        half = _HALF_MORE.match(reading.folded, end) if value >= 1e6 else None
        if half is not None:
            value, end = value + 5e5, half.end()
        if value <= _MOST:
            yield Number(value, first.start, end, 0.7 if is_article else 0.9, is_spoken=True)


def _halves(folded: str) -> Iterator[Number]:
    for match in _HALVES.finditer(folded):
        factor = _MULTIPLIERS[match[1] or match[2]]
        yield Number(factor / 2 if match[1] else factor, *match.span(), 0.9, is_spoken=True)


class _Spoken:
    """A word as text2num asks for it."""

    __slots__ = ("_is_apart", "_text")

    def __init__(self, word: Word, *, is_apart: bool) -> None:
        self._text = _SPELT.get(word.text, word.text)
        self._is_apart = is_apart

    def text(self) -> str:
        return self._text

    def nt_separated(self, _previous: Token) -> bool:
        """Whether a stop stands before it: ``dos, tres`` are two numbers."""
        return self._is_apart

    def not_a_number_part(self) -> bool:
        return self._text.isdigit()
