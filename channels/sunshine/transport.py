"""Calls Sunshine's API over one session, and tells what surely did not happen from what may have.

No error holds an address, a key or a token.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

import aiohttp
import jwt
import msgspec
from yarl import URL

from channels.line import Body, Line, file_in
from channels.sunshine.failures import Refused, named, read_problems
from channels.sunshine.settings import SunshineSettings
from gateway.core.channel import RemoteFile
from gateway.core.errors import Ambiguous, GiveUp, Retry, TertuliaError

_JSON = {"Content-Type": "application/json"}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})

_encode = msgspec.json.Encoder().encode


class AppLine:
    """The line to one app. Opened before use; opening or closing twice is harmless."""

    def __init__(self, settings: SunshineSettings) -> None:
        self._settings = settings
        self._root = f"{settings.base_url}/v2/apps/{quote(settings.app_id, safe='')}"
        self._api_host = (urlsplit(settings.base_url).hostname or "").lower()
        self._proof = {"Authorization": authorization(settings)}
        self._line = Line(settings.times, connections=settings.rates.concurrency)

    async def open(self) -> None:
        """Open the session; no request is made."""
        await self._line.open()

    async def close(self) -> None:
        await self._line.close()

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
            return await self._call("POST", path, form, {}, query=query, is_upload=True)
        except Ambiguous as error:
            raise Retry(error.detail) from None

    async def _call(
        self,
        method: str,
        path: str,
        body: Body,
        headers: Mapping[str, str],
        *,
        query: Mapping[str, str] | None = None,
        is_upload: bool = False,
    ) -> bytes:
        url = URL(f"{self._root}{path}", encoded=True)
        if query:
            url = url.with_query(dict(query))
        answer = await self._line.call(method, url, {**headers, **self._proof}, body, is_upload=is_upload)
        if answer.is_ok:
            return answer.body
        raise Refused(answer.status, read_problems(answer.body), retry_after_s=answer.retry_after_s)

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
        if response.status == 403:
            response.close()
            raise GiveUp("refused", "the file's server answered 403", code="403")
        return file_in(response, self._settings.max_download_bytes)

    async def _requested(self, address: str, *, is_redirected: bool = False) -> aiohttp.ClientResponse:
        host = self._media_host(address)
        headers = self._proof if host == self._api_host and not is_redirected else {}
        try:
            url = URL(address)
        except ValueError:
            raise GiveUp("refused", "the file's address cannot be called") from None
        return await self._line.begin(url, headers)

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
