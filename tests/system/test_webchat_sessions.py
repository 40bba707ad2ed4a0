"""A visitor's way in, against a real gateway: sessions, languages, signing in, several conversations, files."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import asyncpg
import jwt
import pytest
from talking_visitor import ORIGIN, Frame, TalkingVisitor
from webchat_gateway import gateway, settings_for

from channels.webchat.belongings import Belongings
from channels.webchat.visitors import Visitor
from gateway.core.clock import SystemClock
from gateway.store.embedded import EmbeddedPostgres
from gateway.store.migrate import migrate

pytestmark = pytest.mark.system

SECRET = "a-shared-secret-of-the-site-0001"
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)) * 8

SITE: dict[str, object] = {
    "identity_secret": SECRET,
    "title": {"es": "Ayuda", "en": "Help"},
    "welcome": {"es": "¡Hola!", "en": "Hello!"},
    "accent": "#0a7f5a",
    "starters": [{"label": {"es": "Mi factura", "en": "My bill"}, "value": "/bill"}],
    "form": [{"name": "name", "required": True}, {"name": "email", "label": {"en": "Your mail", "es": "Su correo"}}],
    "max_conversations": 3,
}

Open = Callable[..., Awaitable[TalkingVisitor]]


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def site(tmp_path: Path, dsn: str) -> AsyncIterator[str]:
    async with gateway(settings_for(tmp_path, site=SITE), dsn) as url:
        yield url


@pytest.fixture
async def visits(http: aiohttp.ClientSession, site: str) -> AsyncIterator[Open]:
    """Opens a session as somebody: ``token`` of an earlier one, ``sub`` of who is signed in."""
    async with AsyncExitStack() as stack:

        async def visit(*, token: str = "", sub: str = "", connect: bool = False, **body: object) -> TalkingVisitor:
            client = TalkingVisitor(http, site)
            client.token = token
            if sub:
                body["identity"] = identity(sub)
            await client.opens(**body)
            if connect:
                await client.connects()
                stack.push_async_callback(client.leaves)
            return client

        yield visit


def identity(sub: str, *, lives_s: int = 600, **more: object) -> str:
    end = int(SystemClock().now().timestamp()) + lives_s
    return jwt.encode({"sub": sub, "exp": end, "name": sub.title(), **more}, SECRET, algorithm="HS256")


async def posts(client: TalkingVisitor, path: str, **body: object) -> tuple[int, Frame]:
    async with client.http.post(client.at(path), json=body, headers=client.headers()) as response:
        return response.status, await response.json()


async def talks(client: TalkingVisitor, text: str) -> None:
    """Say something and see the bot's answer."""
    await client.says(text, f"c-{text.replace(' ', '-')}")
    await client.hears(lambda frame: frame["type"] == "message" and frame["author"] == "bot")


# ---------------------------------------------------------------- anonymous visitors


async def test_a_stranger_gets_a_token_a_conversation_and_what_to_show(visits: Open) -> None:
    answer = (await visits(language="en-GB")).answer
    assert answer["visitor"].startswith("v_")
    assert answer["conversation"].startswith("c_")
    assert (answer["conversations"], answer["expires_s"], answer["language"]) == ([], 30 * 24 * 3600, "en")
    assert answer["site"] == {
        "title": "Help",
        "welcome": "Hello!",
        "accent": "#0a7f5a",
        "starters": [{"label": "My bill", "value": "/bill"}],
        "form": [
            {"name": "name", "label": "Name", "type": "text", "required": True},
            {"name": "email", "label": "Your mail", "type": "email", "required": False},
        ],
        "max_upload_bytes": 10_000_000,
        "upload_types": answer["site"]["upload_types"],
        "languages": answer["site"]["languages"],
    }


async def test_who_comes_back_with_the_token_is_the_same_visitor(visits: Open) -> None:
    first = await visits()
    again = await visits(token=first.token)
    assert again.answer["visitor"] == first.answer["visitor"]
    assert again.answer["conversation"] == first.answer["conversation"]
    assert (await visits()).answer["visitor"] != first.answer["visitor"]


async def test_a_token_that_does_not_hold_gives_a_new_visitor(visits: Open) -> None:
    for token in ("old", "x" * 10_000, "v_ana", "é"):
        assert (await visits(token=token)).answer["visitor"].startswith("v_")


async def test_page_views_leave_no_row(visits: Open, dsn: str) -> None:
    for _ in range(20):
        await visits(profile={"name": "Ana"})
    await visits(sub="ana")
    connection = await asyncpg.connect(dsn)
    for table in ("contact", "address", "address_alias", "conversation", "seen", "event"):
        assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0
    await connection.close()


async def test_what_the_form_says_is_kept_with_the_contact(visits: Open, dsn: str) -> None:
    profile = {"name": "Ana\u0000 Gómez", "email": "ana@example.org", "phone": "+34 600"}
    first = await visits(profile=profile)
    ana = await visits(token=first.token, connect=True)
    await talks(ana, "hello")
    connection = await asyncpg.connect(dsn)
    name, details = await connection.fetchrow("SELECT name, details::text FROM contact")
    await connection.close()
    assert name == "Ana Gómez"
    assert json.loads(details) == {"email": "ana@example.org", "phone": "+34 600"}


async def test_an_anonymous_visitor_has_one_conversation(visits: Open) -> None:
    status, body = await posts(await visits(), "conversations")
    assert (status, body["error"]["code"]) == (403, "identity_needed")


async def test_a_ticket_opens_a_socket_and_is_no_session(visits: Open, http: aiohttp.ClientSession) -> None:
    ana = await visits()
    status, body = await posts(ana, "ticket")
    assert (status, body["expires_s"]) == (200, 60)
    address = ana.at(f"socket?conversation={ana.conversation}&token=")
    async with http.ws_connect(address + body["ticket"], origin=ORIGIN) as socket:
        await socket.send_str(json.dumps({"type": "message", "id": "c1", "parts": [{"type": "text", "text": "hi"}]}))
        assert (await socket.receive_json(timeout=10))["type"] in ("accepted", "message", "control")
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await http.ws_connect(address + ana.token, origin=ORIGIN)
    assert caught.value.status == 401
    thief = await visits()
    thief.token = body["ticket"]
    assert (await posts(thief, "ticket"))[0] == 401


# ---------------------------------------------------------------- visitors who are signed in


async def test_a_person_finds_their_conversations_on_every_device(visits: Open) -> None:
    phone = await visits(sub="ana", connect=True)
    await talks(phone, "my bill is wrong")
    laptop = await visits(sub="ana")
    assert laptop.answer["visitor"] == phone.answer["visitor"]
    assert laptop.answer["conversation"] == phone.answer["conversation"]
    [listed] = laptop.answer["conversations"]
    assert (listed["id"], listed["title"]) == (phone.conversation, "my bill is wrong")
    assert listed["last_at"].endswith("Z")
    assert laptop.answer["site"]["form"] == [], "the site has said who it is"
    assert (await visits(sub="bea")).answer["visitor"] != phone.answer["visitor"]


async def test_unread_counts_what_the_bot_said_and_was_not_read(visits: Open) -> None:
    ana = await visits(sub="ana", connect=True)
    await talks(ana, "hello")
    seq = max(ana.seen)
    assert (await visits(sub="ana")).answer["conversations"][0]["unread"] > 0
    await ana.sends({"type": "read", "seq": seq})
    async with asyncio.timeout(10):
        while (await visits(sub="ana")).answer["conversations"][0]["unread"]:
            await asyncio.sleep(0.05)


async def test_a_person_may_have_several_conversations_up_to_the_sites_limit(visits: Open, dsn: str) -> None:
    names = []
    for number in range(3):
        ana = await visits(sub="ana")
        status, body = await posts(ana, "conversations")
        assert status == 200
        assert (await posts(ana, "conversations"))[1] == body, "one that was not begun is given again"
        ana.conversation = body["conversation"]
        await ana.connects()
        await talks(ana, f"case {number}")
        await ana.leaves()
        names.append(ana.conversation)
    assert len(set(names)) == 3
    ana = await visits(sub="ana")
    assert [entry["title"] for entry in ana.answer["conversations"]] == ["case 2", "case 1", "case 0"]
    assert [entry["id"] for entry in ana.answer["conversations"]] == names[::-1]
    status, body = await posts(ana, "conversations")
    assert (status, body["error"]["code"]) == (403, "too_many_conversations")
    connection = await asyncpg.connect(dsn)
    assert await connection.fetchval("SELECT count(*) FROM contact") == 1, "one person"
    assert await connection.fetchval("SELECT name FROM contact") == "Ana"
    await connection.close()


async def test_a_session_ends_with_the_identity_and_is_not_prolonged(visits: Open) -> None:
    ana = await visits(sub="ana")
    assert 590 <= ana.answer["expires_s"] <= 600
    again = await visits(token=ana.token)
    assert again.answer["visitor"] == ana.answer["visitor"]
    assert again.answer["expires_s"] <= 600
    ending = await visits(identity=identity("ana", lives_s=2))
    async with asyncio.timeout(10):
        while (await visits(token=ending.token)).answer["visitor"] == ana.answer["visitor"]:
            await asyncio.sleep(0.1)
    assert (await posts(ending, "conversations"))[1]["error"]["code"] == "bad_token"


async def test_what_was_begun_anonymously_goes_on_after_signing_in(visits: Open, dsn: str) -> None:
    stranger = await visits(connect=True, profile={"name": "somebody", "phone": "1"})
    await talks(stranger, "what about my bill")
    ana = await visits(token=stranger.token, identity=identity("ana", email="ana@example.org"))
    assert ana.answer["visitor"] != stranger.answer["visitor"]
    assert [entry["title"] for entry in ana.answer["conversations"]] == ["what about my bill"]
    assert ana.answer["conversation"] == ana.answer["conversations"][0]["id"]
    again = await visits(token=stranger.token, sub="ana")
    assert again.answer["conversation"] == ana.answer["conversation"], "a repeated request changes nothing"

    await ana.connects()
    await ana.sees("what about my bill")
    await ana.says("and here I am", "c-here")
    await ana.sees("and here I am")
    await ana.hears(lambda frame: frame["type"] == "message" and frame["author"] == "bot" and frame["seq"] > 3)
    await ana.leaves()
    connection = await asyncpg.connect(dsn)
    assert await connection.fetchval("SELECT count(*) FROM conversation") == 1
    assert await connection.fetchval("SELECT recipient FROM address") == f"{ana.answer['visitor']}/0"
    name, details = await connection.fetchrow("SELECT name, details::text FROM contact")
    await connection.close()
    assert (name, json.loads(details)) == ("Ana", {"email": "ana@example.org", "phone": "1"})


async def test_what_is_carried_over_takes_the_first_free_place(visits: Open) -> None:
    at_home = await visits(sub="ana", connect=True)
    await talks(at_home, "first case")
    stranger = await visits(connect=True)
    await talks(stranger, "second case")
    ana = await visits(token=stranger.token, sub="ana")
    assert {entry["title"] for entry in ana.answer["conversations"]} == {"first case", "second case"}
    assert ana.answer["conversation"] != at_home.conversation


async def test_a_place_that_another_device_took_at_the_same_moment_is_not_shared(
    visits: Open, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_home = await visits(sub="ana", connect=True)
    await talks(at_home, "first case")
    stranger = await visits(connect=True)
    await talks(stranger, "second case")
    looked = []
    truly_free = Belongings.free_number

    async def looks_too_early(belongings: Belongings, visitor: Visitor) -> int | None:
        looked.append(visitor)
        return 0 if len(looked) == 1 else await truly_free(belongings, visitor)

    monkeypatch.setattr(Belongings, "free_number", looks_too_early)
    ana = await visits(token=stranger.token, sub="ana")
    assert {entry["title"] for entry in ana.answer["conversations"]} == {"first case", "second case"}
    assert len(looked) > 1
    connection = await asyncpg.connect(dsn)
    recipients = [row[0] for row in await connection.fetch("SELECT recipient FROM address ORDER BY 1")]
    await connection.close()
    assert recipients == [f"{ana.answer['visitor']}/{number}" for number in (0, 1)]


async def test_an_old_token_gives_nobody_elses_conversation(visits: Open) -> None:
    stranger = await visits(connect=True)
    await talks(stranger, "private words")
    await visits(token=stranger.token, sub="ana")
    bea = await visits(token=stranger.token, sub="bea")
    assert bea.answer["conversations"] == []
    ana = await visits(sub="ana")
    cea = await visits(token=ana.token, sub="cea")
    assert cea.answer["conversations"] == []


async def test_of_two_who_sign_in_with_the_same_token_at_once_one_gets_the_conversation(visits: Open) -> None:
    stranger = await visits(connect=True)
    await talks(stranger, "private words")
    both = await asyncio.gather(*(visits(token=stranger.token, sub=sub) for sub in ("ana", "bea", "ana", "bea")))
    again = await asyncio.gather(*(visits(sub=sub) for sub in ("ana", "bea")))
    assert sorted(len(visitor.answer["conversations"]) for visitor in again) == [0, 1]
    for visitor in both:
        assert len(visitor.answer["conversations"]) <= 1


# ---------------------------------------------------------------- files


async def uploads(client: TalkingVisitor, content: bytes, name: str, mime: str) -> tuple[int, Frame]:
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("file", content, filename=name, content_type=mime)
    async with client.http.post(client.at("uploads"), data=form, headers=client.headers()) as response:
        return response.status, await response.json()


async def test_a_picture_is_sent_shown_and_fetched_again(visits: Open, http: aiohttp.ClientSession, site: str) -> None:
    ana = await visits(connect=True)
    status, upload = await uploads(ana, PNG, "C:\\gatos\\ñandú.png", "image/png")
    assert (status, upload["name"], upload["kind"], upload["size_bytes"]) == (200, "ñandú.png", "image", len(PNG))
    part = {"type": "media", "upload": upload["upload"], "caption": "look"}
    await ana.sends({"type": "message", "id": "c1", "parts": [part]})
    frame = await ana.hears(lambda frame: frame["type"] == "message" and frame["author"] == "customer")
    [shown] = frame["parts"]
    assert (shown["kind"], shown["name"], shown["mime"], shown["caption"]) == (
        "image",
        "ñandú.png",
        "image/png",
        "look",
    )
    async with http.get(site + shown["url"]) as response:
        assert (response.status, await response.read()) == (200, PNG)
        assert response.headers["Content-Type"] == "image/png"
        assert response.headers["Content-Disposition"].startswith("inline")
        assert response.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    async with http.get(site + shown["url"], headers={"Range": "bytes=8-15"}) as response:
        assert (response.status, await response.read()) == (206, PNG[8:16])
        assert response.headers["Content-Range"] == f"bytes 8-15/{len(PNG)}"
    async with http.get(site + shown["url"], headers={"Range": f"bytes={len(PNG)}-"}) as response:
        assert (response.status, response.headers["Content-Range"]) == (416, f"bytes */{len(PNG)}")


async def test_a_document_is_downloaded_and_not_shown(visits: Open, http: aiohttp.ClientSession, site: str) -> None:
    ana = await visits()
    status, upload = await uploads(ana, b"a;b\r\n1;2\r\n", "table.csv", "text/csv")
    assert status == 200
    async with http.get(site + upload["url"]) as response:
        assert response.headers["Content-Disposition"].startswith('attachment; filename="table.csv"')
        assert response.headers["X-Content-Type-Options"] == "nosniff"


# ---------------------------------------------------------------- what pages may ask


async def test_a_browser_that_asks_first_learns_what_it_may(http: aiohttp.ClientSession, site: str) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    for door in ("session", "ticket", "conversations", "messages", "uploads", "events"):
        async with http.options(f"{site}/chat/site/{door}", headers={"Origin": ORIGIN, **asked}) as response:
            assert response.status == 204
            assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
            assert "authorization" in response.headers["Access-Control-Allow-Headers"]
            assert response.headers["Vary"] == "Origin"
        async with http.options(f"{site}/chat/site/{door}", headers={"Origin": "https://evil.test"}) as response:
            assert response.status == 403
            assert "Access-Control-Allow-Origin" not in response.headers


async def test_a_page_of_the_gateway_itself_may_ask(http: aiohttp.ClientSession, site: str) -> None:
    headers = {"Sec-Fetch-Site": "same-origin", "Origin": site}
    async with http.post(f"{site}/chat/site/session", headers=headers) as response:
        assert response.status == 200


# ---------------------------------------------------------------- without the database


async def test_while_the_database_is_away_strangers_come_in_and_known_people_are_told_to_wait(
    http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    postgres = EmbeddedPostgres(tmp_path / f"pg{secrets.token_hex(2)}")
    await postgres.start()
    try:
        await migrate(postgres.dsn())
        async with gateway(settings_for(tmp_path / "gateway", site=SITE), postgres.dsn()) as url:
            stranger = TalkingVisitor(http, url)
            await postgres.stop()
            await stranger.opens()
            body = {"identity": identity("ana")}
            async with http.post(stranger.at("session"), json=body, headers={"Origin": ORIGIN}) as response:
                answer = await response.json()
                assert (response.status, answer["error"]["code"]) == (503, "unavailable")
                assert int(response.headers["Retry-After"]) >= 1
                assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
            await postgres.start()
            await stranger.opens(**body)
            assert stranger.answer["is_identified"]
    finally:
        await postgres.stop()
