"""Carries python-telegram-bot's requests over our own aiohttp session, and tells what may have been sent.

No message of an error holds an address: the bot's token is part of it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import aiohttp
import msgspec
from telegram.error import NetworkError, TelegramError
from telegram.request import BaseRequest, RequestData
from yarl import URL

from channels.fenced_body import FencedBody, was_withheld
from gateway.core.deadlines import Deadlines

if TYPE_CHECKING:
    from telegram._utils.types import JSONDict, ODVInput

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class NeverSent(NetworkError):
    """No connection came about: the provider knows nothing of the call."""


class Interrupted(NetworkError):
    """The connection broke, or time ran out, after the request had left: it may have taken effect."""


class UnexpectedStatus(NetworkError):
    """A failure that python-telegram-bot has no class for. ``status`` is the HTTP status."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"HTTP {status}: {detail}")
        self.status = status


class Throttled(NetworkError):
    """Too many requests. The library's own ``RetryAfter`` warns whenever one is made, so it is never made here."""

    def __init__(self, wait_s: float | None) -> None:
        super().__init__("asked to wait" if wait_s is None else f"asked to wait {wait_s:g} s")
        self.wait_s = wait_s


class Answer(msgspec.Struct, frozen=True):
    """What came back. ``retry_after_s`` is the header's, if it has one."""

    status: int
    body: bytes
    retry_after_s: float | None = None


class _Failure(msgspec.Struct, frozen=True):
    description: str = ""
    parameters: dict[str, int] = {}


_decode_failure = msgspec.json.Decoder(_Failure).decode


class AiohttpRequest(BaseRequest):
    """The transport of one bot. It does not own *session*; whoever made that closes it."""

    def __init__(
        self, session: aiohttp.ClientSession, *, call_timeout_s: float, read_timeout_s: float, upload_timeout_s: float
    ) -> None:
        self._session = session
        self._call_timeout_s = call_timeout_s
        self._read_timeout_s = read_timeout_s
        self._upload_timeout_s = upload_timeout_s
        self._deadlines = Deadlines()

    @property
    def read_timeout(self) -> float:
        return self._read_timeout_s

    async def initialize(self) -> None:
        """Nothing to do: the session is open."""

    async def shutdown(self) -> None:
        """Nothing to do: the session is closed by its owner."""

    async def exchange(self, url: URL, body: bytes | aiohttp.FormData, *, is_upload: bool = False) -> Answer:
        """One POST. Raises ``NeverSent`` or ``Interrupted``; never follows a redirect."""
        timeout_s = self._upload_timeout_s if is_upload else self._call_timeout_s
        headers = FORM if isinstance(body, bytes) else None
        data = FencedBody(body) if isinstance(body, bytes) else body
        try:
            with self._deadlines.within(timeout_s):
                async with self._session.post(url, data=data, headers=headers, allow_redirects=False) as response:
                    return Answer(response.status, await response.read(), retry_after_s(response))
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError) as error:
            raise NeverSent(f"no connection ({type(error).__name__})") from error
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError, OSError) as error:
            if was_withheld(error):
                raise NeverSent("its lease ran out") from error
            raise Interrupted(f"interrupted ({type(error).__name__})") from error

    async def do_request(
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        read_timeout: ODVInput[float] = BaseRequest.DEFAULT_NONE,
        write_timeout: ODVInput[float] = BaseRequest.DEFAULT_NONE,
        connect_timeout: ODVInput[float] = BaseRequest.DEFAULT_NONE,
        pool_timeout: ODVInput[float] = BaseRequest.DEFAULT_NONE,
    ) -> tuple[int, bytes]:
        """python-telegram-bot's way in. The timeouts are the session's: none may be given by call."""
        for given in (read_timeout, write_timeout, connect_timeout, pool_timeout):
            if given is not BaseRequest.DEFAULT_NONE:
                raise ValueError("timeouts are settings of the endpoint, not arguments of a call")
        if method != "POST":
            raise ValueError("only POST goes through here")
        is_upload = request_data is not None and request_data.contains_files
        answer = await self.exchange(URL(url, encoded=True), _body(request_data), is_upload=is_upload)
        return settled(answer)

    @staticmethod
    def parse_json_payload(payload: bytes) -> JSONDict:
        """Decode an answer; unlike the original it does not log what it cannot read."""
        try:
            return cast("JSONDict", msgspec.json.decode(payload, type=dict[str, object]))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise TelegramError("the answer is no JSON object") from error


class AnsweredRequest(BaseRequest):
    """Stands where a transport stands, with the answer already there: lets python-telegram-bot name a failure."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    @property
    def read_timeout(self) -> float:
        return 0.0

    async def initialize(self) -> None:
        """Nothing to do."""

    async def shutdown(self) -> None:
        """Nothing to do."""

    async def do_request(self, *_args: object, **_named: object) -> tuple[int, bytes]:
        return settled(self._answer)

    parse_json_payload = staticmethod(AiohttpRequest.parse_json_payload)


def settled(answer: Answer) -> tuple[int, bytes]:
    """Status and body, once the failures without a class of their own are raised as what they are."""
    if answer.status < 300:
        return answer.status, answer.body
    failure = _failure(answer.body)
    wait_s = failure.parameters.get("retry_after", answer.retry_after_s)
    if answer.status == 429 or "retry_after" in failure.parameters:
        raise Throttled(wait_s)
    is_named = answer.status in {400, 401, 403, 404, 409} or "migrate_to_chat_id" in failure.parameters
    if not is_named:
        raise UnexpectedStatus(answer.status, failure.description or "no description")
    return answer.status, answer.body


def _failure(body: bytes) -> _Failure:
    try:
        return _decode_failure(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Failure()


def retry_after_s(response: aiohttp.ClientResponse) -> float | None:
    """The header's seconds; ``None`` when there is none, or it is a date."""
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isdecimal() else None


def _body(data: RequestData | None) -> bytes | aiohttp.FormData:
    if data is None:
        return b""
    if not data.contains_files:
        return data.url_encoded_parameters().encode()
    form = aiohttp.FormData()
    for name, value in data.json_parameters.items():
        form.add_field(name, value)
    for name, (file_name, content, mime) in data.multipart_data.items():
        form.add_field(name, content, filename=file_name, content_type=mime)
    return form
