"""What the desk's pages hear while they look: over the socket, between processes, with Redis and without."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from desk_world import Desk, Words, World, serving, world_of

from gateway.app.bench.processes import Child, free_port
from gateway.core.ids import ConversationId, new_id
from gateway.core.messages import Text
from gateway.core.news import News, Passing
from gateway.store.redis import RedisBus


@pytest.fixture
async def world(dsn: str) -> AsyncIterator[World]:
    async with world_of(dsn) as world:
        yield world


@pytest.fixture
async def desk(dsn: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with serving(dsn, tmp_path, words=Words()) as desk:
        yield desk


@pytest.fixture
async def redis_url(tmp_path: Path) -> AsyncIterator[str]:
    port = free_port()
    argv = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(tmp_path)]
    async with Child("redis-server", argv, log=tmp_path / "redis.log") as server:
        await server.answers(port)
        yield f"redis://127.0.0.1:{port}/0"


async def test_a_case_appears_changes_and_leaves_without_anybody_asking(desk: Desk, world: World) -> None:
    old = await world.conversation("Luis")
    async with desk.page() as page:
        await page.until(lambda page: str(old.handoff) in page.cases)
        new = await world.conversation("Marta")
        desk.news.changed((new.conversation,))
        await page.until(lambda page: str(new.handoff) in page.cases)
        await desk.post(f"/desk/api/handoffs/{new.handoff}/take", {"agent": "Ana"})
        await page.until(lambda page: page.cases[str(new.handoff)].get("agent") == "Ana")
        await desk.post(f"/desk/api/handoffs/{new.handoff}/close", {"agent": "Ana"})
        await page.until(lambda page: str(new.handoff) not in page.cases)
        assert str(old.handoff) in page.cases
        assert sum(bool(frame.get("begins")) for frame in page.frames) == 1, "the queue is told whole only once"


async def test_a_page_that_looks_at_a_conversation_is_told_all_of_it_and_others_nothing(
    desk: Desk, world: World
) -> None:
    case = await world.conversation()
    await world.says(case, "primero")
    async with desk.page(case.conversation) as looking, desk.page() as other:
        await looking.until(lambda page: 1 in page.messages)
        await world.says(case, "segundo")
        desk.news.changed((case.conversation,))
        await looking.until(lambda page: 2 in page.messages)
        await other.until(lambda page: page.cases and page.cases[str(case.handoff)].get("position") == 2)
        assert not other.messages
        await looking.watch(None)
        await looking.watch(ConversationId(new_id()))
        await looking.until(lambda page: page.frames[-1]["type"] == "unknown")


async def test_typing_reaches_whoever_looks_and_the_agents_own_goes_to_the_customer(desk: Desk, world: World) -> None:
    case = await world.conversation()
    heard: list[Passing] = []
    desk.news.listen(lambda _id: None, heard.append)
    async with desk.page(case.conversation) as page:
        await page.until(lambda page: any(frame["type"] == "conversation" for frame in page.frames))
        desk.news.passing(Passing(case.conversation, "typing", author="customer", name="Marta"))
        frame = await page.until(lambda page: page.frames[-1]["type"] == "typing")
        assert frame == {
            "type": "typing",
            "conversation": str(case.conversation),
            "author": "customer",
            "name": "Marta",
            "on": True,
        }
        path = f"/desk/api/conversations/{case.conversation}"
        await desk.post(f"{path}/typing", {"agent": "Ana", "on": False})
        await desk.post(f"{path}/seen", {"agent": "Ana"})
    assert heard[1:] == [
        Passing(case.conversation, "typing", author="agent", name="Ana", is_on=False),
        Passing(case.conversation, "seen", author="agent", name="Ana"),
    ]


async def _talk_across(one: Desk, other: Desk, world: World) -> None:
    """What is done in one process is seen in the other, once and in order."""
    case = await world.conversation()
    async with other.page(case.conversation) as page:
        await page.until(lambda page: str(case.handoff) in page.cases)
        await one.post(f"/desk/api/handoffs/{case.handoff}/take", {"agent": "Ana"})
        await page.until(lambda page: page.cases[str(case.handoff)].get("agent") == "Ana" and 1 in page.messages)
        for number in range(3):
            answer = {"agent": "Ana", "key": f"answer-number-{number}", "text": f"{number}"}
            await one.post(f"/desk/api/handoffs/{case.handoff}/answer", answer)
        await page.until(lambda page: 4 in page.messages)
        assert [page.messages[seq]["parts"][0]["text"] for seq in (2, 3, 4)] == ["0", "1", "2"]
        await world.connection.execute("UPDATE message SET status = 'read' WHERE position = 4")
        one.news.changed((case.conversation,))
        await page.until(lambda page: page.messages[4]["status"] == "read")
        await one.post(f"/desk/api/handoffs/{case.handoff}/give-back", {"agent": "Ana"})
        await page.until(lambda page: not page.cases)


async def test_another_process_is_heard_by_polling_where_there_is_no_redis(
    dsn: str, tmp_path: Path, world: World
) -> None:
    async with serving(dsn, tmp_path, words=Words()) as one, serving(dsn, tmp_path) as other:
        await _talk_across(one, other, world)


async def test_another_process_is_heard_at_once_over_redis(
    dsn: str, tmp_path: Path, world: World, redis_url: str
) -> None:
    buses = [RedisBus(redis_url), RedisBus(redis_url)]
    news = [News(bus.announce) for bus in buses]
    for bus, own in zip(buses, news, strict=True):
        bus.on_bulletin(own.heard)
    lines = [asyncio.create_task(work) for bus in buses for work in (bus.send(), bus.listen())]
    try:
        await _can_hear_each_other(news)
        async with (
            serving(dsn, tmp_path, news=news[0], words=Words()) as one,
            serving(dsn, tmp_path, news=news[1]) as other,
        ):
            await _talk_across(one, other, world)
    finally:
        for line in lines:
            line.cancel()
        await asyncio.gather(*lines, return_exceptions=True)
        for bus in buses:
            await bus.close()


async def _can_hear_each_other(news: list[News]) -> None:
    """Return when what one process tells has reached the other."""
    heard = asyncio.Event()
    stop = news[1].listen(lambda _id: heard.set(), lambda _passing: None)
    async with asyncio.timeout(10):
        while not heard.is_set():
            news[0].changed((ConversationId(new_id()),))
            await asyncio.sleep(0.02)
    stop()


async def test_a_page_that_comes_back_catches_up_and_knows_everything_once(desk: Desk, world: World) -> None:
    case = await world.conversation()
    async with desk.page(case.conversation) as page:
        await page.until(lambda page: str(case.handoff) in page.cases)
    for number in range(50):
        await world.says(case, f"{number}")
    gone = await world.conversation("Luis")
    assert gone.handoff is not None
    await desk.agents.give_back(gone.handoff, "solved")
    async with desk.page(case.conversation) as page:
        await page.until(lambda page: 50 in page.messages)
        assert set(page.cases) == {str(case.handoff)}
        first = min(page.messages)
        older = await desk.get(f"/desk/api/conversations/{case.conversation}/messages?before={first}")
        assert [m["seq"] for m in older["messages"]] == list(range(1, first))


async def test_a_page_that_says_something_else_is_hung_up_on(desk: Desk) -> None:
    for rubbish in ("x", "[]", '{"type": "watch", "conversation": "1"}', '{"type": "rule"}', "\x00" * 100):
        async with desk.session.ws_connect(desk.url + "/desk/socket") as socket:
            await socket.send_str(rubbish)
            async with asyncio.timeout(5):
                while not (await socket.receive()).type.name.startswith("CLOSE"):
                    pass
            assert socket.close_code == 1008
    async with desk.session.ws_connect(desk.url + "/desk/socket") as socket:
        await socket.send_str("x" * 5_000)
        async with asyncio.timeout(5):
            while not (await socket.receive()).type.name.startswith("CLOSE"):
                pass
        assert socket.close_code == 1009


async def test_a_page_that_never_reads_keeps_no_more_than_its_share(desk: Desk, world: World) -> None:
    case = await world.conversation()
    assert case.handoff is not None
    await desk.agents.say(case.handoff, "Ana", "some-key-1", (Text("x"),))
    watcher = _feed_of(desk).join()
    for _ in range(2_000):
        watcher.tell(b"x")
    assert watcher.frames.qsize() <= 256
    frames = [watcher.frames.get_nowait() for _ in range(watcher.frames.qsize())]
    assert None in frames, "its connection is closed, and it begins anew"


def _feed_of(desk: Desk):
    return desk.doors._feed
