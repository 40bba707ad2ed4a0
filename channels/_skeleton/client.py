"""Talks to the provider for one endpoint."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from yarl import URL

from channels._skeleton.failures import named
from channels._skeleton.settings import SkeletonSettings
from channels._skeleton.wire import decode_sent
from channels.line import Line, LineAnswer
from gateway.core.channel import Call, Finding, RemoteFile, Sent
from gateway.core.errors import Ambiguous, GiveUp, TertuliaError

_encode = msgspec.json.Encoder().encode


class SkeletonClient:
    """Fits ``Client``. Opened before use."""

    def __init__(self, settings: SkeletonSettings) -> None:
        self._settings = settings
        self._line = Line(settings.times, connections=settings.rates.concurrency)
        self._headers = {
            "Authorization": f"Bearer {settings.token.get_secret_value()}",
            "Content-Type": "application/json",
        }

    async def open(self) -> None:
        await self._line.open()

    async def close(self) -> None:
        await self._line.close()

    async def send(self, account: str, call: Call) -> Sent:
        """Make one call. Raises as ``Client.send`` says."""
        del account
        answer = await self._line.call("POST", self._url(call.method), self._headers, _encode(call.params))
        if not answer.is_ok:
            raise named(answer)
        try:
            return Sent((decode_sent(answer.body).id,))
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise Ambiguous("it was taken, and the answer cannot be read") from None

    async def acknowledge(self, account: str, token: str) -> None:
        """Show the customer that the message was read."""
        del account
        await self._tell("read", {"message": token})

    async def typing(self, account: str, recipient: str, heard: str = "") -> None:
        del account, heard
        await self._tell("typing", {"to": recipient})

    async def fetch(self, account: str, provider_ref: str) -> RemoteFile:
        """Open a file that the customer sent: only from the provider's own host, which gets the token."""
        del account
        url = URL(provider_ref)
        if url.host != URL(self._settings.api_url).host:
            raise GiveUp("refused", "the file lies on a foreign host")
        return RemoteFile(self._line.download(url, self._headers, self._settings.max_download_bytes))

    async def connect(self, public_url: str) -> Sequence[Finding]:
        """Tell the provider our address."""
        answer = await self._line.ask("PUT", self._url("webhook"), self._headers, _encode({"url": public_url}))
        if not answer.is_ok:
            raise named(answer)
        return [Finding("ok", f"webhooks go to {public_url}", about="webhook")]

    async def doctor(self, public_url: str) -> Sequence[Finding]:
        """Ask whether the token is good, and where webhooks go."""
        answer = await self._line.ask("GET", self._url("webhook"), self._headers)
        if not answer.is_ok:
            error = named(answer)
            return [Finding("bad", str(error), "look at the token and the address", about="credentials")]
        token = Finding("ok", "the provider accepts the token", about="credentials")
        return [token, _webhook(answer, public_url)]

    async def _tell(self, path: str, body: object) -> None:
        """Best effort."""
        try:
            await self._line.ask("POST", self._url(path), self._headers, _encode(body))
        except TertuliaError:
            return

    def _url(self, path: str) -> URL:
        return URL(f"{self._settings.api_url}/{path}")


def _webhook(answer: LineAnswer, public_url: str) -> Finding:
    try:
        found = str(msgspec.json.decode(answer.body, type=dict[str, str]).get("url", ""))
    except (msgspec.DecodeError, UnicodeDecodeError):
        found = ""
    if public_url and found == public_url:
        return Finding("ok", f"webhooks go to {found}", about="webhook")
    return Finding("bad", f"webhooks go to {found or 'nobody'}", "run `tertulia channels connect`", about="webhook")
