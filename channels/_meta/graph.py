"""Calls the Graph API over one session, and tells what surely did not happen from what may have.

No address and no token is ever part of an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import aiohttp
import msgspec
from pydantic import SecretStr
from yarl import URL

from channels._meta.failures import GraphRefused, Usage, read_error, read_usage
from channels._meta.settings import MetaSettings
from channels._meta.verify import appsecret_proof
from channels.line import Body, Line, LineAnswer, file_in
from gateway.core.channel import RemoteFile
from gateway.core.errors import Ambiguous, GiveUp, Retry

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
        self._line = Line(settings.times, connections=settings.concurrency)

    async def open(self) -> None:
        """Open the session; no request is made."""
        await self._line.open()

    async def close(self) -> None:
        await self._line.close()

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
        return await self._call("POST", path, token, {}, form, {}, is_upload=True)

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
        body: Body,
        headers: Mapping[str, str],
        *,
        is_upload: bool = False,
    ) -> GraphAnswer:
        url = URL(f"{self._root}/{path}").with_query(self._proven(params, token))
        sent = {**headers, **_bearer(token)}
        return _settled(await self._line.call(method, url, sent, body, is_upload=is_upload))

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
        headers = _bearer(token) if token is not None else {}
        response = await self._line.begin(self._media_url(url), headers)
        return file_in(response, self._settings.max_download_bytes)

    def _media_url(self, address: str) -> URL:
        """Only Meta's own file servers, over https; the API's host besides, which an operator chose."""
        try:
            url = URL(address, encoded=True)
            host = (url.host or "").lower()
        except ValueError:
            raise GiveUp("refused", "the file's address cannot be called") from None
        if host and host == self._api_host:
            return url
        is_meta = any(host == known or host.endswith(f".{known}") for known in self._settings.media_hosts)
        if url.scheme != "https" or not is_meta:
            raise GiveUp("refused", "the file lies on no server of Meta's")
        return url


def _bearer(token: SecretStr) -> dict[str, str]:
    return {"Authorization": f"Bearer {token.get_secret_value()}"}


def _settled(answer: LineAnswer) -> GraphAnswer:
    if answer.is_ok:
        return GraphAnswer(answer.body, read_usage(answer.headers))
    raise GraphRefused(read_error(answer.status, answer.headers, answer.body))
