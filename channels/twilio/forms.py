"""Reads webhook forms quickly: Twilio sends some twenty fields a message, and each is read twice (proof, content).

The standard library's reader is right and takes too long for that. Here the whole body is decoded at once by C
functions; whatever is not plainly well-formed goes to the standard library, whose answer is the definition.
"""

from __future__ import annotations

from binascii import a2b_qp
from collections.abc import Iterable
from urllib.parse import parse_qsl

from gateway.core.errors import BadPayload

_EQUALS, _AND = b"\x00", b"\x01"
_TO_QUOTED_PRINTABLE = bytes.maketrans(b"+=&%", b" " + _EQUALS + _AND + b"=")
"""Percent encoding is quoted-printable with another sign; two control characters stand for the separators."""

_ALL_OTHERS = bytes(range(2, 256))

MAX_FIELDS = 2_000


def read_form(body: bytes) -> dict[str, str]:
    """The fields by name; of a repeated one the last. Raises ``BadPayload`` for what is no form at all."""
    decoded = _decoded(body)
    if decoded is not None:
        try:
            words = decoded.replace(_AND, _EQUALS).decode().split("\x00")  # names and values by turns
            return dict(zip(words[::2], words[1::2], strict=True))
        except UnicodeDecodeError:  # replaced sign by sign, as the library does
            pass
    return dict(read_pairs(body))


def read_pairs(body: bytes) -> list[tuple[str, str]]:
    """All fields in order, as the standard library reads them. Raises ``BadPayload`` for what is no form at all."""
    if not body.isascii() or b"=" not in body:
        raise BadPayload("not a form")
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        raise BadPayload(f"a form of more than {MAX_FIELDS} fields") from None


def sorted_fields(body: bytes) -> bytes | None:
    """Name and value of each distinct field, sorted and joined: what is signed. ``None``: ask :func:`join_sorted`."""
    decoded = _decoded(body)
    if decoded is None:
        return None
    return b"".join(sorted(set(decoded.split(_AND)))).replace(_EQUALS, b"")


def join_sorted(pairs: Iterable[tuple[str, str]]) -> bytes:
    """The same for pairs that were read slowly."""
    return "".join(name + value for name, value in sorted(set(pairs))).encode("utf-8", "surrogatepass")


def _decoded(body: bytes) -> bytes | None:
    """The decoded bytes with control characters for separators; ``None`` when it is not plainly well-formed.

    A wrong percent sign leaves more bytes than three to one, a name without a value or an encoded control character
    disturbs the order of the separators, and quoted-printable would join lines.
    """
    if b"\n" in body or b"\r" in body or not body.isascii():
        return None
    decoded = a2b_qp(body.translate(_TO_QUOTED_PRINTABLE))
    is_whole = len(decoded) + 2 * body.count(b"%") == len(body)
    are_pairs = decoded.translate(None, _ALL_OTHERS) == _EQUALS + (_AND + _EQUALS) * body.count(b"&")
    return decoded if is_whole and are_pairs else None
