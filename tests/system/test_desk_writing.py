"""What agents write at the desk besides plain words: files, templates, notes, and replies that they keep."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from desk_world import BALANCE, Desk, Words, World, serving, world_of

from gateway.core.channel import ApprovedTemplate
from gateway.core.errors import GiveUp, Retry
from gateway.core.ids import AccountId, new_id
from gateway.core.messages import Media, MediaKind, Parts
from gateway.core.news import Passing
from gateway.core.turns import Resolution
from gateway.store import notes
from gateway.store.consent import Standing
from gateway.web.desk import ReplyLine, files
from gateway.web.desk.surface import Recipient, Speaking

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(60)
PDF = b"%PDF-1.7\n" + bytes(200)
VISIT = ApprovedTemplate("visita", "es_CO", "Hola {{1}}, vamos el {{2}}.", 2, "UTILITY")
UNCLEAR = Resolution(link="none", reason="0.31 below 0.55", language="es")


class Surfaces:
    """An app without videos, whose window may be closed, and a provider that may be away."""

    def __init__(self) -> None:
        self.now = Speaking()
        self.trouble: Exception | None = None

    def speaking(self, standing: Standing) -> Speaking:
        return self.now

    def media(self, account_id: AccountId) -> frozenset[MediaKind]:
        return frozenset({"image", "document"})

    def losses(self, to: Recipient, parts: Parts) -> tuple[str, ...]:
        [file] = parts
        assert isinstance(file, Media)
        assert to.recipient
        if file.kind == "audio":
            raise GiveUp("not_supported", "nothing of it can be shown")
        return ("video as document",) if file.kind == "video" else ()

    async def templates(self, account_id: AccountId) -> Sequence[ApprovedTemplate]:
        if self.trouble is not None:
            raise self.trouble
        return (VISIT,)

    def template_text(self, account_id: AccountId, name: str, language: str) -> str:
        return VISIT.text if name == VISIT.name else ""


@pytest.fixture
async def world(dsn: str) -> AsyncIterator[World]:
    async with world_of(dsn) as world:
        yield world


@pytest.fixture
def surfaces() -> Surfaces:
    return Surfaces()


@pytest.fixture
async def desk(dsn: str, tmp_path: Path, surfaces: Surfaces) -> AsyncIterator[Desk]:
    ready = (ReplyLine(name="saludo", text="Hola, {name}. Soy {agent}.", language="es"),)
    async with serving(dsn, tmp_path, words=Words(), surfaces=surfaces, ready=ready) as desk:
        yield desk


async def upload(
    desk: Desk, conversation: object, data: bytes, name: str, mime: str = "", status: int = 200
) -> dict[str, Any]:
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("file", data, filename=name, content_type=mime or "application/octet-stream")
    async with desk.session.post(f"{desk.url}/desk/api/conversations/{conversation}/files", data=form) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json()


def answer(text: str = "", **more: object) -> dict[str, object]:
    return {"agent": "Ana", "key": f"key-{new_id()}", "text": text, **more}


async def said(world: World) -> list[dict[str, Any]]:
    parts = await world.connection.fetchval(
        "SELECT parts::text FROM message WHERE author = 'agent' ORDER BY position DESC"
    )
    return msgspec.json.decode(parts)


# ---------------------------------------------------------------- files


async def test_a_file_is_stored_once_and_said_with_its_words_beneath(desk: Desk, world: World) -> None:
    case = await world.conversation(agent="Ana")
    taken = await upload(desk, case.conversation, PNG, "../señal.png", "image/png")
    assert (taken["kind"], taken["name"], taken["mime"], taken["losses"]) == ("image", "señal.png", "image/png", [])
    body = answer("Así se ve", files=[taken["file"]])
    once = await desk.post(f"/desk/api/handoffs/{case.handoff}/answer", body)
    again = await desk.post(f"/desk/api/handoffs/{case.handoff}/answer", body)
    assert (once["message"], again["is_repeated"]) == (again["message"], True)
    [picture] = await said(world)
    assert (picture["caption"], picture["name"], picture["size_bytes"]) == ("Así se ve", "señal.png", len(PNG))
    shown = (await desk.get(f"/desk/api/conversations/{case.conversation}"))["messages"][-1]["parts"][0]
    async with desk.session.get(desk.url + shown["url"]) as file:
        assert await file.read() == PNG


async def test_several_files_go_before_the_words_in_the_order_of_their_choosing(desk: Desk, world: World) -> None:
    case = await world.conversation(agent="Ana")
    seals = [
        (await upload(desk, case.conversation, data, name))["file"] for data, name in ((PDF, "b.pdf"), (PNG, "a.png"))
    ]
    await desk.post(f"/desk/api/handoffs/{case.handoff}/answer", answer("Ahí van", files=seals))
    parts = await said(world)
    assert [part.get("name") or part["text"] for part in parts] == ["b.pdf", "a.png", "Ahí van"]


async def test_what_the_app_loses_of_a_file_is_told_before_it_is_sent(desk: Desk, world: World) -> None:
    case = await world.conversation(agent="Ana")
    film = await upload(desk, case.conversation, b"\0\0\0\x18ftypisom" + bytes(100), "a.mp4", "video/mp4")
    assert film["losses"] == ["video as document"]
    refused = await upload(desk, case.conversation, b"OggS\0\x02" + bytes(100), "a.ogg", "audio/ogg", 415)
    assert refused["error"]["code"] == "not_shown"
    shown = await desk.get(f"/desk/api/conversations/{case.conversation}")
    assert shown["shows"] == ["document", "image"]


@pytest.mark.parametrize(
    ("data", "name", "mime", "status", "code"),
    [
        (b"<svg onload=alert(1)>", "a.svg", "image/svg+xml", 415, "bad_type"),
        (b"MZ\x90", "a.exe", "application/x-msdownload", 415, "bad_type"),
        (b"<html>", "a.png", "image/png", 415, "not_its_type"),
        (b"", "a.png", "image/png", 400, "empty"),
    ],
)
async def test_a_file_that_may_harm_or_is_not_what_it_says_is_not_taken(
    desk: Desk, world: World, data: bytes, name: str, mime: str, status: int, code: str
) -> None:
    case = await world.conversation(agent="Ana")
    assert (await upload(desk, case.conversation, data, name, mime, status))["error"]["code"] == code


async def test_a_file_has_a_bound_whatever_its_length_is_said_to_be(desk: Desk, world: World, monkeypatch) -> None:
    case = await world.conversation(agent="Ana")
    monkeypatch.setattr(files, "MAX_FILE_BYTES", 1_000)
    monkeypatch.setattr(files, "ENVELOPE_BYTES", 100_000)
    refused = await upload(desk, case.conversation, PDF + bytes(900), "a.pdf", "application/pdf", 413)
    assert refused["error"]["code"] == "too_large"
    await upload(desk, case.conversation, PDF, "a.pdf", "application/pdf")


async def test_a_seal_is_good_for_its_conversation_alone_and_cannot_be_made_up(desk: Desk, world: World) -> None:
    case, other = await world.conversation(agent="Ana"), await world.conversation("Luis", agent="Ana")
    seal = (await upload(desk, other.conversation, PNG, "a.png"))["file"]
    for wrong in (seal, seal[:-2], "x", "a.b", "ñ.ñ", ".", seal.replace(".", "A.")):
        refused = await desk.post(f"/desk/api/handoffs/{case.handoff}/answer", answer(files=[wrong]), 409)
        assert refused["error"]["code"] == "file_unknown"
    assert await world.connection.fetchval("SELECT count(*) FROM message") == 0


async def test_another_process_knows_what_the_first_one_took(
    dsn: str, tmp_path: Path, desk: Desk, world: World
) -> None:
    case = await world.conversation(agent="Ana")
    seal = (await upload(desk, case.conversation, PNG, "a.png"))["file"]
    async with serving(dsn, tmp_path) as other:
        await other.post(f"/desk/api/handoffs/{case.handoff}/answer", answer(files=[seal]))
    assert (await said(world))[0]["kind"] == "image"


async def test_broken_multipart_bodies_are_refused_by_name(desk: Desk, world: World) -> None:
    case = await world.conversation(agent="Ana")
    address = f"{desk.url}/desk/api/conversations/{case.conversation}/files"
    for data, kind, status in (
        (b"{}", "application/json", 415),
        (b"--x\r\n", "multipart/form-data; boundary=x", 400),
        (b"--x\r\n\r\nhola\r\n--x--\r\n", "multipart/form-data; boundary=x", 400),
        (b"", "multipart/form-data", 400),
    ):
        async with desk.session.post(address, data=data, headers={"Content-Type": kind}) as answered:
            assert answered.status == status, data
            assert set((await answered.json())["error"]) == {"code", "message"}


# ---------------------------------------------------------------- templates and the window


async def test_what_may_be_said_now_is_told_with_the_conversation(desk: Desk, world: World, surfaces: Surfaces) -> None:
    case = await world.conversation(agent="Ana")
    path = f"/desk/api/conversations/{case.conversation}"
    assert (await desk.get(path))["speaking"] == {}
    closed_at = datetime.now(UTC) - timedelta(hours=1)
    surfaces.now = Speaking("closed", None, closed_at, "window_closed", {"es": "Cerrada"}, has_templates=True)
    told = (await desk.get(path))["speaking"]
    assert (told["kind"], told["reason"], told["has_templates"]) == ("closed", "window_closed", True)
    assert datetime.fromisoformat(told["since"]) == closed_at


async def test_a_template_is_offered_filled_and_shown_as_the_customer_reads_it(desk: Desk, world: World) -> None:
    case = await world.conversation(agent="Ana")
    path = f"/desk/api/conversations/{case.conversation}"
    [offered] = (await desk.get(f"{path}/templates"))["items"]
    assert (offered["name"], offered["blanks"]) == ("visita", 2)
    template = {"name": "visita", "language": "es_CO", "values": ["Marta", " el martes {{1}} "]}
    await desk.post(f"/desk/api/handoffs/{case.handoff}/answer", answer(template=template))
    [stored] = await said(world)
    assert stored["values"] == ["Marta", "el martes {{1}}"]
    shown = (await desk.get(path))["messages"][-1]["parts"][0]
    assert shown["text"] == "Hola Marta, vamos el el martes {{1}}."


@pytest.mark.parametrize(
    "body",
    [
        {"text": ""},
        {"text": "hola", "template": {"name": "visita"}},
        {"template": {"name": "visita", "values": [" "]}},
        {"template": {"name": "visita", "values": ["x"] * 21}},
        {"template": {"name": ""}},
        {"files": ["x"] * 11},
    ],
)
async def test_an_answer_that_says_nothing_or_two_things_is_refused(
    desk: Desk, world: World, body: dict[str, object]
) -> None:
    case = await world.conversation(agent="Ana")
    wrong = {"agent": "Ana", "key": "long-enough", **body}
    refused = await desk.post(f"/desk/api/handoffs/{case.handoff}/answer", wrong, 400)
    assert refused["error"]["code"] == "bad_request"


async def test_a_provider_that_does_not_tell_its_templates_costs_only_them(
    desk: Desk, world: World, surfaces: Surfaces
) -> None:
    case = await world.conversation(agent="Ana")
    path = f"/desk/api/conversations/{case.conversation}/templates"
    surfaces.trouble = Retry("away")
    assert (await desk.get(path, 503))["error"]["code"] == "unavailable"
    surfaces.trouble = GiveUp("refused", "the token may not")
    assert (await desk.get(path, 409))["error"] == {"code": "no_templates", "message": "the token may not"}


# ---------------------------------------------------------------- notes


async def test_a_note_stands_where_it_was_written_for_colleagues_and_for_nobody_else(desk: Desk, world: World) -> None:
    case = await world.conversation(agent="Ana")
    path = f"/desk/api/conversations/{case.conversation}"
    await world.says(case, "hola")
    note = {"agent": "Leo", "key": "note-number-1", "text": " Ojo: <b>cliente</b> {{ 7*7 }} {agent}\x00 "}
    once, again = await desk.post(f"{path}/notes", note), await desk.post(f"{path}/notes", note)
    assert once == again
    await world.says(case, "¿sigue ahí?")
    [shown] = (await desk.get(path))["notes"]
    assert (shown["after"], shown["agent"]) == (1, "Leo")
    assert shown["text"] == "Ojo: <b>cliente</b> {{ 7*7 }} {agent}"
    for table in ("message", "outbox", "entry"):
        assert "Ojo" not in str(await world.connection.fetch(f"SELECT * FROM {table}")), "no customer is shown a note"


async def test_everybody_who_looks_sees_a_note_at_once_and_when_it_is_taken_back(
    dsn: str, tmp_path: Path, desk: Desk, world: World
) -> None:
    case = await world.conversation()
    path = f"/desk/api/conversations/{case.conversation}/notes"
    async with (
        serving(dsn, tmp_path) as other,
        desk.page(case.conversation) as page,
        other.page(case.conversation) as elsewhere,
    ):
        note = await desk.post(path, {"agent": "Ana", "key": "note-number-1", "text": "hola"})
        for end in (page, elsewhere):
            await end.until(lambda page: page.frames and page.frames[-1].get("notes"))
        await desk.post(f"{path}/{note['id']}/remove", {"agent": "Leo"}, 404)
        await desk.post(f"{path}/{note['id']}/remove", {"agent": "Ana"})
        for end in (page, elsewhere):
            await end.until(lambda page: page.frames[-1]["type"] == "conversation" and "notes" not in page.frames[-1])


async def test_notes_come_with_the_page_of_their_messages_each_once(desk: Desk, world: World) -> None:
    case = await world.conversation()
    path = f"/desk/api/conversations/{case.conversation}"
    for number in range(120):
        if number % 10 == 0:
            await desk.post(f"{path}/notes", {"agent": "Ana", "key": f"note-number-{number}", "text": str(number)})
        await world.says(case, str(number))
    shown = await desk.get(path)
    found, is_first = [shown["notes"]], shown["is_first"]
    first = shown["messages"][0]["seq"]
    while not is_first:
        page = await desk.get(f"{path}/messages?before={first}&limit=25")
        found.insert(0, page["notes"])
        first, is_first = page["messages"][0]["seq"], page["is_first"]
    assert [note["text"] for page in found for note in page] == [str(number) for number in range(0, 120, 10)]


async def test_a_conversation_holds_a_bounded_number_of_notes(desk: Desk, world: World, monkeypatch) -> None:
    monkeypatch.setattr(notes, "MOST_NOTES", 2)
    case = await world.conversation()
    path = f"/desk/api/conversations/{case.conversation}/notes"
    for number in range(2):
        await desk.post(path, {"agent": "Ana", "key": f"note-number-{number}", "text": "x"})
    refused = await desk.post(path, {"agent": "Ana", "key": "note-number-3", "text": "x"}, 409)
    assert refused["error"]["code"] == "too_many_notes"
    await desk.post(path, {"agent": "Ana", "key": "note-number-1", "text": "x"})
    unknown = f"/desk/api/conversations/{new_id()}/notes"
    await desk.post(unknown, {"agent": "Ana", "key": "note-number-1", "text": "x"}, 404)


# ---------------------------------------------------------------- replies that are ready


async def test_replies_of_the_author_and_of_agents_are_had_together(desk: Desk) -> None:
    saved = await desk.post(
        "/desk/api/canned", {"agent": "Ana", "name": "Envío", "text": " {{ x }} {agent} ", "language": "es"}
    )
    assert saved["text"] == "{{ x }} {agent}", "nothing is evaluated, and nothing filled before it is used"
    items = (await desk.get("/desk/api/canned"))["items"]
    assert [(one["name"], one.get("agent", "")) for one in items] == [("saludo", ""), ("Envío", "Ana")]
    await desk.post(f"/desk/api/canned/{saved['id']}/remove", {})
    await desk.post(f"/desk/api/canned/{saved['id']}/remove", {}, 404)
    assert len((await desk.get("/desk/api/canned"))["items"]) == 1


async def test_a_name_is_one_reply_and_is_replaced_only_when_that_is_meant(desk: Desk) -> None:
    first = {"agent": "Ana", "name": "envio", "text": "uno"}
    await desk.post("/desk/api/canned", first)
    await desk.post("/desk/api/canned", first)
    other = {"agent": "Leo", "name": "ENVIO", "text": "dos"}
    refused = await desk.post("/desk/api/canned", other, 409)
    assert (refused["error"]["code"], "Ana" in refused["error"]["message"]) == ("name_taken", True)
    await desk.post("/desk/api/canned", {**other, "language": "en"})
    replaced = await desk.post("/desk/api/canned", {**other, "replaces": True})
    assert (replaced["text"], replaced["agent"]) == ("dos", "Leo")
    assert len((await desk.get("/desk/api/canned"))["items"]) == 3


@pytest.mark.parametrize(
    "body",
    [
        {"name": "dos palabras", "text": "x"},
        {"name": "x" * 41, "text": "x"},
        {"name": "", "text": "x"},
        {"name": "a", "text": " "},
        {"name": "a", "text": "x" * 4001},
        {"name": "a", "text": "x", "language": "<b>"},
    ],
)
async def test_a_reply_that_nobody_could_use_is_not_kept(desk: Desk, body: dict[str, object]) -> None:
    refused = await desk.post("/desk/api/canned", {"agent": "Ana", **body}, 400)
    assert refused["error"]["code"] == "bad_request"


# ---------------------------------------------------------------- why a person was asked for


async def test_what_led_to_a_person_is_told_with_words_turns_and_what_was_known(desk: Desk, world: World) -> None:
    case = await world.conversation(reason="unresolved", asked_ago_s=0)
    await world.turn(case, "mi saldo", "Tienes $ 12.400.", resolution=BALANCE)
    await world.turn(case, "no era eso", "No entendí.", resolution=UNCLEAR)
    await world.turn(
        case, "¡que no!", "Sigo sin entender.", resolution=msgspec.structs.replace(UNCLEAR, sentiment="negative")
    )
    await world.connection.execute(
        """UPDATE handoff SET detail = '2 times', slots = '{"plan": "Plus", "vacio": null}', sentiment = 'negative',
           is_urgent = true, reopened_agent = 'Leo', asked_at = now()"""
    )
    await world.turn(case, "¿hola?", resolution=UNCLEAR)
    await world.connection.execute("UPDATE turn SET at = now() + interval '5 s' WHERE from_seq = 4")
    why = (await desk.get(f"/desk/api/conversations/{case.conversation}"))["why"]
    assert (why["reason"], why["detail"], why["is_urgent"], why["reopened_agent"]) == (
        "unresolved",
        "2 times",
        True,
        "Leo",
    )
    assert [step["said"] for step in why["steps"]] == ["mi saldo", "no era eso", "¡que no!"]
    assert (why["unresolved"], why["slots"]) == (2, {"plan": "Plus"})
    assert (why["steps"][0]["intent"], why["steps"][2]["sentiment"]) == ("balance", "negative")
    [line] = (await desk.get("/desk/api/queue"))["items"]
    assert (line["detail"], line["is_urgent"]) == ("2 times", True)


async def test_with_the_bot_there_is_nothing_to_explain(desk: Desk, world: World) -> None:
    case = await world.conversation(reason=None)
    await world.turn(case, "mi saldo", "Tienes $ 12.400.", resolution=BALANCE)
    assert "why" not in await desk.get(f"/desk/api/conversations/{case.conversation}")


# ---------------------------------------------------------------- who looks, and other ways to hear


async def test_colleagues_see_who_looks_and_who_left(dsn: str, tmp_path: Path, desk: Desk, world: World) -> None:
    case, other = await world.conversation(), await world.conversation("Luis")

    async def looks(page: Any, conversation: object, agent: str) -> None:
        frame = {"type": "watch", "conversation": conversation and str(conversation), "agent": agent}
        await page.socket.send_json(frame)

    def names(page: Any, conversation: object) -> list[str]:
        found: dict[str, list[str]] = {}
        for frame in page.frames:
            if frame["type"] == "presence":
                found = {} if frame.get("is_whole") else found
                found.update({one["conversation"]: one["agents"] for one in frame["looking"]})
        return found.get(str(conversation), [])

    async with desk.page() as ana, desk.page() as leo:
        await looks(leo, case.conversation, "Leo")
        await ana.until(lambda page: names(page, case.conversation) == ["Leo"])
        await looks(ana, case.conversation, "Ana")
        await leo.until(lambda page: names(page, case.conversation) == ["Ana", "Leo"])
        async with desk.page() as newcomer:
            await newcomer.until(lambda page: names(page, case.conversation) == ["Ana", "Leo"])
        await looks(leo, other.conversation, "Leo")
        await ana.until(lambda page: names(page, case.conversation) == ["Ana"])
        assert names(ana, other.conversation) == ["Leo"]
        await leo.socket.close()
        await ana.until(lambda page: names(page, other.conversation) == [])


async def test_where_no_socket_gets_through_the_same_news_come_as_events(desk: Desk, world: World) -> None:
    case = await world.conversation()
    await world.says(case, "primero")
    address = f"{desk.url}/desk/events?watch={case.conversation}&agent=Ana"
    async with asyncio.timeout(15), desk.session.get(address) as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        frames = _frames(stream)
        kinds = [(await anext(frames))["type"] for _ in range(2)]
        assert kinds[0] == "cases"
        await world.says(case, "segundo")
        desk.news.changed((case.conversation,))
        async for frame in frames:
            if frame["type"] == "conversation" and len(frame["messages"]) == 2:
                break
        desk.doors._feed.hang_up()
        assert [frame async for frame in frames if frame["type"] == "conversation"] == []
    await desk.get("/desk/events?watch=x", 404)


async def _frames(stream: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    async for line in stream.content:
        if line.startswith(b"data: "):
            yield msgspec.json.decode(line.removeprefix(b"data: "))


async def test_pieces_of_an_answer_reach_whoever_looks(desk: Desk, world: World) -> None:
    case = await world.conversation(reason=None)
    async with desk.page(case.conversation) as page:
        await page.until(lambda page: page.frames and page.frames[-1]["type"] == "conversation")
        desk.news.passing(Passing(case.conversation, "delta", author="bot", subject="m1", text="Ho"))
        frame = await page.until(lambda page: page.frames[-1]["type"] == "delta")
        assert (frame["id"], frame["text"]) == ("m1", "Ho")
