"""Answers a request with a file of the blob store, whole or the part that a player asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress

from aiohttp import web

from gateway.store.blobs import Blobs

_RANGE = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})")


async def answer_file(request: web.Request, blobs: Blobs, key: str, headers: Mapping[str, str]) -> web.StreamResponse:
    """The file under *headers*, which say all that a browser may believe of it; to HEAD, only what it would be.

    Raises ``LookupError`` when it is not in the store.
    """
    size = await blobs.size(key)
    etag = headers.get("ETag", "")
    if etag and request.headers.get("If-None-Match") == etag:
        return web.Response(status=304, headers=headers)
    start, stop, status = wanted(request.headers.get("Range", ""), size)
    response = web.StreamResponse(status=status, headers={**headers, "Accept-Ranges": "bytes"})
    if status == 416:
        response.headers["Content-Range"] = f"bytes */{size}"
    elif status == 206:
        response.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    response.content_length = stop - start
    with suppress(ConnectionResetError):  # a player hangs up as soon as it has what it needs
        await response.prepare(request)
        if stop > start and request.method != "HEAD":
            async for chunk in blobs.read(key, start=start, stop=stop):
                await response.write(chunk)
        await response.write_eof()
    return response


def wanted(header: str, size: int) -> tuple[int, int, int]:
    """The bytes that a ``Range`` asks for (start, stop), and 206; all of them and 200; or none and 416."""
    found = _RANGE.fullmatch(header.replace(" ", ""))
    if found is None or found.group() == "bytes=-":
        return 0, size, 200
    first, last = found.groups()
    if not first:
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(size, int(last) + 1) if last else size
    return (start, stop, 206) if start < stop else (0, 0, 416)
