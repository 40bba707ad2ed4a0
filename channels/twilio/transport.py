"""Carries requests to Twilio over the line that all channels share.

Twilio's library is not used for it: its asynchronous client sends without any time limit, loses the headers of a
refusal (``Retry-After`` among them), and its own retries repeat POSTs, which sends messages twice. A test holds our
requests equal to the library's.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from channels.line import Line, LineAnswer
from channels.twilio.settings import TwilioSettings

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}
CONNECTIONS = 128

Pairs = Sequence[tuple[str, str]]


class Transport:
    """One endpoint's line to the API. Opened before use."""

    def __init__(self, settings: TwilioSettings) -> None:
        self.login = {"Authorization": aiohttp.encode_basic_auth(*settings.login)}
        self.line = Line(settings.times, connections=CONNECTIONS)

    async def open(self) -> None:
        await self.line.open()

    async def close(self) -> None:
        await self.line.close()

    async def post_form(self, url: str, pairs: Pairs) -> LineAnswer:
        """Raises ``Retry`` when it never left, ``Ambiguous`` when the connection broke; follows no redirect."""
        body = urlencode(pairs).encode() or None
        return await self.line.call("POST", URL(url, encoded=True), {**self.login, **FORM}, body)

    async def post_json(self, url: str, body: bytes) -> LineAnswer:
        return await self.line.call("POST", URL(url, encoded=True), {**self.login, **JSON}, body)

    async def get(self, url: str, pairs: Pairs = ()) -> LineAnswer:
        """Raises ``Retry`` whatever went wrong: asking twice harms nobody."""
        address = f"{url}?{urlencode(pairs)}" if pairs else url
        return await self.line.ask("GET", URL(address, encoded=True), self.login)
