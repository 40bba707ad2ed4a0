"""The live side of the web chat against a real gateway: order, resumption, tabs, processes, fallbacks, bad frames."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import asyncpg
import pytest
from talking_visitor import ORIGIN, TalkingVisitor, words
from webchat_gateway import gateway, settings_for

from gateway.core.ids import ConversationId
from gateway.core.messages import Text
from gateway.core.news import News
from gateway.router.agents import Agents
from gateway.router.wakes import Wakes
from gateway.store import handoffs
from gateway.store.database import Database
from gateway.web.access import ensure_access_token

pytestmark = pytest.mark.system

Open = Callable[..., Awaitable[TalkingVisitor]]


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def site(tmp_path: Path, dsn: str) -> AsyncIterator[str]:
    async with gateway(settings_for(tmp_path), dsn) as url:
        yield url


@pytest.fixture
async def visitor(http: aiohttp.ClientSession, site: str) -> AsyncIterator[TalkingVisitor]:
    client = TalkingVisitor(http, site)
    await client.opens()
    await client.connects()
    yield client
    await client.leaves()


async def begins(client: TalkingVisitor) -> None:
    """Have the echo bot listen."""
    await client.says("/start", "start")
    await client.sees("I am listening.")


async def test_a_message_is_accepted_with_its_place_and_answered_in_order(visitor: TalkingVisitor) -> None:
    await begins(visitor)
    await visitor.says("uno", "c-1")
    accepted = await visitor.hears(lambda f: f["type"] == "accepted" and f["client_id"] == "c-1")
    await visitor.sees("Heard: uno")
    own = visitor.seen[accepted["seq"]]
    assert own["client_id"] == "c-1"
    assert (own["author"], words(own)) == ("customer", "uno")
    assert sorted(visitor.seen) == list(range(1, len(visitor.seen) + 1))
    assert not visitor.repeated
    bot = await visitor.sees("Heard: uno")
    assert (bot["author"], bot["name"]) == ("bot", "Echo")


async def test_the_same_client_id_again_is_the_same_message(visitor: TalkingVisitor) -> None:
    await begins(visitor)
    for _ in range(3):
        await visitor.says("uno", "c-1")
    await visitor.says("dos", "c-2")
    await visitor.sees("Heard: dos")
    accepted = [f["seq"] for f in visitor.frames if f["type"] == "accepted" and f["client_id"] == "c-1"]
    assert len(accepted) == 3
    assert len(set(accepted)) == 1
    assert sum(words(frame) == "uno" for frame in visitor.seen.values()) == 1
    assert sum(words(frame) == "Heard: uno" for frame in visitor.seen.values()) == 1


async def test_what_was_missed_comes_at_once_after_the_last_seq(visitor: TalkingVisitor) -> None:
    await begins(visitor)
    await visitor.says("uno", "c-1")
    await visitor.sees("Heard: uno")
    before = dict(visitor.seen)
    other = TalkingVisitor(visitor.http, visitor.url)
    other.token, other.conversation = visitor.token, visitor.conversation
    await visitor.leaves()
    await other.connects(after=0)
    await other.says("dos", "c-2")
    await other.sees("Heard: dos")
    await other.leaves()
    await visitor.connects()
    await visitor.sees("Heard: dos")
    assert min(frame["seq"] for frame in visitor.frames if frame["type"] == "message") == max(before) + 1
    assert not visitor.repeated
    for seq in visitor.seen.keys() & other.seen.keys():
        assert visitor.seen[seq]["id"] == other.seen[seq]["id"]


async def test_two_tabs_show_the_same_and_a_token_from_an_earlier_session_finds_it(visitor: TalkingVisitor) -> None:
    await begins(visitor)
    tab = TalkingVisitor(visitor.http, visitor.url)
    tab.token = visitor.token
    answer = await tab.opens()
    assert answer["visitor"] == visitor.answer["visitor"]
    assert answer["conversation"] == visitor.conversation
    await tab.connects()
    for number, (speaker, text) in enumerate(((visitor, "uno"), (tab, "dos"))):
        await speaker.says(text, f"c-{number}")
        for client in (visitor, tab):
            heard = await client.sees(f"Heard: {text}")
            await client.hears(lambda f, after=heard["seq"]: f.get("seq") == after + 1)
    assert {s: f["id"] for s, f in visitor.seen.items()} == {s: f["id"] for s, f in tab.seen.items()}
    assert [f["client_id"] for f in tab.frames if f["type"] == "accepted"] == ["c-1"]
    await tab.leaves()


async def test_history_longer_than_a_page_comes_whole_and_in_order(visitor: TalkingVisitor) -> None:
    await begins(visitor)
    for number in range(70):
        await visitor.says(f"n{number}", f"c-{number}")
    await visitor.sees("Heard: n69", within_s=30)
    await visitor.hears(lambda f: f["type"] == "accepted" and f["client_id"] == "c-69")
    total = max(visitor.seen)
    assert total > 200 or len(visitor.seen) == total
    again = TalkingVisitor(visitor.http, visitor.url)
    again.token, again.conversation = visitor.token, visitor.conversation
    await again.connects(after=0)
    await again.hears(lambda f: f["type"] == "message" and f["seq"] == total, within_s=30)
    assert [f["seq"] for f in again.frames if f["type"] == "message"][:total] == list(range(1, total + 1))
    await again.leaves()


@pytest.mark.parametrize(
    ("data", "code"),
    [("no json", 1008), ("[1,2]", 1008), (b"\x00\x01", 1008), ("x" * 70_000, 1009), ('"' + "y" * 66_000 + '"', 1009)],
)
async def test_garbage_ends_the_connection_and_nothing_else(
    visitor: TalkingVisitor, data: str | bytes, code: int
) -> None:
    await visitor.sends_raw(data)
    async with asyncio.timeout(5):
        assert visitor.closed is not None
        assert await visitor.closed == code
    await visitor.connects()
    await begins(visitor)


async def test_a_frame_of_a_wrong_form_is_refused_by_name_and_the_talk_goes_on(visitor: TalkingVisitor) -> None:
    await visitor.sends({"type": "message", "id": "c-9", "parts": [{"type": "hologram"}]})
    refused = await visitor.hears(lambda f: f["type"] == "refused")
    assert (refused["client_id"], refused["reason"]) == ("c-9", "bad_frame")
    await visitor.sends({"type": "message", "id": "c-8", "parts": [{"type": "text", "text": "x" * 10_001}]})
    refused = await visitor.hears(lambda f: f.get("client_id") == "c-8")
    assert (refused["type"], refused["reason"]) == ("refused", "too_long")
    await visitor.sends({"type": "wave"})
    await begins(visitor)


async def test_who_sends_nothing_but_bad_frames_is_cut_off(visitor: TalkingVisitor) -> None:
    for _ in range(25):
        await visitor.sends_raw('{"type":"message"}')
    async with asyncio.timeout(5):
        assert visitor.closed is not None
        assert await visitor.closed == 1008


async def test_another_visitors_conversation_is_nobodys_business(visitor: TalkingVisitor) -> None:
    stranger = TalkingVisitor(visitor.http, visitor.url)
    await stranger.opens()
    for conversation in (visitor.conversation, "c_AAAA", "c_", "../x", visitor.conversation[:-1]):
        stranger.conversation = conversation
        with pytest.raises(aiohttp.WSServerHandshakeError) as raised:
            await stranger.connects(after=0)
        assert raised.value.status == 404
        query = f"messages?conversation={conversation}"
        body = json.dumps({"type": "message", "id": "c-1", "parts": [{"type": "text", "text": "x"}]})
        async with visitor.http.post(visitor.at(query), data=body, headers=stranger.headers()) as response:
            assert response.status == 404


async def test_server_sent_events_and_single_requests_do_all_that_a_socket_does(visitor: TalkingVisitor) -> None:
    await visitor.leaves()
    headers = visitor.headers()
    async with visitor.http.post(visitor.at("ticket"), headers=headers) as response:
        ticket = (await response.json())["ticket"]
    posted = []
    for number, text in enumerate(("/start", "uno")):
        frame = {"type": "message", "id": f"p-{number}", "parts": [{"type": "text", "text": text}]}
        async with visitor.http.post(visitor.at("messages"), json=frame, headers=headers) as response:
            assert response.status == 200
            posted.append(await response.json())
    assert [frame["type"] for frame in posted] == ["accepted", "accepted"]
    events = await _events(visitor, f"events?conversation={visitor.conversation}&token={ticket}", "Heard: uno")
    assert [number for number, _ in events] == [frame["seq"] for _, frame in events]
    assert [number for number, _ in events] == list(range(1, len(events) + 1))
    half = str(len(events) // 2)
    path = f"events?conversation={visitor.conversation}&token={ticket}"
    later = await _events(visitor, path, "Heard: uno", {"Last-Event-ID": half})
    assert [(number, frame["id"]) for number, frame in later] == [(n, f["id"]) for n, f in events[int(half) :]]


async def _events(
    client: TalkingVisitor, path: str, until: str, headers: dict[str, str] | None = None
) -> list[tuple[int, dict[str, object]]]:
    """The message events of a stream up to the one with the words *until*."""
    found = []
    async with (
        asyncio.timeout(10),
        client.http.get(client.at(path), headers={"Origin": ORIGIN, **(headers or {})}) as response,
    ):
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/event-stream")
        number = 0
        async for line in response.content:
            if line.startswith(b"id: "):
                number = int(line[4:])
            if line.startswith(b"data: ") and number:
                frame = json.loads(line[6:])
                if frame["type"] == "message":
                    found.append((number, frame))
                    if until in words(frame):
                        return found
    raise AssertionError("the stream ended")


async def test_a_request_that_is_no_frame_is_refused_with_its_reason(visitor: TalkingVisitor) -> None:
    for body, status, code in (
        (b"no json", 400, "not_json"),
        (b'{"type":"message"}', 400, "bad_frame"),
        (b"[" + b"1," * 40_000 + b"1]", 413, "too_large"),
    ):
        async with visitor.http.post(visitor.at("messages"), data=body, headers=visitor.headers()) as response:
            assert response.status == status
            assert (await response.json())["error"]["code"] == code
            assert response.headers["Access-Control-Allow-Origin"] == ORIGIN


async def test_reading_is_told_to_us_once_and_to_the_visitors_other_tabs(visitor: TalkingVisitor, dsn: str) -> None:
    await begins(visitor)
    tab = TalkingVisitor(visitor.http, visitor.url)
    tab.token, tab.conversation = visitor.token, visitor.conversation
    await tab.connects()
    last = await tab.sees("I am listening.")
    await visitor.sends({"type": "read", "seq": last["seq"]})
    await tab.hears(lambda f: f == {"type": "status", "seq": last["seq"], "status": "read"})
    sql = await asyncpg.connect(dsn)
    try:
        async with asyncio.timeout(10):
            while await sql.fetchval("SELECT count(*) FROM message WHERE author = 'bot' AND status <> 'read'"):
                await asyncio.sleep(0.02)
        assert await sql.fetchval("SELECT count(*) FROM event WHERE kind = 'message_read'") == 1
    finally:
        await sql.close()
        await tab.leaves()


async def test_a_page_view_costs_no_row_in_the_database(visitor: TalkingVisitor, dsn: str) -> None:
    sql = await asyncpg.connect(dsn)
    try:
        for table in ("contact", "address", "conversation", "message"):
            assert await sql.fetchval(f"SELECT count(*) FROM {table}") == 0
        await begins(visitor)
        assert await sql.fetchval("SELECT count(*) FROM conversation") == 1
    finally:
        await sql.close()


async def test_more_messages_than_the_visitors_rate_are_refused_and_nothing_is_stored(
    http: aiohttp.ClientSession, tmp_path: Path, dsn: str
) -> None:
    settings = settings_for(tmp_path, site={"messages_per_visitor_s": 0.5, "messages_burst": 3})
    async with gateway(settings, dsn) as url:
        client = TalkingVisitor(http, url)
        await client.opens()
        await client.connects()
        for number in range(6):
            await client.says(f"n{number}", f"c-{number}")
        refused = await client.hears(lambda f: f["type"] == "refused")
        assert (refused["client_id"], refused["reason"]) == ("c-3", "too_many")
        assert refused["retry_after_s"] > 0
        await client.hears(lambda f: f["type"] == "refused" and f["client_id"] == "c-5")
        assert sum(frame["type"] == "accepted" for frame in client.frames) == 3
        await client.leaves()


async def test_one_address_cannot_speak_with_many_voices(http: aiohttp.ClientSession, tmp_path: Path, dsn: str) -> None:
    settings = settings_for(tmp_path, site={"messages_per_address_s": 0.5, "messages_per_address_burst": 3})
    async with gateway(settings, dsn) as url:
        outcomes = []
        for number in range(5):
            client = TalkingVisitor(http, url)
            await client.opens()
            frame = {"type": "message", "id": f"c-{number}", "parts": [{"type": "text", "text": "hi"}]}
            async with http.post(client.at("messages"), json=frame, headers=client.headers()) as response:
                outcomes.append((response.status, response.headers.get("Retry-After") is not None))
        assert outcomes == [(200, False)] * 3 + [(429, True)] * 2


async def test_a_client_that_never_reads_is_cut_off_and_costs_the_others_nothing(
    visitor: TalkingVisitor, site: str, tmp_path: Path
) -> None:
    await begins(visitor)
    host, port = site.removeprefix("http://").split(":")
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.connect((host, int(port)))
    reader, writer = await asyncio.open_connection(sock=narrow, limit=1024)
    request = (
        f"GET /chat/site/socket?conversation={visitor.conversation}&after=0 HTTP/1.1\r\nHost: {host}:{port}\r\n"
        f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nOrigin: {ORIGIN}\r\n"
        f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: tertulia.v1.{visitor.token}\r\n\r\n"
    )
    writer.write(request.encode())
    assert b"101" in await reader.readline()
    writer.transport.pause_reading()
    for number in range(200):
        await visitor.says("z" * 9_000, f"big-{number}")
    await visitor.hears(lambda f: f.get("client_id") == "big-199" and f["type"] == "accepted", within_s=40)
    metrics = f"{site}/metrics?token={ensure_access_token(tmp_path).value}"
    async with asyncio.timeout(30):
        while True:
            async with visitor.http.get(metrics) as response:
                text = await response.text()
            open_links = [line for line in text.splitlines() if line.startswith("tertulia_visitor_links{")]
            if open_links and open_links[0].endswith(" 1.0"):
                break
            await asyncio.sleep(0.05)
    writer.close()
    await visitor.says("uno", "c-after")
    await visitor.sees("Heard: uno", within_s=20)


class TwoNodes:
    """Two gateways on one database, and one client at each."""

    def __init__(self, one: TalkingVisitor, two: TalkingVisitor) -> None:
        self.one = one
        self.two = two


@asynccontextmanager
async def nodes(http: aiohttp.ClientSession, folder: Path, dsn: str, **changed: object) -> AsyncIterator[TwoNodes]:
    async with AsyncExitStack() as stack:
        clients = []
        for node in ("one", "two"):
            url = await stack.enter_async_context(gateway(settings_for(folder, **changed), dsn, node=node))
            clients.append(TalkingVisitor(http, url))
        await clients[0].opens()
        clients[1].token, clients[1].conversation = clients[0].token, clients[0].conversation
        for client in clients:
            await client.connects(after=0)
            stack.push_async_callback(client.leaves)
        yield TwoNodes(*clients)


@pytest.fixture
async def two_nodes(http: aiohttp.ClientSession, tmp_path: Path, dsn: str) -> AsyncIterator[TwoNodes]:
    """Without Redis: what the one does, the other finds by polling."""
    async with nodes(http, tmp_path, dsn) as both:
        yield both


async def test_with_redis_nothing_waits_for_a_poll(
    http: aiohttp.ClientSession, tmp_path: Path, dsn: str, redis_url: str
) -> None:
    async with nodes(http, tmp_path, dsn, redis__url=redis_url, router__poll_ms=60_000) as both:
        await begins(both.one)
        await both.two.says("uno", "c-1")
        for client in (both.one, both.two):
            heard = await client.sees("Heard: uno")
            await client.hears(lambda f, after=heard["seq"]: f.get("seq") == after + 1)
        await both.one.says("dos", "c-2")
        await both.two.sees("Heard: dos")


async def test_a_tab_at_another_process_sees_the_same_also_from_before_the_first_message(two_nodes: TwoNodes) -> None:
    await begins(two_nodes.one)
    await two_nodes.two.sees("I am listening.")
    await two_nodes.two.says("uno", "c-1")
    for client in (two_nodes.one, two_nodes.two):
        heard = await client.sees("Heard: uno")
        await client.hears(lambda f, after=heard["seq"]: f.get("seq") == after + 1)
    assert {s: f["id"] for s, f in two_nodes.one.seen.items()} == {s: f["id"] for s, f in two_nodes.two.seen.items()}


async def test_a_change_of_node_in_the_middle_loses_and_doubles_nothing(two_nodes: TwoNodes) -> None:
    client = two_nodes.one
    await begins(client)
    urls = [two_nodes.one.url, two_nodes.two.url]
    for number in range(6):
        await client.says(f"n{number}", f"c-{number}")
        await client.leaves()
        client.url = urls[(number + 1) % 2]
        await client.connects()
        await client.says(f"n{number}", f"c-{number}")
        await client.sees(f"Heard: n{number}")
    assert not client.repeated
    texts = [words(client.seen[seq]) for seq in sorted(client.seen)]
    assert sorted(client.seen) == list(range(1, len(texts) + 1))
    for number in range(6):
        assert texts.count(f"n{number}") == 1
        assert texts.count(f"Heard: n{number}") == 1


async def test_a_person_at_the_desk_is_seen_with_name_and_change_of_control(visitor: TalkingVisitor, dsn: str) -> None:
    await begins(visitor)
    database = Database(dsn)
    try:
        sql = await asyncpg.connect(dsn)
        conversation_id = ConversationId(await sql.fetchval("SELECT id FROM conversation"))
        await sql.close()
        agents = Agents(database, Wakes(), News(), "builtin")
        await agents.take_over(conversation_id, "Berta")
        control = await visitor.hears(lambda f: f["type"] == "control")
        assert (control["control"], control["name"], control["text"]) == ("agent", "Berta", "Berta is with you")
        async with database.begin() as connection:
            [case] = await handoffs.list_open(connection)
        await agents.say(case.id, "Berta", "k1", (Text("Hello, I am Berta."),))
        said = await visitor.sees("I am Berta")
        assert (said["author"], said["name"]) == ("agent", "Berta")
        await agents.give_back(case.id, "solved")
        await visitor.hears(lambda f: f["type"] == "control" and f["control"] == "bot")
    finally:
        await database.close()
