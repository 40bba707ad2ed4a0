"""Carries requests to Twilio over our own aiohttp session, and tells what may have been done.

Twilio's library is not used for it: its asynchronous client sends without any time limit, loses the headers of a
refusal (``Retry-After`` among them), and its own retries repeat POSTs, which sends messages twice. A test holds our
requests equal to the library's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from channels.twilio.failures import Answer
from channels.twilio.settings import TwilioSettings
from gateway.core.deadlines import Deadlines
from gateway.core.errors import Ambiguous, Retry

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}

KEEPALIVE_S = 20.0
"""Idle connections are closed by us before the provider does it in the middle of a call."""

MAX_ANSWER_BYTES = 4_000_000
CONNECTIONS = 128

Pairs = Sequence[tuple[str, str]]


class Transport:
    """One endpoint's line to the API. Opens its session when made, within a running loop."""

    def __init__(self, settings: TwilioSettings) -> None:
        self._deadlines = Deadlines()
        self._timeout_s = settings.connect_timeout_s + settings.read_timeout_s
        self.login = {"Authorization": aiohttp.encode_basic_auth(*settings.login)}
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=KEEPALIVE_S),
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=settings.connect_timeout_s, sock_read=settings.read_timeout_s
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        await self.session.close()

    async def post_form(self, url: str, pairs: Pairs) -> Answer:
        """Raises ``Retry`` when it never left, ``Ambiguous`` when the connection broke; follows no redirect."""
        return await self._exchange("POST", URL(url, encoded=True), urlencode(pairs).encode(), FORM)

    async def post_json(self, url: str, body: bytes) -> Answer:
        return await self._exchange("POST", URL(url, encoded=True), body, JSON)

    async def get(self, url: str, pairs: Pairs = ()) -> Answer:
        """Raises ``Retry`` whatever went wrong: asking twice harms nobody."""
        address = f"{url}?{urlencode(pairs)}" if pairs else url
        try:
            return await self._exchange("GET", URL(address, encoded=True), b"", {})
        except Ambiguous as error:
            raise Retry(error.detail) from error

    async def _exchange(self, method: str, url: URL, body: bytes, headers: dict[str, str]) -> Answer:
        request = self.session.request(
            method, url, data=body or None, headers={**self.login, **headers}, allow_redirects=False
        )
        try:
            with self._deadlines.within(self._timeout_s):
                async with request as response:
                    content = await _bounded(response)
                    return Answer(response.status, content, retry_after_s(response))
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError) as error:
            raise Retry(f"no connection ({type(error).__name__})") from error
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError, OSError) as error:
            raise Ambiguous(f"interrupted ({type(error).__name__})") from error


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_chunked(65_536):
        content += chunk
        if len(content) > MAX_ANSWER_BYTES:
            raise Ambiguous(f"an answer of more than {MAX_ANSWER_BYTES} bytes")
    return bytes(content)


def retry_after_s(response: aiohttp.ClientResponse) -> float | None:
    """The header's seconds; ``None`` when there is none, or it is a date."""
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isdecimal() else None
