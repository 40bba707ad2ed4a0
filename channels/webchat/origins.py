"""Which web pages may speak with a site: exact origins, and patterns for all hosts below one name."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

_ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
)
_PATTERN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<below>\*\.)?"
    r"(?P<host>[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}|\*))?"
)
_DEFAULT_PORTS = {"http": "80", "https": "443"}

EVERYONE = "*"


class Pattern(msgspec.Struct, frozen=True):
    """One entry of the list. ``is_below``: every host below ``host``, itself not; ``port`` ``*``: any."""

    scheme: str
    host: str
    port: str
    is_below: bool

    def fits(self, scheme: str, host: str, port: str) -> bool:
        has_host = host.endswith("." + self.host) if self.is_below else host == self.host
        return has_host and scheme == self.scheme and self.port in ("*", port)


def read_pattern(text: str) -> Pattern:
    """``https://shop.example``, ``https://*.example.com``, ``http://localhost:*``. Raises ``ValueError``."""
    found = _PATTERN.fullmatch(text.strip().lower().removesuffix("/"))
    if found is None:
        raise ValueError(f"{text!r} is no origin: write https://www.example.com or https://*.example.com, or *")
    if found["below"] and "." not in found["host"] and found["host"] != "localhost":
        raise ValueError(f"{text!r} would let in everybody's pages: name at least two parts after the *")
    return Pattern(found["scheme"], found["host"], _port(found["scheme"], found["port"]), bool(found["below"]))


class Origins:
    """A site's list; ``*`` on it lets in everyone."""

    def __init__(self, patterns: Iterable[str]) -> None:
        entries = [text.strip() for text in patterns]
        self.is_open = EVERYONE in entries
        self._patterns = tuple(read_pattern(text) for text in entries if text != EVERYONE)

    def allows(self, origin: str) -> bool:
        """Whether a page of this origin, as the browser names it, may speak with us."""
        if self.is_open:
            return True
        found = _ORIGIN.fullmatch(origin.lower())
        if found is None:
            return False
        port = _port(found["scheme"], found["port"])
        return any(pattern.fits(found["scheme"], found["host"], port) for pattern in self._patterns)


def _port(scheme: str, port: str | None) -> str:
    """The port in one way of writing: the scheme's own is left out."""
    return "" if port is None or port == _DEFAULT_PORTS.get(scheme) else port
