"""What every browser test gets: Chromium, a site with the widget, the gateway behind it, and eyes on all of it."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import pytest
from browser_demo import Demo
from browser_launch import Device, Scheme, find_browser, launched, new_context
from browser_site import Cable, Site
from browser_watch import Watch
from playwright.async_api import Browser, BrowserContext, Locator, Page, expect

from gateway.app.bench.subjects import SettingValue
from gateway.store.embedded import EmbeddedPostgres

ContextMaker = Callable[..., Awaitable[BrowserContext]]
PageMaker = Callable[..., Awaitable[Page]]
SiteMaker = Callable[..., Awaitable[Site]]
Camera = Callable[[Page | Locator, str], Awaitable[Path]]

PATIENCE_MS = 10_000
"""How long an expectation waits; on a busy machine a start of the page takes a second."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's path."""
    found = find_browser()
    if found is None:
        pytest.skip("no Chromium on this machine: `make test` installs it with apt, or install it by hand")
    return found


@pytest.fixture
async def browser(chromium: str) -> AsyncIterator[Browser]:
    """A browser of the test's own, in the test's own loop."""
    expect.set_options(timeout=PATIENCE_MS)
    async with launched(chromium) as browser:
        yield browser


@pytest.fixture
def watch() -> Iterator[Watch]:
    """After the test: no page may have complained in its console, and no request may have left this machine."""
    watch = Watch()
    yield watch
    assert not watch.strangers, f"requests to the outside: {watch.strangers}"
    assert not watch.complaints, "the pages complained:\n" + "\n".join(watch.complaints)


@pytest.fixture
async def new_person(browser: Browser, watch: Watch) -> AsyncIterator[ContextMaker]:
    """``await new_person("phone", scheme="dark", language="es")``: a browser context of somebody else's."""
    async with AsyncExitStack() as stack:

        async def make(device: Device = "desktop", *, scheme: Scheme = "light", language: str = "es") -> BrowserContext:
            context = await new_context(browser, device, scheme, language)
            context.set_default_timeout(PATIENCE_MS)
            watch.look_at(context)
            stack.push_async_callback(context.close)
            return context

        yield make


@pytest.fixture
async def open_page(new_person: ContextMaker) -> PageMaker:
    """``await open_page(url, "phone", scheme="dark")``: a new person who opens *url*."""

    async def make(url: str, device: Device = "desktop", *, scheme: Scheme = "light", language: str = "es") -> Page:
        context = await new_person(device, scheme=scheme, language=language)
        page = await context.new_page()
        await page.goto(url)
        return page

    return make


@pytest.fixture
def shoot(request: pytest.FixtureRequest, tmp_path: Path) -> Camera:
    """``await shoot(page, "widget-open")``: a picture for people, into ``TERTULIA_SHOTS`` or the test's own folder."""
    folder = Path(os.environ.get("TERTULIA_SHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)

    async def take(what: Page | Locator, name: str) -> Path:
        path = folder / f"{name}.png"
        await what.screenshot(path=path, animations="disabled")
        return path

    return take


@pytest.fixture(scope="session")
def site(
    chromium: str,  # without a browser nothing is started
    postgres: EmbeddedPostgres,
    template_database: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """One site and its gateway for the whole session, with the sample bot; every test brings its own visitors."""
    database = "browser_site"
    asyncio.run(_create(postgres.dsn("postgres"), database, template_database))
    site = Site(tmp_path_factory.mktemp("site"), postgres.dsn(database))
    with site.served():
        asyncio.run(site.gateway.start())
        try:
            yield site
        finally:
            asyncio.run(site.gateway.child.stop())


@pytest.fixture(scope="session")
def demo(
    chromium: str,  # without a browser nothing is started
    postgres: EmbeddedPostgres,
    template_database: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Demo]:
    """One demo for the whole session, in Spanish. Its phones belong to everybody: what is said stays on them."""
    asyncio.run(_create(postgres.dsn("postgres"), "browser_demo", template_database))
    demo = Demo(tmp_path_factory.mktemp("demo"), postgres.dsn("browser_demo"))
    asyncio.run(demo.start())
    try:
        yield demo
    finally:
        asyncio.run(demo.child.stop())


@pytest.fixture
async def make_site(chromium: str, dsn: str, tmp_path: Path, watch: Watch) -> AsyncIterator[SiteMaker]:
    """``await make_site(server__drain_s=5.0)``: a site of the test's own, whose gateway it may stop, kill and start."""
    numbers = itertools.count(1)
    async with AsyncExitStack() as stack:

        async def make(**settings: SettingValue) -> Site:
            site = Site(tmp_path / f"site{next(numbers)}", dsn, **settings)
            stack.enter_context(site.served())
            await stack.enter_async_context(site.gateway)
            stack.callback(watch.rest)
            return site

        yield make


@pytest.fixture
async def cable(site: Site) -> AsyncIterator[Cable]:
    """Another way to the gateway, which can be cut: open ``site.page(via_port=cable.port)``."""
    async with Cable(site.gateway.port).laid() as cable:
        yield cable


async def _create(admin_dsn: str, name: str, template: str) -> None:
    connection = await asyncpg.connect(admin_dsn)
    try:
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    finally:
        await connection.close()
