"""Amounts of money: ``20 mil pesos``, ``S/ 50``, ``R$ 30,50``, ``$20`` in the currency of the bot's country."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from babel.numbers import get_territory_currencies

from nlp.entities.found import Span
from nlp.entities.numbers import Number, plain
from nlp.entities.reading import Reading

_DOLLARS = "$"
_PESOS = "pesos"
_FALLBACK = "USD"
_PESO_CURRENCIES = frozenset({"ARS", "CLP", "COP", "CUP", "DOP", "MXN", "UYU"})
_DOLLAR_SIGNED = _PESO_CURRENCIES | {"USD", "BRL", "CAD", "AUD", "NZD", "BSD", "BZD"}
_SIGNS: Mapping[str, str] = {
    "us$": "USD", "u$s": "USD", "usd$": "USD", "u$d": "USD", "r$": "BRL", "rd$": "DOP", "mx$": "MXN", "s/": "PEN",
    "s/.": "PEN", "b/.": "PAB", "bs": "BOB", "bs.": "BOB", "gs.": "PYG", "c$": "NIO", "q": "GTQ", "l.": "HNL",
    "€": "EUR", "£": "GBP", "¥": "JPY", "₡": "CRC", "₲": "PYG", "₱": "PHP", "$": _DOLLARS,
    "col$": "COP", "ar$": "ARS", "clp$": "CLP", "cop$": "COP", "ca$": "CAD",
}  # fmt: skip
_CODE_LIST = "usd eur gbp brl cop mxn ars clp pen uyu pyg bob crc gtq hnl nio dop pab ves cup cad aud jpy chf cny"
_CODES = tuple(_CODE_LIST.split())
_NAMES: Mapping[str, str] = {
    "pesos colombianos": "COP", "pesos mexicanos": "MXN", "pesos argentinos": "ARS", "pesos chilenos": "CLP",
    "pesos uruguayos": "UYU", "pesos dominicanos": "DOP", "peso": _PESOS, "pesos": _PESOS,
    "dolar": "USD", "dolares": "USD", "dollar": "USD", "dollars": "USD", "bucks": "USD",
    "dolares americanos": "USD", "us dollars": "USD",
    "euro": "EUR", "euros": "EUR", "real": "BRL", "reais": "BRL", "reales": "BRL", "sol": "PEN", "soles": "PEN",
    "nuevos soles": "PEN", "boliviano": "BOB", "bolivianos": "BOB", "guarani": "PYG", "guaranies": "PYG",
    "colon": "CRC", "colones": "CRC", "quetzal": "GTQ", "quetzales": "GTQ", "lempira": "HNL", "lempiras": "HNL",
    "cordoba": "NIO", "cordobas": "NIO", "balboa": "PAB", "balboas": "PAB", "bolivar": "VES", "bolivares": "VES",
    "libras esterlinas": "GBP", "pounds": "GBP", "yenes": "JPY",
}  # fmt: skip
_THOUSANDS_OF_PESOS = frozenset({"luca", "lucas"})
_BEFORE = re.compile(
    rf"(?:(?<![^\W\d_])(?P<sign>{'|'.join(re.escape(s) for s in sorted(_SIGNS, key=len, reverse=True))})"
    rf"|\b(?P<code>{'|'.join(_CODES)}))\s?$"
)
_AFTER = re.compile(
    r"\s{0,2}(?:de )?(?:(?P<sign>us\$|u\$s|r\$|[$€£₡₲])"
    rf"|(?P<name>{'|'.join(sorted({*_NAMES, *_CODES, *_THOUSANDS_OF_PESOS}, key=len, reverse=True))})\b)"
)
_HINT = re.compile(r"[$€£¥₡₲₱]|s/|b/\.|\b(?:bs|gs|q|l)\b")
_CENTS = re.compile(r"\s{0,2}(?:y|e|and|con|com)?\s(\d{1,2})\s(?:centavos?|centimos?|cents?|centesimos?)\b")
_WORDS = frozenset(word for name in (*_NAMES, *_CODES, *_THOUSANDS_OF_PESOS) for word in name.split())
AMOUNT_WORDS = _WORDS | {"bs", "gs", "q", "l"}
"""Without any of these an amount has a sign that is no letter."""
_MOST_BEFORE = 8


class Amounts:
    """Reads amounts; what ``$`` and ``pesos`` mean depends on the country."""

    def __init__(self, country: str = "") -> None:
        own = [str(code) for code in get_territory_currencies(country.upper())] if country else []
        self._own = own[-1] if own else ""

    def find(self, reading: Reading, numbers: Sequence[Number]) -> Iterable[Span]:
        """One amount for each number with a currency before or after it."""
        folded = reading.folded
        if not numbers or (
            folded.isascii() and "$" not in folded and "/" not in folded and reading.clues.isdisjoint(AMOUNT_WORDS)
        ):
            return ()
        if reading.vocabulary.isdisjoint(_WORDS) and not _HINT.search(folded):
            return ()
        return self._amounts(reading, numbers)

    def _amounts(self, reading: Reading, numbers: Sequence[Number]) -> Iterator[Span]:
        for number in numbers:
            if (span := self._amount(reading.folded, number)) is not None:
                yield span

    def _amount(self, folded: str, number: Number) -> Span | None:
        start, end, value = number.start, number.end, number.value
        currency, confidence = "", 0.95
        before = _BEFORE.search(folded[max(0, start - _MOST_BEFORE) : start]) if not number.is_spoken else None
        if before is not None:
            currency = _SIGNS[before["sign"]] if before["sign"] else before["code"].upper()
            start -= len(before[0])
        after = _AFTER.match(folded, end)
        if after is not None and after["name"] in _THOUSANDS_OF_PESOS:
            value, currency, end = value * 1000, _PESOS, after.end()
        elif after is not None and (named := _meaning(after)) and currency in {"", _DOLLARS, _PESOS, named}:
            currency, end = named, after.end()
        if not currency:
            return None
        if currency in {_DOLLARS, _PESOS}:
            currency, confidence = self._local(currency)
        if (cents := _CENTS.match(folded, end)) is not None:
            value, end = value + int(cents[1]) / 100, cents.end()
        return Span("amount", {"amount": plain(value), "currency": currency}, start, end, confidence)

    def _local(self, sign: str) -> tuple[str, float]:
        """The bot's currency where it is written so, else dollars; pesos of nobody knows where are the bot's own."""
        if sign == _PESOS:
            return (self._own, 0.95) if self._own in _PESO_CURRENCIES else (self._own or "MXN", 0.5)
        return (self._own, 0.9) if self._own in _DOLLAR_SIGNED else (_FALLBACK, 0.7)


def _meaning(after: re.Match[str]) -> str:
    if after["sign"]:
        return _SIGNS[after["sign"]]
    name = after["name"]
    return _NAMES.get(name) or name.upper()
