"""Calls Sunshine's API over one session, and tells what surely did not happen from what may have.

No error holds an address, a key or a token.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from urllib.parse import quote, urlsplit

import aiohttp
import jwt
import msgspec
from yarl import URL

from channels.sunshine.failures import Refused, named, read_problems
from channels.sunshine.settings import SunshineSettings
from gateway.core.channel import RemoteFile
from gateway.core.deadlines import Deadlines
from gateway.core.errors import Ambiguous, GiveUp, Misconfigured, Retry, TertuliaError

KEEPALIVE_S = 20.0
ANSWER_LIMIT_BYTES = 5_000_000
_CHUNK_BYTES = 65_536
_JSON = {"Content-Type": "application/json"}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})

_encode = msgspec.json.Encoder().encode


class Line:
    """The line to one app. Opened before use; opening or closing twice is harmless."""

    def __init__(self, settings: SunshineSettings) -> None:
        self._settings = settings
        self._root = f"{settings.base_url}/v2/apps/{quote(settings.app_id, safe='')}"
        self._api_host = (urlsplit(settings.base_url).hostname or "").lower()
        self._proof = {"Authorization": authorization(settings)}
        self._session: aiohttp.ClientSession | None = None
        self._deadlines = Deadlines()

    async def open(self) -> None:
        """Open the session; no request is made."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._settings.rates.concurrency, keepalive_timeout=KEEPALIVE_S),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._settings.connect_timeout_s),
                cookie_jar=aiohttp.DummyCookieJar(),
            )

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    # ------------------------------------------------------------ calls

    async def post(self, path: str, body: object) -> bytes:
        """POST JSON below the app. Raises ``Refused``, ``Retry`` (nothing left us) or ``Ambiguous``."""
        return await self._call("POST", path, _encode(body), _JSON)

    async def patch(self, path: str, body: object) -> bytes:
        """PATCH JSON. Raises as :meth:`post`."""
        return await self._call("PATCH", path, _encode(body), _JSON)

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> bytes:
        """GET. Raises ``Refused`` or ``Retry``: asking again harms nobody."""
        try:
            return await self._call("GET", path, None, {}, query=query)
        except Ambiguous as error:
            raise Retry(error.detail) from None

    async def post_file(
        self, path: str, query: Mapping[str, str], *, field: str, name: str, mime: str, content: bytes
    ) -> bytes:
        """POST a file as a form. Raises ``Refused`` or ``Retry``: a file that was sent twice is seen by nobody."""
        form = aiohttp.FormData(default_to_multipart=True)
        form.add_field(field, content, filename=name or "file", content_type=mime or "application/octet-stream")
        try:
            return await self._call("POST", path, form, {}, query=query, within_s=self._settings.upload_timeout_s)
        except Ambiguous as error:
            raise Retry(error.detail) from None

    async def _call(
        self,
        method: str,
        path: str,
        data: bytes | aiohttp.FormData | None,
        headers: Mapping[str, str],
        *,
        query: Mapping[str, str] | None = None,
        within_s: float = 0.0,
    ) -> bytes:
        url = URL(f"{self._root}{path}", encoded=True)
        if query:
            url = url.with_query(dict(query))
        limit_s = within_s or self._settings.connect_timeout_s + self._settings.read_timeout_s
        try:
            with self._deadlines.within(limit_s):
                async with self._opened().request(
                    method, url, data=data, headers={**headers, **self._proof}, allow_redirects=False
                ) as response:
                    body = await _bounded(response)
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError) as error:
            raise Retry(f"no connection to Zendesk ({type(error).__name__})") from None
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError):
            raise Misconfigured("api_url", "is not an address that can be called") from None
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError, OSError) as error:
            raise Ambiguous(f"the call to Zendesk was interrupted ({type(error).__name__})") from None
        if 200 <= response.status < 300:
            return body
        raise Refused(response.status, read_problems(body), retry_after_s=_wait_s(response))

    # ------------------------------------------------------------ files

    async def download(self, address: str) -> RemoteFile:
        """Open a file of a message. The key goes to the API's own host and nowhere else.

        One redirect is followed, without the key, to a host where Zendesk keeps files. Raises ``Retry`` or ``GiveUp``,
        and so may the chunks: they end at ``max_download_bytes``.
        """
        response = await self._requested(address)
        if response.status in _REDIRECTS:
            target = response.headers.get("Location", "")
            response.close()
            response = await self._requested(target, is_redirected=True)
        try:
            _require_file(response, self._settings.max_download_bytes)
        except BaseException:
            response.close()
            raise
        name = response.content_disposition.filename if response.content_disposition else None
        mime = response.content_type if "Content-Type" in response.headers else ""
        return RemoteFile(self._chunks(response), size_bytes=response.content_length or 0, mime=mime, name=name or "")

    async def _requested(self, address: str, *, is_redirected: bool = False) -> aiohttp.ClientResponse:
        host = self._media_host(address)
        headers = self._proof if host == self._api_host and not is_redirected else {}
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=self._settings.connect_timeout_s, sock_read=self._settings.read_timeout_s
        )
        try:
            return await self._opened().get(address, headers=headers, allow_redirects=False, timeout=timeout)
        except (aiohttp.InvalidURL, ValueError):
            raise GiveUp("refused", "the file's address cannot be called") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Retry(f"the file server cannot be reached ({type(error).__name__})") from None

    def _media_host(self, address: str) -> str:
        """The host, once it is known for one where Zendesk keeps files, over https, or the API's own."""
        try:
            parts = urlsplit(address)
            host = (parts.hostname or "").lower()
            own = urlsplit(self._settings.base_url)
            is_own = bool(host) and (parts.scheme, host, parts.port) == (own.scheme, self._api_host, own.port)
        except ValueError:
            raise GiveUp("refused", "the file's address cannot be called") from None
        is_known = any(host == known or host.endswith(f".{known}") for known in self._settings.media_hosts)
        if is_own:
            return host
        if parts.scheme != "https" or not is_known or host == self._api_host:
            raise GiveUp("refused", "the file lies on no server of Zendesk's (setting media_hosts)")
        return host

    async def _chunks(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        taken = 0
        limit = self._settings.max_download_bytes
        try:
            async with response:
                async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                    taken += len(chunk)
                    if taken > limit:
                        raise GiveUp("too_large", f"a file of more than {limit} bytes")
                    yield chunk
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Retry(f"the download broke off ({type(error).__name__})") from None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the client is not open")
        return self._session


def authorization(settings: SunshineSettings) -> str:
    """The header that proves who we are: the key itself, or a token that was signed with it."""
    secret = settings.key_secret.get_secret_value()
    if settings.authentication == "basic":
        return "Basic " + base64.b64encode(f"{settings.key_id}:{secret}".encode()).decode()
    token = jwt.encode({"scope": settings.scope}, secret, algorithm="HS256", headers={"kid": settings.key_id})
    return f"Bearer {token}"


def as_error(refused: Refused) -> TertuliaError:
    """Our error for a refused question, which may always be asked again."""
    error = named(refused)
    return Retry(error.detail) if isinstance(error, Ambiguous) else error


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    """The body up to a limit that no answer comes near; a longer one is cut and will not decode."""
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        body += chunk
        if len(body) > ANSWER_LIMIT_BYTES:
            response.close()
            break
    return bytes(body)


def _wait_s(response: aiohttp.ClientResponse) -> float | None:
    """The header's seconds; ``None`` when there is none, or it is a date."""
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isdecimal() else None


def _require_file(response: aiohttp.ClientResponse, limit_bytes: int) -> None:
    status = response.status
    if status == 429 or status >= 500:
        raise Retry(f"the file server answered {status}", after_s=_wait_s(response))
    if status in {404, 410}:
        raise GiveUp("expired", "the file is gone", code=str(status))
    if status != 200:
        raise GiveUp("refused", f"the file server answered {status}", code=str(status))
    if (response.content_length or 0) > limit_bytes:
        raise GiveUp("too_large", f"a file of {response.content_length} bytes")
