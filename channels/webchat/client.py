"""The way out to visitors: what is stored as sent is what they see, so sending is nothing but saying so."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.core.channel import Call, Finding, RemoteFile, Sent
from gateway.core.errors import GiveUp


class WebchatClient:
    """Fits ``Client``. A line becomes visible by its status, which deliver writes down after ``send`` returned."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def send(self, account: str, call: Call) -> Sent:
        """Always takes it: whoever is not connected now reads it when they come back."""
        del account
        return Sent((str(call.params["ref"]),))

    async def acknowledge(self, account: str, token: str) -> None: ...

    async def typing(self, account: str, recipient: str, heard: str = "") -> None:
        """Typing reaches visitors as news, without this client."""

    async def fetch(self, account: str, provider_ref: str) -> RemoteFile:
        """Visitors upload their files themselves: there is nothing to fetch."""
        del account
        raise GiveUp("not_supported", f"a web chat keeps no file {provider_ref[:40]!r}")

    async def connect(self, public_url: str) -> Sequence[Finding]:
        return await self.doctor(public_url)

    async def doctor(self, public_url: str) -> Sequence[Finding]:
        """What a page needs, so that somebody can put it there."""
        origin, separator, rest = public_url.partition("://")
        host = rest.partition("/")[0]
        if not separator or not host:
            return (Finding("warn", "server.public_url is not set", "set it, so that pages can load the widget"),)
        endpoint = public_url.rstrip("/").rpartition("/")[2]
        return (Finding("ok", "put this line into your pages", script_tag(endpoint, f"{origin}://{host}")),)


def script_tag(endpoint: str, address: str) -> str:
    """The line that brings the widget into a page."""
    return f'<script src="{address}/widget.js" data-site="{endpoint}" async></script>'
