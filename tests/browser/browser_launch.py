"""Headless Chromium as the tests start it: found on the machine, cut off from every network but loopback."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from browser_slow import slowed
from playwright.async_api import Browser, BrowserContext, async_playwright

Device = Literal["phone", "desktop", "tablet"]
Scheme = Literal["light", "dark"]

DEVICES: dict[Device, dict[str, object]] = {
    "phone": {
        "viewport": {"width": 390, "height": 844},
        "has_touch": True,
        "is_mobile": True,
        "device_scale_factor": 2,
    },
    "tablet": {"viewport": {"width": 768, "height": 1024}, "has_touch": True},
    "desktop": {"viewport": {"width": 1440, "height": 900}},
}

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)


def find_browser() -> str | None:
    """The browser's path; ``None`` when none is installed."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


@asynccontextmanager
async def launched(executable: str) -> AsyncIterator[Browser]:
    """A browser of one's own: half a second, and nothing left over from anybody."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=list(_ARGUMENTS))
        try:
            yield browser
        finally:
            await browser.close()


async def new_context(browser: Browser, device: Device, scheme: Scheme, language: str) -> BrowserContext:
    """A person with a device: cookies, storage and settings of their own."""
    return await slowed(
        await browser.new_context(
            **DEVICES[device],  # type: ignore[arg-type]
            color_scheme=scheme,
            locale={"es": "es-CO", "en": "en-US"}.get(language, language),
            timezone_id="America/Bogota",
            reduced_motion="reduce",
        )
    )
