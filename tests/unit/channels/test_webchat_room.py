"""A room shows each link every line once, in order, as far as it is decided; a link never holds more than it may."""

import asyncio
import json
import uuid
from datetime import UTC, datetime

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.webchat import frames
from channels.webchat.room import MAX_QUEUE, Link, Room, Standpoint, Voice
from gateway.core.control import Control
from gateway.core.ids import ConversationId
from gateway.core.messages import Author, Status, Text
from gateway.core.news import Passing
from gateway.store.lines import Line, Page

T = datetime(2026, 1, 1, tzinfo=UTC)
CONVERSATION = ConversationId(uuid.uuid4())


class Screen:
    """What a client was sent; ``gate`` closed means that it does not read."""

    def __init__(self):
        self.frames = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.ended = None

    async def send(self, frame, seq):
        await self.gate.wait()
        self.frames.append(json.loads(frame))

    async def hang_up(self, code, reason):
        self.ended = (code, reason)


def room():
    return Room(Standpoint("webchat", "site", 1), "v_ana/0", Voice("Lumi", lambda media: f"/media/{media.blob}"))


def line(position, author=Author.BOT, status=Status.SENT):
    return Line(position, uuid.UUID(int=position), author, status, (Text(f"n{position}"),), T, "Berta", f"m_{position}")


def test_an_agents_picture_goes_with_their_words_and_nobody_elses():
    def shown(author, address, status=Status.SENT):
        one = msgspec.structs.replace(line(1, author, status), avatar_url=address)
        return json.loads(frames.message(one, "Berta", "sent", lambda media: "")).get("avatar")

    assert shown(Author.AGENT, "https://example.com/b.jpg") == "https://example.com/b.jpg"
    assert shown(Author.AGENT, "") is None
    assert shown(Author.AGENT, "javascript:alert(1)") is None
    assert shown(Author.BOT, "https://example.com/b.jpg") is None
    assert shown(Author.AGENT, "https://example.com/b.jpg", Status.WITHDRAWN) is None


def page(lines, *, control=Control.BOT, agent="", epoch=0, read_position=1, is_full=False):
    end = lines[-1].position + 1 if lines else 1
    return Page(control, agent, epoch, read_position, end, tuple(lines), is_full)


async def written(link):
    while link._writer is not None and not link._writer.done():
        await asyncio.wait([link._writer])


def link_to(here, cursor=0, language="es"):
    screen = Screen()
    link = Link(screen, cursor, language)
    here.links.add(link)
    return link, screen


def seqs(screen):
    return [frame["seq"] for frame in screen.frames if frame["type"] == "message"]


async def test_nothing_overtakes_a_line_that_is_still_on_its_way():
    here = room()
    link, screen = link_to(here)
    lines = [
        line(1, Author.CUSTOMER, Status.RECEIVED),
        line(2, status=Status.QUEUED),
        line(3, Author.CUSTOMER, Status.RECEIVED),
    ]
    here.show(page(lines), 0)
    await written(link)
    assert seqs(screen) == [1]
    here.show(page([line(2), lines[2]]), 1)
    await written(link)
    assert seqs(screen) == [1, 2, 3]


@given(st.lists(st.sampled_from(["sent", "queued", "withdrawn", "received"]), min_size=1, max_size=12), st.data())
@settings(max_examples=60, deadline=None)
def test_however_the_lines_are_decided_every_link_sees_each_number_once_and_in_order(statuses, data):
    async def check():
        here = room()
        links = [link_to(here), link_to(here, cursor=data.draw(st.integers(0, len(statuses))))]
        starts = [link.cursor for link, _ in links]
        current = [Status(status) for status in statuses]
        while True:
            for cursor in {link.cursor for link, _ in links}:
                lines = [
                    line(number, Author.CUSTOMER if status is Status.RECEIVED else Author.BOT, status)
                    for number, status in enumerate(current, 1)
                    if number > cursor
                ]
                here.show(page(lines), cursor)
            if Status.QUEUED not in current:
                break
            current[current.index(Status.QUEUED)] = data.draw(st.sampled_from([Status.SENT, Status.WITHDRAWN]))
        for (link, screen), start in zip(links, starts, strict=True):
            await written(link)
            assert seqs(screen) == list(range(start + 1, len(statuses) + 1))

    asyncio.run(check())


async def test_a_client_that_never_reads_is_cut_off_and_nothing_waits_for_it():
    here = room()
    link, screen = link_to(here)
    screen.gate.clear()
    for number in range(MAX_QUEUE + 2):
        link.put(b"{}", number)
    await link.wait_cut()
    assert screen.ended is not None
    assert screen.ended[0] == 1013
    assert not link._queue
    link.put(b"{}")
    assert not link._queue


async def test_an_idle_link_keeps_no_task():
    here = room()
    link, screen = link_to(here)
    link.put(b"{}")
    await written(link)
    assert link._writer is None
    assert screen.frames == [{}]


async def test_a_change_of_control_is_told_once_in_the_language_of_each_link():
    here = room()
    spanish, english = link_to(here), link_to(here, language="en")
    here.show(page([line(1)]), 0)
    for _ in range(2):
        here.show(page([], control=Control.QUEUED, epoch=1), 1)
    here.show(page([], control=Control.AGENT, agent="Berta", epoch=2), 1)
    here.show(page([], epoch=3), 1)
    texts = []
    for link, screen in (spanish, english):
        await written(link)
        texts.append([(f["control"], f["text"]) for f in screen.frames if f["type"] == "control"])
    assert texts[0] == [
        ("queued", "Esperas a una persona"),
        ("agent", "Te atiende Berta"),
        ("bot", "Te atiende de nuevo el asistente"),
    ]
    assert texts[1][1] == ("agent", "Berta is with you")


async def test_who_comes_while_a_person_answers_hears_it_after_what_was_missed():
    here = room()
    link, screen = link_to(here)
    here.show(page([line(1), line(2)], control=Control.AGENT, agent="Berta", epoch=2, is_full=True), 0)
    here.show(page([line(3, Author.AGENT)], control=Control.AGENT, agent="Berta", epoch=2), 2)
    await written(link)
    assert [frame["type"] for frame in screen.frames] == ["message"] * 3 + ["control"]


async def test_the_visitor_learns_that_the_bot_and_the_agent_read():
    here = room()
    link, screen = link_to(here)
    here.show(page([line(1, Author.CUSTOMER, Status.RECEIVED)]), 0)
    await written(link)
    assert screen.frames[0]["status"] == "delivered"
    here.show(page([], read_position=2), 1)
    await written(link)
    assert screen.frames[1:] == [{"type": "status", "seq": 1, "status": "read"}]
    here.show(
        page([line(2, Author.CUSTOMER, Status.RECEIVED)], control=Control.AGENT, agent="B", epoch=1, read_position=3), 1
    )
    here.pass_on(Passing(CONVERSATION, "seen"))
    await written(link)
    assert {"type": "status", "seq": 2, "status": "read"} in screen.frames


async def test_what_reaches_a_screen_is_told_once_however_many_tabs_there_are():
    here = room()
    for _ in range(2):
        link_to(here)
    assert here.show(page([line(1), line(2, Author.AGENT)]), 0) == ["m_1", "m_2"]
    late, _ = link_to(here)
    assert here.show(page([line(1), line(2, Author.AGENT)]), late.cursor) == []


async def test_typing_and_pieces_of_an_answer_pass_and_the_visitors_own_typing_does_not_come_back():
    here = room()
    link, screen = link_to(here)
    here.pass_on(Passing(CONVERSATION, "typing", author="agent", name="Berta"))
    here.pass_on(Passing(CONVERSATION, "typing", author="bot"))
    here.pass_on(Passing(CONVERSATION, "typing", author="customer"))
    here.pass_on(Passing(CONVERSATION, "delta", subject="m_9", text="Ho"))
    await written(link)
    assert screen.frames == [
        {"type": "typing", "author": "agent", "name": "Berta", "on": True},
        {"type": "typing", "author": "bot", "name": "Lumi", "on": True},
        {"type": "delta", "id": "m_9", "text": "Ho"},
    ]
