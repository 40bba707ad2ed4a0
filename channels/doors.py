"""What a channel needs that serves its visitors itself, beside the webhooks: a web chat has sockets and a widget."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import msgspec
import rjsmin  # type: ignore[import-untyped]
from aiohttp import web

from gateway.core.channel import EndpointSettings
from gateway.core.clock import Clock
from gateway.core.ids import AccountId
from gateway.core.metrics import Metrics
from gateway.core.news import News
from gateway.core.ports import ReceivePort
from gateway.store.blobs import Blobs
from gateway.store.database import Database

CONTENT_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".json": "application/json",
}


class DoorEndpoint(msgspec.Struct, frozen=True):
    """One endpoint of the channel; ``settings`` is an instance of the channel's own."""

    name: str
    settings: EndpointSettings
    account_id: AccountId


class DoorParts(msgspec.Struct, frozen=True):
    """What wiring hands in. ``poll_s``: how often to look for what other processes did, when nobody tells of it.

    ``public_url`` has no slash at its end and may be empty; ``proxies`` is how many proxies of ours stand in front.
    """

    endpoints: tuple[DoorEndpoint, ...]
    receive: ReceivePort
    database: Database
    blobs: Blobs
    news: News
    clock: Clock
    metrics: Metrics
    public_url: str
    proxies: int
    poll_s: float
    bot_name: str
    languages: tuple[str, ...]


class Doors(Protocol):
    """The doors of all endpoints of one channel in one process."""

    def routes(self) -> Sequence[web.AbstractRouteDef]: ...

    async def open(self) -> None: ...

    async def hang_up(self) -> None:
        """The process stops: say goodbye on every long connection, so that its visitor goes on elsewhere at once."""
        ...

    async def close(self) -> None: ...


@runtime_checkable
class HasDoors(Protocol):
    """A channel that serves its visitors itself."""

    def doors(self, parts: DoorParts) -> Doors:
        """The doors; not opened yet."""
        ...

    def invitation(self, endpoint: str, address: str) -> str:
        """One line for the operator: how visitors come in. ``address`` is the server's, without a slash at its end."""
        ...


class BrowserFiles:
    """Files for browsers out of one folder, read once: a newcomer to the folder needs a new process.

    Answers with ``ETag`` and asks to be checked each time, so that a new release is seen at once. Scripts go out
    without their comments and indentation: what stays is what runs, at two thirds of the size.
    """

    def __init__(self, folder: Path, headers: Mapping[str, str] | None = None) -> None:
        self._files: dict[str, tuple[bytes, str, str]] = {}
        self._headers = dict(headers or {})
        for path in sorted(folder.rglob("*")):
            if path.suffix in CONTENT_TYPES and path.is_file():
                body = _as_sent(path)
                tag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
                self._files[path.relative_to(folder).as_posix()] = (body, tag, CONTENT_TYPES[path.suffix])

    def answer(self, request: web.Request, name: str) -> web.Response:
        """The file, 304 when the browser has it already, or 404."""
        found = self._files.get(name)
        if found is None:
            return web.Response(status=404, text="there is no such file")
        body, tag, content_type = found
        headers = {
            "ETag": tag,
            "Cache-Control": "no-cache",
            "X-Content-Type-Options": "nosniff",
            **self._headers,
        }
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers=headers)
        response = web.Response(body=body, headers={"Content-Type": content_type, **headers})
        response.enable_compression()
        return response

    def route(self, prefix: str) -> web.RouteDef:
        """Serves every file below ``prefix``, which ends with a slash."""

        async def handle(request: web.Request) -> web.Response:
            return self.answer(request, request.match_info["name"])

        return web.get(prefix + "{name:.+}", handle)


def _as_sent(path: Path) -> bytes:
    if path.suffix != ".js":
        return path.read_bytes()
    return str(rjsmin.jsmin(path.read_text(encoding="utf-8"))).encode()
