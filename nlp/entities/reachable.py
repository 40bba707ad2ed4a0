"""Where somebody can be reached: phone numbers (by phonenumbers, Apache-2.0), e-mail addresses, web addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nlp.entities.found import Span
from nlp.entities.reading import Reading

_EMAIL = re.compile(
    r"(?<![\w.+%-])[a-z0-9_](?:[a-z0-9._%+-]{0,62}[a-z0-9_%+-])?@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){1,5}[a-z]{2,24}(?![\w-])"
)
_URL = re.compile(
    r"(?<![\w@.])(?:https?://[^\s<>\"']{1,500}|www\.[^\s<>\"']{3,500}"
    r"|(?:[a-z0-9-]{1,63}\.){1,3}(?:com|net|org|info|app|io|dev|shop|store|gov|edu)(?:\.[a-z]{2})?(?![\w.@-])(?:/[^\s<>\"']{0,500})?)"
)
_IN_URLS = "www com net org info app io dev shop store gov edu"
URL_WORDS = frozenset(_IN_URLS.split())
_DIGITS = re.compile(r"\d")
_MAYBE_PHONE = re.compile(r"(?<!\w)[+(]?\d[\d\s().-]{5,24}\d(?!\w)")
_NEAR_PHONES = (
    "tel telefono telefone telephone phone celular cel cell mobile movil whatsapp whats wasap llamar llamame llamenme "
    "llama call ligar ligue liguem linea linha line numero number contacto contato fone zap"
)
_ABOUT_PHONES = frozenset(_NEAR_PHONES.split())
FEWEST_IN_PHONES, _MOST_DIGITS = 7, 15
_TRAILING = ".,;:!?)]}»”"


def find_emails(reading: Reading) -> Iterator[Span]:
    """Addresses in lower case."""
    if "@" not in reading.folded:
        return
    for match in _EMAIL.finditer(reading.folded):
        yield Span("email", match[0], *match.span(), 0.97)


def find_urls(reading: Reading) -> Iterator[Span]:
    """Addresses as they were written, with ``https://`` where the scheme is left out."""
    folded = reading.folded
    if "://" not in folded and ("." not in folded or reading.clues.isdisjoint(URL_WORDS)):
        return
    for match in _URL.finditer(folded):
        end = match.start() + len(match[0].rstrip(_TRAILING))
        start, last = reading.span(match.start(), end)
        written = reading.original[start:last]
        address = written if "://" in match[0] else f"https://{written}"
        yield Span("url", address, match.start(), end, 0.97 if "://" in match[0] else 0.9)


class Phones:
    """Reads phone numbers; those without a country's code are of the region."""

    def __init__(self, country: str = "") -> None:
        self._country = country.upper() or None

    def find(self, reading: Reading) -> Iterator[Span]:
        """Valid numbers in E.164. The library is loaded at the first text that may hold one (0.1 s, once)."""
        folded = reading.folded
        if reading.digit_count < FEWEST_IN_PHONES:
            return
        candidates = [match for match in _MAYBE_PHONE.finditer(folded) if _has_fitting_digits(match[0])]
        if not candidates:
            return
        import phonenumbers

        is_about = not reading.vocabulary.isdisjoint(_ABOUT_PHONES)
        for match in candidates:
            try:
                number = phonenumbers.parse(match[0], self._country)
            except phonenumbers.NumberParseException:
                continue
            if not phonenumbers.is_valid_number(number):
                continue
            value = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
            confidence = 0.97 if is_about or match[0].startswith("+") else 0.8
            yield Span("phone", value, *match.span(), confidence)


def _has_fitting_digits(text: str) -> bool:
    return FEWEST_IN_PHONES <= len(_DIGITS.findall(text)) <= _MOST_DIGITS
