"""Takes out of a text what tells who wrote it, before it is kept for anybody to read.

What is taken out leaves something that the classifier reads alike: digits become zeros (it reads every digit as a
zero anyway), a name becomes ``X``. So a redacted text is as good an example as the text was.

A rule finds what has a form. Names that are neither in the profile nor introduced ("me llamo …") have none: whoever
reviews the texts still sees those, which is why texts are kept of people who agreed only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from nlp.text import fold

MAX_CHARS = 500
"""Longer texts are cut: they are told, not asked."""

_MAIL = re.compile(r"(?<![\w.+%-])[\w.+%-]+@[\w-]+(?:\.[\w-]+)+")
_URL = re.compile(r"\b(?:https?://|www\.)[^\s<>]+", re.IGNORECASE)
_HANDLE = re.compile(r"(?<!\w)@\w{2,}")
_LONG_NUMBER = re.compile(r"\d(?:[\s.\-/()]{0,2}\d){4,}")
_TOKEN = re.compile(r"[\w-]+")
_FEWEST_DIGITS = 4
_DIGIT = re.compile(r"\d")
_LETTER = re.compile(r"[^\W\d_]")
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)?")
_INTRODUCED = re.compile(
    r"\b(?:me llamo|mi nombre es|my name is|my name's|i am called|meu nome é|me chamo|a nombre de|in the name of"
    r"|em nome de|le habla|te habla|habla con)\s+((?:[^\W\d_]+[ \t]*){1,3})",
    re.IGNORECASE,
)
_SHORTEST_NAME = 2
_MARK = "X"
_LINK_WORDS = frozenset({
    "y", "e", "and", "de", "del", "la", "las", "los", "da", "do", "dos", "von", "van", "que", "pero", "but", "tengo",
    "quiero", "necesito", "i", "want", "need", "have", "con", "with", "para", "for", "por", "mas", "quero", "preciso",
})  # fmt: skip
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2060\ufeff\ud800-\udfff]")
_BLANKS = re.compile(r"\s+")


def redact(text: str, names: Iterable[str] = ()) -> str:
    """*text* on one line without e-mails, addresses of pages, handles, long numbers, document numbers and *names*.

    *names* are what the profile says of the person (a name, a user name); each of their words goes, wherever it
    stands. At most ``MAX_CHARS`` characters. Any string will do; time grows with its first 4,000 characters only.
    """
    line = _BLANKS.sub(" ", _CONTROL.sub("", text[: 8 * MAX_CHARS])).strip()
    line = _URL.sub("https://example.org", line)
    line = _MAIL.sub("name@example.org", line)
    line = _HANDLE.sub(f"@{_MARK}", line)
    line = _TOKEN.sub(_without_code, line)
    line = _LONG_NUMBER.sub(lambda found: _DIGIT.sub("0", found[0]), line)
    line = _INTRODUCED.sub(_without_introduced, line)
    return _without_names(line, names)[:MAX_CHARS]


def _without_code(found: re.Match[str]) -> str:
    """Document and order numbers keep their shape: ``B1234567L`` is ``X0000000X``."""
    if len(_DIGIT.findall(found[0])) < _FEWEST_DIGITS or not _LETTER.search(found[0]):
        return found[0]
    return _DIGIT.sub("0", _LETTER.sub(_MARK, found[0]))


def _without_introduced(found: re.Match[str]) -> str:
    words = found[1].split()
    kept = next((index for index, word in enumerate(words) if fold(word) in _LINK_WORDS), len(words))
    if not kept:
        return found[0]
    rest = " ".join(words[kept:])
    tail = found[1][len(found[1].rstrip()) :]
    said = found[0][: found.start(1) - found.start()]
    return f"{said}{_MARK}{' ' + rest if rest else ''}{tail}"


def _without_names(text: str, names: Iterable[str]) -> str:
    words = {fold(word) for name in names for word in _WORD.findall(name) if len(word) >= _SHORTEST_NAME}
    words -= _LINK_WORDS
    if not words:
        return text
    return _WORD.sub(lambda found: _MARK if fold(found[0]) in words else found[0], text)


def is_worth_keeping(text: str) -> bool:
    """Whether a redacted text can teach anything: it has a word of two letters that is not a mark."""
    return any(len(word) > 1 for word in _WORD.findall(text))
