"""Files of a conversation for agents: shown when they are plain pictures, sounds or films, downloaded otherwise."""

from __future__ import annotations

from urllib.parse import quote

from aiohttp import web

from gateway.core.messages import Media
from gateway.store.blobs import Blobs

SHOWN_TYPES = frozenset(
    {
        "image/png",
        "image/jpeg",
        "image/gif",
        "image/webp",
        "image/avif",
        "audio/mpeg",
        "audio/ogg",
        "audio/mp4",
        "audio/aac",
        "audio/wav",
        "audio/webm",
        "video/mp4",
        "video/webm",
        "video/quicktime",
    }
)
"""Nothing that a browser would run. SVG holds scripts, so it is a download."""

SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, max-age=3600",
}


def headers_for(media: Media) -> dict[str, str]:
    """Headers under which no browser runs or renders what a stranger sent."""
    mime = media.mime.partition(";")[0].strip().lower()
    is_shown = mime in SHOWN_TYPES
    name = quote(media.name.replace("/", "_").replace("\\", "_") or "file", safe="")
    disposition = f"{'inline' if is_shown else 'attachment'}; filename*=UTF-8''{name}"
    return {
        **SAFE_HEADERS,
        "Content-Type": mime if is_shown else "application/octet-stream",
        "Content-Disposition": disposition,
        "ETag": f'"{media.blob.replace("/", "")}"',
    }


async def serve(request: web.Request, blobs: Blobs, media: Media) -> web.StreamResponse:
    """The file. Raises ``LookupError`` when it is not in the store."""
    headers = headers_for(media)
    if request.headers.get("If-None-Match") == headers["ETag"]:
        return web.Response(status=304, headers=headers)
    chunks = blobs.read(media.blob)
    first = await anext(chunks, b"")
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    await response.write(first)
    async for chunk in chunks:
        await response.write(chunk)
    await response.write_eof()
    return response
