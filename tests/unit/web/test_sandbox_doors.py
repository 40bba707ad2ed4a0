"""The sandbox page's addresses: who may use them, and that what is done there is done to the phone."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import msgspec
import pytest
from aiohttp import web

from channels.sandboxes import Stage
from channels.telegram.sandbox import open_sandbox
from channels.telegram.sandbox_phone import TelegramPhone
from channels.webchat.sandbox import WebchatSandbox
from config.bot import Bot, load_bot
from config.settings import SAMPLE_BOT
from gateway.core.errors import Misconfigured
from gateway.core.news import News
from gateway.store.database import Database
from gateway.web.sandbox.doors import MAX_PICTURE_BYTES, SandboxDoors, Show
from gateway.web.sandbox.showcase import Showcase, read_showcase

TOKEN = "the-token-of-these-tests"
API = "/sandbox/api"
PHONE = f"{API}/phones/telegram"
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 100
EVIL = "<script>document.title='broken'</script>"


@pytest.fixture(scope="module")
def bot() -> Bot:
    return load_bot(SAMPLE_BOT)


@pytest.fixture(scope="module")
def showcase(bot: Bot) -> Showcase:
    return read_showcase(bot)


@pytest.fixture
def stage(showcase: Showcase) -> Stage:
    return Stage(
        webhook_url="http://127.0.0.1:9/hook",
        origin="http://127.0.0.1:9",
        endpoint="demo",
        bot_name=EVIL,
        languages=("es", "en"),
        starters=showcase.starters,
        accent="#14507f",
    )


@pytest.fixture
def phone(stage: Stage) -> TelegramPhone:
    return open_sandbox(stage).phone("Ana", "es")


@asynccontextmanager
async def serving(show: Show) -> AsyncIterator[tuple[SandboxDoors, str]]:
    """The doors on a port of their own; the trail is not opened, so no database is asked."""
    doors = SandboxDoors(show, TOKEN, Database("postgresql://nobody@127.0.0.1:9/none"), News())
    application = web.Application()
    application.add_routes(doors.routes())
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield doors, f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await doors.hang_up()
        await runner.cleanup()


@pytest.fixture
async def address(showcase: Showcase, stage: Stage, phone: TelegramPhone) -> AsyncIterator[str]:
    async with serving(Show(showcase, {"telegram": phone}, WebchatSandbox(stage))) as (_, address):
        yield address


@pytest.fixture
async def stranger() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        yield session


@pytest.fixture
async def visitor() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as session:
        yield session


@pytest.mark.parametrize("path", ["/sandbox", "/sandbox/site", f"{API}/start", f"{API}/trail", f"{API}/stream"])
async def test_without_the_token_there_is_nothing_to_see(stranger, address: str, path: str) -> None:
    async with stranger.get(address + path) as answer:
        assert answer.status == 401
        assert "Ana" not in await answer.text()


@pytest.mark.parametrize("act", ["writes", "presses", "places", "pictures"])
async def test_without_the_token_nothing_can_be_done(stranger, phone, address: str, act: str) -> None:
    async with stranger.post(f"{address}{PHONE}/{act}", data=b'{"text":"hola"}') as answer:
        assert answer.status == 401
    assert phone.view(0).order == ()


async def test_another_site_cannot_act_with_the_cookie_of_its_visitor(stranger, phone, address: str) -> None:
    async with stranger.get(f"{address}/sandbox?token={TOKEN}") as answer:
        assert answer.status == 200
    for headers, status in (
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Origin": "https://evil.example"}, 401),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
    ):
        async with stranger.post(f"{address}{PHONE}/writes", json={"text": "hola"}, headers=headers) as answer:
            assert answer.status == status
    assert len(phone.view(0).order) == 1


async def test_pages_forbid_foreign_scripts_and_the_token_leaves_the_address(stranger, address: str) -> None:
    async with stranger.get(f"{address}/sandbox?token={TOKEN}") as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert "token" not in answer.url.query
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'self'" in policy


async def test_the_company_page_embeds_the_one_tag_and_escapes_what_authors_wrote(visitor, address: str) -> None:
    async with visitor.get(f"{address}/sandbox/site?language=en&open=1") as answer:
        page = await answer.text()
    assert '<script src="/widget.js" async data-site="demo" data-language="en" data-open="">' in page
    assert "Signal as far as the light reaches" in page
    assert EVIL not in page
    async with visitor.get(f"{address}/sandbox/site?language=%3Cscript%3E") as answer:
        page = await answer.text()
    assert 'lang="es"' in page
    assert "data-open" not in page


async def test_what_is_written_is_on_the_phone(visitor, phone, address: str) -> None:
    async with visitor.post(f"{address}{PHONE}/writes", json={"text": EVIL}) as answer:
        assert (answer.status, await answer.json()) == (200, {"done": True})
    [message] = phone.view(0).messages
    assert message.runs[0].text == EVIL


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (f"{PHONE}/writes", b"{", 400),
        (f"{PHONE}/writes", b"[]", 400),
        (f"{PHONE}/writes", b'{"text": 5}', 400),
        (f"{PHONE}/writes", b'{"text": "hola", "as": "bot"}', 400),
        (f"{PHONE}/writes", b'{"text": ""}', 409),
        (f"{PHONE}/writes", b'{"text": "%s"}' % (b"x" * 5000), 409),
        (f"{PHONE}/writes", b'"%s"' % (b"x" * 70_000), 413),
        (f"{PHONE}/presses", b'{"key": "0.0", "message": "1"}', 409),
        (f"{PHONE}/places", b'{"latitude": 91, "longitude": 0}', 400),
        (f"{PHONE}/pictures", b"<svg onload=alert(1)>", 415),
        (f"{PHONE}/pictures", b"", 415),
        (f"{PHONE}/pictures", PNG + b"0" * MAX_PICTURE_BYTES, 413),
        (f"{API}/phones/nobody/writes", b'{"text": "hola"}', 404),
        (f"{API}/language", b'{"language": ["es"]}', 400),
    ],
)
async def test_what_makes_no_sense_is_refused_by_name(
    visitor, phone, address: str, path: str, body: bytes, status: int
) -> None:
    async with visitor.post(address + path, data=io.BytesIO(body)) as answer:
        assert answer.status == status
        assert set(await answer.json()) == {"error"}
    assert phone.view(0).order == ()


async def test_a_picture_comes_back_as_the_picture_that_it_is(visitor, phone, address: str) -> None:
    async with visitor.post(f"{address}{PHONE}/pictures", data=PNG) as answer:
        assert answer.status == 200
    [message] = phone.view(0).messages
    [attachment] = message.attachments
    async with visitor.get(f"{address}{PHONE}/files/{attachment.file}") as answer:
        assert (answer.content_type, await answer.read()) == ("image/png", PNG)
        assert "sandbox" in answer.headers["Content-Security-Policy"]
    async with visitor.get(f"{address}{PHONE}/files/..%2F..%2Ftoken") as answer:
        assert answer.status == 404


async def test_the_page_is_told_what_there_is_to_show(visitor, address: str) -> None:
    async with visitor.get(f"{address}{API}/start") as answer:
        start = await answer.json()
    assert [one["name"] for one in start["phones"]] == ["telegram"]
    assert start["site_app"] == "web_chat"
    assert set(start["starters"]) == {"es", "en"}


async def test_the_stream_begins_with_all_there_is_and_goes_on_with_what_is_new(visitor, phone, address: str) -> None:
    await phone.writes("antes")
    async with visitor.get(f"{address}{API}/stream") as stream:
        assert stream.content_type == "text/event-stream"
        first = await event(stream, "phone")
        assert [message["runs"][0]["text"] for message in first["view"]["messages"]] == ["antes"]
        assert (await event(stream, "trail"))["lines"] == []
        await phone.writes("después")
        later = await event(stream, "phone")
        assert [message["runs"][0]["text"] for message in later["view"]["messages"]] == ["después"]


async def event(stream: aiohttp.ClientResponse, name: str) -> dict[str, object]:
    async for line in stream.content:
        if line == f"event: {name}\n".encode():
            data = await stream.content.readline()
            decoded: dict[str, object] = json.loads(data.removeprefix(b"data: "))
            return decoded
    raise AssertionError("the stream ended")


async def test_the_stream_of_a_stopping_server_ends_at_once(visitor, showcase, phone) -> None:
    show = Show(showcase, {"telegram": phone}, None)
    async with serving(show) as (doors, address), visitor.get(f"{address}{API}/stream") as stream:
        await event(stream, "trail")
        await doors.hang_up()
        assert (await stream.content.read()).strip() == b""


async def test_without_a_channel_to_embed_there_is_no_company_page(visitor, showcase) -> None:
    async with serving(Show(showcase, {}, None)) as (_, address), visitor.get(f"{address}/sandbox/site") as answer:
        assert answer.status == 404


@pytest.mark.parametrize("folder", sorted(SAMPLE_BOT.parent.iterdir()), ids=lambda folder: folder.name)
def test_every_sample_bot_has_a_showcase_in_all_its_languages(folder: Path) -> None:
    showcase = read_showcase(load_bot(folder))
    assert showcase.art.startswith(b"<svg")
    assert b"<script" not in showcase.art
    assert {len(starters) for starters in showcase.starters.values()} == {5}
    for texts in (showcase.site.headline, showcase.site.lead, *(offer.title for offer in showcase.site.offers)):
        assert set(texts) == set(showcase.languages)


def test_a_bot_without_a_showcase_shows_what_it_offers(bot: Bot, tmp_path: Path) -> None:
    showcase = read_showcase(msgspec.structs.replace(bot, folder=tmp_path))
    assert showcase.art == b""
    assert len(showcase.starters["es"]) > 2
    assert showcase.site.offers


@pytest.mark.parametrize("content", ["site: 5", "tries: {}", "site: {headline: {es: a}}", "a: [", "site: {colour: 1}"])
def test_a_showcase_that_cannot_be_read_says_where(bot: Bot, tmp_path: Path, content: str) -> None:
    (tmp_path / "demo.yaml").write_text(content)
    with pytest.raises(Misconfigured, match=r"demo\.yaml"):
        read_showcase(msgspec.structs.replace(bot, folder=tmp_path))
