"""Who a visitor is to us, and the names of their conversations, without a row in the database for either."""

from __future__ import annotations

import hmac
import secrets

import msgspec

from channels.webchat.tokens import Seals, from_base64, to_base64
from gateway.core.inbound import AddressKey
from gateway.core.messages import Parts, plain_text

ADDRESS_KIND = "visitor"
MAX_NUMBER = 2**16 - 1
MAX_TITLE_CHARS = 60

_MARK_BYTES = 15
_NUMBER_BYTES = 2


class Visitor(msgspec.Struct, frozen=True, omit_defaults=True):
    """``is_identified``: the site vouches for who it is; then the name and details are its word, else claims.

    ``until_s`` is the Unix time at which what they showed us ends, and any connection that was opened with it.
    """

    id: str
    is_identified: bool = False
    name: str = ""
    details: dict[str, str] = {}
    language: str = ""
    page: str = ""
    until_s: int = 0

    def address(self, number: int) -> AddressKey:
        """Where conversation *number* of this visitor is written to."""
        return AddressKey(ADDRESS_KIND, f"{self.id}/{number}")


def anonymous_id() -> str:
    """The id of somebody who was never here."""
    return "v_" + to_base64(secrets.token_bytes(16))


def identified_id(seals: Seals, subject: str) -> str:
    """The id of whom the site calls *subject*: the same on every device, and telling nothing of that name."""
    return "v_" + to_base64(seals.mark("person", subject, 16))


def conversation_name(seals: Seals, visitor_id: str, number: int) -> str:
    """The public name of a visitor's conversation; always the same one."""
    return "c_" + to_base64(number.to_bytes(_NUMBER_BYTES) + _mark(seals, visitor_id, number))


def number_of(seals: Seals, visitor_id: str, name: str) -> int | None:
    """Which of this visitor's conversations has that name; ``None``: none of them."""
    raw = from_base64(name.removeprefix("c_")) if name.startswith("c_") else None
    if raw is None or len(raw) != _NUMBER_BYTES + _MARK_BYTES:
        return None
    number = int.from_bytes(raw[:_NUMBER_BYTES])
    return number if hmac.compare_digest(raw[_NUMBER_BYTES:], _mark(seals, visitor_id, number)) else None


def title_of(first: Parts, last: Parts) -> str:
    """A line that tells one conversation from another: the first words of the first message, else of the last."""
    words = " ".join((plain_text(first) or plain_text(last)).split())
    if len(words) <= MAX_TITLE_CHARS:
        return words
    cut = words[: MAX_TITLE_CHARS - 1]
    whole = cut.rpartition(" ")[0]
    return (whole if len(whole) > MAX_TITLE_CHARS // 2 else cut).rstrip() + "…"


def _mark(seals: Seals, visitor_id: str, number: int) -> bytes:
    return seals.mark("conversation", f"{visitor_id}/{number}", _MARK_BYTES)
