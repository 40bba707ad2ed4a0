"""The same news as over the socket, for pages whose network lets no socket through: server-sent events."""

from __future__ import annotations

import asyncio
import contextlib

from aiohttp import web

from gateway.web.desk.feed import Watcher
from gateway.web.desk.socket import SEND_WITHIN_S, next_frame

HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}


async def talk(request: web.Request, watcher: Watcher) -> web.StreamResponse:
    """Serve a page until it leaves, stops reading, or is sent elsewhere. Each frame is one ``data:`` line."""
    response = web.StreamResponse(headers=HEADERS)
    await response.prepare(request)
    with contextlib.suppress(ConnectionError, TimeoutError):
        while (frame := await next_frame(watcher)) is not None:
            async with asyncio.timeout(SEND_WITHIN_S):
                await response.write(f"data: {frame}\n\n".encode())
    return response
