"""Files of a conversation for agents: shown when they are plain pictures, sounds or films, downloaded otherwise."""

from __future__ import annotations

from aiohttp import web

from channels.file_answers import answer_file
from gateway.core.messages import Media
from gateway.store.blobs import Blobs
from gateway.web.file_headers import SHOWN_TYPES, headers_for

__all__ = ["SHOWN_TYPES", "headers_for", "serve"]


async def serve(request: web.Request, blobs: Blobs, media: Media) -> web.StreamResponse:
    """The file. Raises ``LookupError`` when it is not in the store."""
    return await answer_file(request, blobs, media.blob, headers_for(media))
