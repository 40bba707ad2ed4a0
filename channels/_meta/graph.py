"""Calls the Graph API over one session, and tells what surely did not happen from what may have.

No address and no token is ever part of an error.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from urllib.parse import urlsplit

import aiohttp
import msgspec
from multidict import CIMultiDictProxy
from pydantic import SecretStr
from yarl import URL

from channels._meta.failures import GraphRefused, Usage, read_error, read_usage
from channels._meta.settings import MetaSettings
from channels._meta.verify import appsecret_proof
from gateway.core.channel import RemoteFile
from gateway.core.deadlines import Deadlines
from gateway.core.errors import Ambiguous, GiveUp, Misconfigured, Retry

KEEPALIVE_S = 20.0
ANSWER_LIMIT_BYTES = 1_000_000
_CHUNK_BYTES = 65_536
_JSON = {"Content-Type": "application/json"}

_encode = msgspec.json.Encoder().encode


class GraphAnswer(msgspec.Struct, frozen=True):
    """What a call was answered with, when it was 2xx."""

    body: bytes
    usage: Usage = Usage()


class FormFile(msgspec.Struct, frozen=True):
    """A file in a multipart form."""

    field: str
    name: str
    mime: str
    content: bytes


class GraphLine:
    """The line to Meta of one endpoint. Opened before use; opening or closing twice is harmless."""

    def __init__(self, settings: MetaSettings) -> None:
        self._settings = settings
        self._root = settings.api_url + (f"/{settings.api_version}" if settings.api_version else "")
        self._api_host = (urlsplit(settings.api_url).hostname or "").lower()
        self._session: aiohttp.ClientSession | None = None
        self._deadlines = Deadlines()

    async def open(self) -> None:
        """Open the session; no request is made."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._settings.concurrency, keepalive_timeout=KEEPALIVE_S),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._settings.connect_timeout_s),
                cookie_jar=aiohttp.DummyCookieJar(),
            )

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    # ------------------------------------------------------------ calls

    async def post(
        self, path: str, body: object, token: SecretStr, *, params: Mapping[str, str] | None = None
    ) -> GraphAnswer:
        """POST JSON. Raises ``GraphRefused``, ``Retry`` (nothing left us), ``Ambiguous``."""
        return await self._call("POST", path, token, params or {}, _encode(body), _JSON)

    async def post_form(
        self, path: str, fields: Mapping[str, str], files: Sequence[FormFile], token: SecretStr
    ) -> GraphAnswer:
        """POST a multipart form; it may take ``upload_timeout_s``. Raises as :meth:`post`."""
        form = aiohttp.FormData(default_to_multipart=True)
        for name, value in fields.items():
            form.add_field(name, value)
        for file in files:
            mime = file.mime or "application/octet-stream"
            form.add_field(file.field, file.content, filename=file.name or file.field, content_type=mime)
        return await self._call("POST", path, token, {}, form, {}, timeout_s=self._settings.upload_timeout_s)

    async def get(self, path: str, params: Mapping[str, str], token: SecretStr) -> GraphAnswer:
        """GET. Raises ``GraphRefused`` or ``Retry``: asking again harms nobody."""
        try:
            return await self._call("GET", path, token, params, None, {})
        except Ambiguous as error:
            raise Retry(error.detail) from error

    async def delete(self, path: str, params: Mapping[str, str], token: SecretStr) -> GraphAnswer:
        """DELETE. Raises as :meth:`post`."""
        return await self._call("DELETE", path, token, params, None, {})

    async def _call(
        self,
        method: str,
        path: str,
        token: SecretStr,
        params: Mapping[str, str],
        data: bytes | aiohttp.FormData | None,
        headers: Mapping[str, str],
        *,
        timeout_s: float = 0.0,
    ) -> GraphAnswer:
        url = URL(f"{self._root}/{path}").with_query(self._proven(params, token))
        sent = {**headers, "Authorization": f"Bearer {token.get_secret_value()}"}
        within_s = timeout_s or self._settings.connect_timeout_s + self._settings.read_timeout_s
        try:
            with self._deadlines.within(within_s):
                async with self._opened().request(
                    method, url, data=data, headers=sent, allow_redirects=False
                ) as response:
                    body = await _bounded(response)
                    status, answered = response.status, response.headers
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError) as error:
            raise Retry(f"no connection to Meta ({type(error).__name__})") from None
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError):
            raise Misconfigured("api_url", "is not an address that can be called") from None
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError, OSError) as error:
            raise Ambiguous(f"the call to Meta was interrupted ({type(error).__name__})") from None
        return _settled(status, answered, body)

    def _proven(self, params: Mapping[str, str], token: SecretStr) -> Mapping[str, str]:
        if not self._settings.sends_appsecret_proof:
            return params
        secret = self._settings.app_secret.get_secret_value()
        return {**params, "appsecret_proof": appsecret_proof(token.get_secret_value(), secret)}

    # ------------------------------------------------------------ files

    async def download(self, url: str, token: SecretStr | None = None) -> RemoteFile:
        """Open a file of Meta's; *token* goes along only where Meta asks for it, and no redirect is followed.

        Raises ``Retry`` or ``GiveUp``, and so may its chunks: it ends at ``max_download_bytes``.
        """
        self._require_media_host(url)
        headers = {"Authorization": f"Bearer {token.get_secret_value()}"} if token is not None else {}
        response = await self._requested(url, headers)
        try:
            _require_file(response, self._settings.max_download_bytes)
        except BaseException:
            response.close()
            raise
        size = response.content_length or 0
        name = response.content_disposition.filename if response.content_disposition else None
        mime = response.content_type if "Content-Type" in response.headers else ""
        return RemoteFile(self._chunks(response), size_bytes=size, mime=mime, name=name or "")

    async def _requested(self, url: str, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=self._settings.connect_timeout_s, sock_read=self._settings.read_timeout_s
        )
        try:
            return await self._opened().get(
                URL(url, encoded=True), headers=headers, allow_redirects=False, timeout=timeout
            )
        except (aiohttp.InvalidURL, ValueError):
            raise GiveUp("refused", "the file's address cannot be called") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Retry(f"the file server cannot be reached ({type(error).__name__})") from None

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

    def _require_media_host(self, url: str) -> None:
        """Only Meta's own file servers, over https; the API's host besides, which an operator chose."""
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
        if host and host == self._api_host:
            return
        is_meta = any(host == known or host.endswith(f".{known}") for known in self._settings.media_hosts)
        if parts.scheme != "https" or not is_meta:
            raise GiveUp("refused", "the file lies on no server of Meta's")

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the client is not open")
        return self._session


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    """The body up to a limit that no answer of Graph's comes near; a longer one is cut and will not decode."""
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        body += chunk
        if len(body) > ANSWER_LIMIT_BYTES:
            response.close()
            break
    return bytes(body)


def _settled(status: int, headers: CIMultiDictProxy[str], body: bytes) -> GraphAnswer:
    if 200 <= status < 300:
        return GraphAnswer(body, read_usage(headers))
    raise GraphRefused(read_error(status, headers, body))


def _require_file(response: aiohttp.ClientResponse, limit_bytes: int) -> None:
    status = response.status
    if status == 429 or status >= 500:
        wait = response.headers.get("Retry-After", "")
        raise Retry(f"the file server answered {status}", after_s=float(wait) if wait.isdecimal() else None)
    if status in {403, 404, 410}:
        raise GiveUp("expired", "the file is gone", code=str(status))
    if status != 200:
        raise GiveUp("refused", f"the file server answered {status}", code=str(status))
    if (response.content_length or 0) > limit_bytes:
        raise GiveUp("too_large", f"a file of {response.content_length} bytes")
