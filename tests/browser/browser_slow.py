"""A slow machine on a slow line, to find the tests (and the pages) that count on a quick one.

``TERTULIA_BROWSER_DELAY_MS=400 make test-browser``: every request and every frame of a socket comes that much later,
and pages compute at a quarter of their speed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os

from playwright.async_api import BrowserContext, Error, Page, Route, WebSocketRoute

DELAY_S = float(os.environ.get("TERTULIA_BROWSER_DELAY_MS") or 0) / 1000
CPU_TIMES = 4


async def slowed(context: BrowserContext) -> BrowserContext:
    """The same context; as slow as the environment asks for."""
    if DELAY_S:
        await context.route("**/*", _later)
        await context.route_web_socket("**/*", _socket_later)
        context.on("page", _compute_slowly)
    return context


async def _later(route: Route) -> None:
    await asyncio.sleep(DELAY_S)
    with contextlib.suppress(Error):  # the page may be gone
        await route.fallback()


def _socket_later(page_side: WebSocketRoute) -> None:
    server_side = page_side.connect_to_server()
    loop = asyncio.get_running_loop()
    page_side.on_message(lambda message: loop.call_later(DELAY_S, server_side.send, message))
    server_side.on_message(lambda message: loop.call_later(DELAY_S, page_side.send, message))


async def _compute_slowly(page: Page) -> None:
    with contextlib.suppress(Error):
        session = await page.context.new_cdp_session(page)
        await session.send("Emulation.setCPUThrottlingRate", {"rate": CPU_TIMES})
