"""The harness itself: what it says about a page must be true, before anything is believed that it says about ours."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from browser_launch import Device
from browser_site import Cable, Site
from browser_watch import Watch
from playwright.async_api import Browser, Error, expect


async def test_the_host_page_is_readable_and_no_wider_than_the_screen(open_page, watch: Watch, tmp_path) -> None:
    site = Site(tmp_path, "")
    watch.expect("ERR_CONNECTION_REFUSED")  # no gateway runs here
    with site.served():
        for device in ("phone", "tablet", "desktop"):
            page = await open_page(site.page(), device)
            await expect(page.get_by_role("heading", level=1)).to_be_visible()
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), device


@pytest.mark.parametrize(("device", "width", "has_touch"), [("phone", 390, True), ("desktop", 1440, False)])
async def test_a_device_is_what_it_says(open_page, device: Device, width: int, has_touch: bool) -> None:
    page = await open_page("data:text/html,<meta name=viewport content='width=device-width'>hola", device)
    assert await page.evaluate("[innerWidth, navigator.maxTouchPoints > 0]") == [width, has_touch]


async def test_complaints_and_requests_to_the_outside_are_seen(browser: Browser) -> None:
    watch = Watch()
    context = await browser.new_context()
    watch.look_at(context)
    watch.expect("was foreseen")
    page = await context.new_page()
    await page.goto("data:text/html,hola")
    await page.evaluate("console.error('it hurts'), console.error('this was foreseen')")
    await page.evaluate("setTimeout(() => { throw new Error('it broke') })")
    await page.evaluate("fetch('http://example.invalid/x').catch(() => 0)")
    await context.close()
    assert watch.strangers == ["http://example.invalid/x"]
    assert any("it hurts" in said for said in watch.complaints)
    assert any("it broke" in said for said in watch.complaints)
    assert not any("foreseen" in said for said in watch.complaints)


async def test_nothing_outside_this_machine_can_be_reached(open_page, watch: Watch) -> None:
    page = await open_page("data:text/html,hola")
    with pytest.raises(Error, match="ERR_NAME_NOT_RESOLVED"):
        await page.goto("http://example.com/")
    assert watch.strangers.pop() == "http://example.com/"


async def test_a_cut_cable_breaks_a_call_and_a_stalled_one_only_delays_it() -> None:
    async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nhola")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(hello, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    async def ask(cable: Cable) -> str:
        async with aiohttp.request("GET", f"http://127.0.0.1:{cable.port}/") as response:
            return await response.text()

    async with server, Cable(port).laid() as cable:
        assert await ask(cable) == "hola"
        cable.cut()
        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            await ask(cable)
        cable.mend()
        cable.stall()
        waiting = asyncio.create_task(ask(cable))
        assert await asyncio.wait([waiting], timeout=0.2) == (set(), {waiting})
        cable.mend()
        assert await waiting == "hola"
