"""Files for browsers: what pages and widgets are made of, small on the wire and never out of date."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from pathlib import Path

import brotli  # type: ignore[import-untyped]
import msgspec
import rjsmin  # type: ignore[import-untyped]
from aiohttp import web

CONTENT_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".json": "application/json",
}

SMALLEST_COMPRESSED_BYTES = 256


class BrowserFile(msgspec.Struct, frozen=True):
    """One file as it is sent; ``packed`` has it by the name of an encoding, the smallest first."""

    body: bytes
    tag: str
    content_type: str
    packed: Mapping[str, bytes]


class BrowserFiles:
    """Files for browsers out of one folder, read once: a newcomer to the folder needs a new process.

    Answers with ``ETag`` and asks to be checked each time, so that a new release is seen at once. Scripts go out
    without their comments and indentation: what stays is what runs. Each is compressed once, as well as can be.
    """

    def __init__(self, folder: Path, headers: Mapping[str, str] | None = None) -> None:
        self._headers = dict(headers or {})
        self._files = {
            path.relative_to(folder).as_posix(): _read(path)
            for path in sorted(folder.rglob("*"))
            if path.suffix in CONTENT_TYPES and path.is_file()
        }

    def answer(self, request: web.Request, name: str) -> web.Response:
        """The file, 304 when the browser has it already, or 404."""
        found = self._files.get(name)
        if found is None:
            return web.Response(status=404, text="there is no such file")
        headers = {
            "ETag": found.tag,
            "Cache-Control": "no-cache",
            "X-Content-Type-Options": "nosniff",
            "Vary": "Accept-Encoding",
            **self._headers,
        }
        if request.headers.get("If-None-Match") == found.tag:
            return web.Response(status=304, headers=headers)
        headers["Content-Type"] = found.content_type
        accepted = _encodings(request.headers.get("Accept-Encoding", ""))
        for encoding, packed in found.packed.items():
            if encoding in accepted:
                return web.Response(body=packed, headers={**headers, "Content-Encoding": encoding})
        return web.Response(body=found.body, headers=headers)

    def route(self, prefix: str) -> web.RouteDef:
        """Serves every file below ``prefix``, which ends with a slash."""

        async def handle(request: web.Request) -> web.Response:
            return self.answer(request, request.match_info["name"])

        return web.get(prefix + "{name:.+}", handle)


def _encodings(header: str) -> set[str]:
    """The encodings that a browser takes; one of quality 0 it does not (RFC 9110, 12.5.3)."""
    entries = (entry.replace(" ", "").lower().partition(";q=") for entry in header.split(","))
    return {name for name, _, quality in entries if quality.strip("0.") or not quality}


def _read(path: Path) -> BrowserFile:
    body = _as_sent(path)
    tag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
    is_packed = path.suffix != ".png" and len(body) >= SMALLEST_COMPRESSED_BYTES
    packed = {"br": brotli.compress(body), "gzip": gzip.compress(body, mtime=0)} if is_packed else {}
    return BrowserFile(body, tag, CONTENT_TYPES[path.suffix], packed)


def _as_sent(path: Path) -> bytes:
    if path.suffix != ".js":
        return path.read_bytes()
    return str(rjsmin.jsmin(path.read_text(encoding="utf-8"))).encode()
