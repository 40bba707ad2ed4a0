"""Files of ours at addresses that end, that nobody can make up, and behind which no browser runs anything."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.core.clock import ManualClock
from gateway.core.messages import Media
from gateway.store.blobs import Blobs
from gateway.web.media_links import LASTS_S, ROUND_S, MediaLinks

CONTENT = b"%PDF-1.7 " + bytes(range(256))


async def _bytes() -> AsyncIterator[bytes]:
    yield CONTENT


class Served:
    def __init__(
        self, links: MediaLinks, clock: ManualClock, blob: str, client: TestClient[web.Request, web.Application]
    ) -> None:
        self.links, self.clock, self.blob, self.client = links, clock, blob, client

    def path(self, mime: str = "application/pdf", name: str = "factura.pdf") -> str:
        link = self.links.link(Media("document", blob=self.blob, mime=mime, name=name))
        assert link.startswith("https://bot.example/media/")
        return link.removeprefix("https://bot.example")


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    blobs, clock = Blobs(str(tmp_path)), ManualClock()
    blob = await blobs.put(_bytes(), max_bytes=10_000)
    links = MediaLinks(b"secret", "https://bot.example", blobs, clock)
    app = web.Application()
    app.add_routes(links.routes())
    async with TestClient(TestServer(app)) as client:
        yield Served(links, clock, blob.key, client)


async def test_a_provider_fetches_the_file_as_what_it_is(served: Served) -> None:
    answer = await served.client.get(served.path())
    assert (answer.status, await answer.read()) == (200, CONTENT)
    assert answer.headers["Content-Type"] == "application/pdf"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''factura.pdf"
    head = await served.client.head(served.path())
    assert (head.status, head.headers["Content-Length"]) == (200, str(len(CONTENT)))


async def test_a_part_of_it_and_what_is_known_already(served: Served) -> None:
    part = await served.client.get(served.path(), headers={"Range": "bytes=9-12"})
    assert (part.status, await part.read()) == (206, CONTENT[9:13])
    known = await served.client.get(served.path(), headers={"If-None-Match": part.headers["ETag"]})
    assert known.status == 304


@pytest.mark.parametrize("mime", ["text/html", "image/svg+xml", "application/javascript", "", "x\r\ny"])
async def test_nothing_that_a_browser_would_run_is_named(served: Served, mime: str) -> None:
    answer = await served.client.get(served.path(mime, 'a"\r\n/../b.html'))
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment; ")
    assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"


async def test_an_address_is_the_same_for_an_hour_and_ends_after_a_day(served: Served) -> None:
    path = served.path()
    await served.clock.advance(ROUND_S / 2)
    assert served.path() == path
    await served.clock.advance(ROUND_S)
    assert served.path() != path
    assert (await served.client.get(path)).status == 200
    await served.clock.advance(LASTS_S)
    assert (await served.client.get(path)).status == 404


async def test_no_address_can_be_made_up_or_changed(served: Served) -> None:
    token = served.path().rpartition("/")[2]
    stranger = MediaLinks(b"other", "https://bot.example", Blobs("."), served.clock)
    foreign = stranger.link(Media("document", blob=served.blob)).rpartition("/")[2]
    changed = token[:30] + ("A" if token[30] != "A" else "B") + token[31:]
    for attempt in (foreign, changed, token[:-3], token + "AAAA", "A", "%00", "ñ", "A" * 2000):
        assert (await served.client.get(f"/media/{attempt}")).status == 404, attempt


async def test_a_file_that_is_gone_is_not_there(served: Served) -> None:
    link = served.links.link(Media("document", blob="00/11"))
    assert (await served.client.get(link.removeprefix("https://bot.example"))).status == 404
