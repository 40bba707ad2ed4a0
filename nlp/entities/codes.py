"""Codes of orders, cases and parcels: ``P-48213``, ``#12345``, ``pedido 100234``, ``ORD-2024-00123``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from nlp.entities.found import Span
from nlp.entities.reading import Reading

_LETTER_BY_DIGIT = re.compile(r"[a-z]\d|\d[a-z]")
_MIXED = re.compile(
    r"(?<![\w@./-])(?=[a-z0-9-]*[a-z])(?=(?:[a-z-]*\d){3})[a-z0-9]{1,12}(?:-[a-z0-9]{1,14}){0,4}(?![\w@/-])"
)
_HASH = re.compile(r"(?<![\w&/])#\s?(?!\d{1,3}[a-z]?-\d{1,3}(?![\w-]))((?=(?:[a-z-]*\d){3})[a-z0-9-]{3,24})(?![\w-])")
_NAMED = re.compile(
    r"\b(?:pedido|orden|order|compra|caso|case|ticket|radicado|reclamo|factura|invoice|guia|envio|seguimiento|tracking"
    r"|protocolo|chamado|rastreio|nota fiscal|reserva|booking|solicitud|referencia|reference|codigo|code)\b"
    r"(?:\s(?:numero|number|nro|num|no|n|n°|de|id|es|e|is|el|o)\b\.?){0,3}[\s:.#°]{1,4}(?P<code>[a-z]{0,5}-?\d[\da-z-]{3,23})(?![\w-])"
)
_NAMING = (
    "pedido orden order compra caso case ticket radicado reclamo factura invoice guia envio seguimiento tracking "
    "protocolo chamado rastreio nota reserva booking solicitud referencia reference codigo code"
)
CODE_WORDS = frozenset(_NAMING.split())
FEWEST_IN_CODES = 3
"""Digits that a text with a code has."""
_UNIT_LIKE = re.compile(
    r"\d+(?:gb|mb|kb|tb|g|kg|km|m|cm|mm|ml|l|am|pm|hs|hrs|h|min|k|usd|eur|cop|mah|mbps|st|nd|rd|th|mil)"
)


def find_codes(reading: Reading) -> Iterable[Span]:
    """Codes in upper case. What stands after a naming word may be digits alone."""
    if reading.digit_count < FEWEST_IN_CODES:
        return ()
    folded = reading.folded
    may_be_mixed = "-" in folded or _LETTER_BY_DIGIT.search(folded, max(0, reading.first_digit - 1)) is not None
    if not may_be_mixed and "#" not in folded and reading.clues.isdisjoint(CODE_WORDS):
        return ()
    return _found(reading, may_be_mixed=may_be_mixed)


def _found(reading: Reading, *, may_be_mixed: bool) -> Iterator[Span]:
    folded = reading.folded
    if not reading.clues.isdisjoint(CODE_WORDS):
        for match in _NAMED.finditer(folded):
            yield Span("code", match["code"].upper(), match.start("code"), match.end("code"), 0.95)
    if "#" in folded:
        for match in _HASH.finditer(folded):
            yield Span("code", match[1].strip("-").upper(), *match.span(), 0.9)
    if may_be_mixed:
        for match in _MIXED.finditer(folded):
            if not _UNIT_LIKE.fullmatch(match[0]):
                yield Span("code", match[0].strip("-").upper(), *match.span(), 0.7)
