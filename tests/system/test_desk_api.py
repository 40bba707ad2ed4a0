"""The desk's API on a real database: what agents are told, what they may do, and who is turned away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest
from desk_world import BALANCE, QUESTION, TOKEN, Desk, Words, World, at_once, picture, serving, world_of
from sqlalchemy import event

from gateway.core.ids import new_id
from gateway.core.messages import Text
from gateway.store.blobs import Blobs
from gateway.web.desk import reading


@pytest.fixture
async def world(dsn: str) -> AsyncIterator[World]:
    async with world_of(dsn) as world:
        yield world


@pytest.fixture
async def desk(dsn: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with serving(dsn, tmp_path, words=Words()) as desk:
        yield desk


async def test_the_queue_tells_who_waits_for_how_long_and_why(desk: Desk, world: World) -> None:
    later = await world.conversation("Luis", reason="not_understood", asked_ago_s=30, language="en")
    first = await world.conversation("Marta Ríos", asked_ago_s=600)
    await world.says(first, "Quiero hablar con alguien")
    await world.says(later, "x" * 500)
    await world.conversation("Nadie", reason=None)
    answer = await desk.get("/desk/api/queue")
    marta, luis = answer["items"]
    assert [marta["name"], luis["name"]] == ["Marta Ríos", "Luis"]
    assert marta["waiting_since"] == marta["asked_at"] < luis["waiting_since"] < answer["now"]
    assert (marta["reason"], marta["control"], marta["unanswered"]) == ("asked", "queued", 1)
    assert marta["last"] == {"author": "customer", "text": "Quiero hablar con alguien", "at": marta["last"]["at"]}
    assert len(luis["last"]["text"]) == 141
    assert luis["language"] == "en"
    assert "agent" not in marta


async def test_a_conversation_comes_with_the_reasons_of_each_turn(desk: Desk, world: World) -> None:
    case = await world.conversation(details={"email": "marta@example.com"}, slots={"plan": "faro_plus", "gb": 40})
    turn = await world.turn(case, "mi saldo 300 123 4567", "Tienes $ 12.000.", QUESTION, resolution=BALANCE)
    shown = await desk.get(f"/desk/api/conversations/{case.conversation}")
    asked, balance, question = shown["messages"]
    assert [m["seq"] for m in shown["messages"]] == [1, 2, 3]
    assert "turn" not in balance, "a turn is explained once, with the last thing that it said"
    assert question["turn"]["id"] == str(turn)
    assert question["turn"]["steps"] == ["commands: no command", "intents: balance 0.93"]
    assert question["turn"]["candidates"][1] == {"intent": "bill", "confidence": 0.04}
    assert question["turn"]["entities"][0]["value"] == "3001234567"
    assert (question["turn"]["confidence"], question["turn"]["duration_ms"]) == (0.93, 12.3)
    assert question["parts"][0]["options"][1] == {"label": "Hablar con una persona", "value": "/handoff"}
    assert asked["name"] == "Marta Ríos"
    assert shown["slots"] == {"plan": "faro_plus", "gb": "40"}
    assert shown["contact"]["details"] == {"email": "marta@example.com"}
    assert shown["stays"][0]["reason"] == "asked"
    assert shown["is_first"] is True


async def test_older_messages_are_had_page_by_page_with_nothing_missing_or_twice(desk: Desk, world: World) -> None:
    case = await world.conversation()
    for number in range(60):
        await world.turn(case, f"pregunta {number}", f"respuesta {number}", resolution=BALANCE)
    shown = await desk.get(f"/desk/api/conversations/{case.conversation}")
    messages = shown["messages"]
    is_first = shown["is_first"]
    while not is_first:
        before = messages[0]["seq"]
        page = await desk.get(f"/desk/api/conversations/{case.conversation}/messages?before={before}&limit=25")
        messages, is_first = page["messages"] + messages, page["is_first"]
    assert [m["seq"] for m in messages] == list(range(1, 121))
    assert all(m["turn"]["intent"] == "balance" for m in messages if m["author"] == "bot")


async def test_a_state_that_cannot_be_read_costs_only_its_slots(desk: Desk, world: World) -> None:
    case = await world.conversation(slots={})
    await world.connection.execute("UPDATE dialogue_state SET state = 'no json'")
    shown = await desk.get(f"/desk/api/conversations/{case.conversation}")
    assert "slots" not in shown


async def test_what_another_version_stored_harms_nobody_else(desk: Desk, world: World) -> None:
    strange = await world.conversation("Zoé")
    await world.turn(strange, "hola", "hola", resolution=BALANCE)
    await world.connection.execute("""UPDATE message SET parts = '[{"type": "hologram"}]'""")
    await world.connection.execute("""UPDATE turn SET resolution = '{"link": 7}'""")
    await world.connection.execute("UPDATE contact SET details = '[1]'")
    await world.conversation("Luis")
    assert len((await desk.get("/desk/api/queue"))["items"]) == 2
    shown = await desk.get(f"/desk/api/conversations/{strange.conversation}")
    assert [m["parts"] for m in shown["messages"]] == [[{"type": "unsupported", "kind": "unknown"}]] * 2
    assert shown["messages"][1]["turn"]["intent"] == "balance"


async def test_an_agent_takes_answers_and_gives_back_and_the_customer_is_told_once(desk: Desk, world: World) -> None:
    case = await world.conversation()
    took = await desk.post(f"/desk/api/handoffs/{case.handoff}/take", {"agent": "Ana"})
    assert took == {"handoff": str(case.handoff), "conversation": str(case.conversation), "agent": "Ana"}
    assert await desk.post(f"/desk/api/handoffs/{case.handoff}/take", {"agent": "Ana"}) == took
    said = {"agent": "Ana", "key": "first-answer-1", "text": " Ya lo miro.\x00 "}
    once = await desk.post(f"/desk/api/handoffs/{case.handoff}/answer", said)
    again = await desk.post(f"/desk/api/handoffs/{case.handoff}/answer", said)
    assert (once["message"], again["is_repeated"]) == (again["message"], True)
    shown = await desk.get(f"/desk/api/conversations/{case.conversation}")
    assert [m["author"] for m in shown["messages"]] == ["system", "agent"]
    assert shown["messages"][0]["parts"][0]["text"] == "utter_agent_joined es Ana"
    assert shown["messages"][1]["client_id"] == "first-answer-1"
    assert shown["messages"][1]["parts"] == [{"type": "text", "text": "Ya lo miro."}]
    assert shown["messages"][1]["name"] == "Ana"
    await desk.post(f"/desk/api/handoffs/{case.handoff}/close", {"agent": "Ana"})
    refused = await desk.post(f"/desk/api/handoffs/{case.handoff}/close", {"agent": "Ana"}, 409)
    assert refused["error"]["code"] == "over"
    shown = await desk.get(f"/desk/api/conversations/{case.conversation}")
    assert shown["messages"][-1]["parts"][0]["text"] == "utter_agent_left es Ana"
    assert shown["control"] == "bot"
    assert shown["stays"][0]["end_reason"] == "solved"
    assert len(shown["messages"]) == 3
    assert shown["messages"][1]["client_id"] == "first-answer-1", "its page may hear of it only after the end"
    closed = await desk.get("/desk/api/closed")
    assert [(c["agent"], c["end_reason"]) for c in closed["items"]] == [("Ana", "solved")]


async def test_closing_ends_the_case_as_solved_and_giving_back_does_not(desk: Desk, world: World) -> None:
    ends = "SELECT outcome, closed_at IS NOT NULL AS is_closed FROM episode"
    case = await world.conversation(agent="Ana")
    await desk.post(f"/desk/api/handoffs/{case.handoff}/give-back", {"agent": "Ana"})
    assert tuple(await world.connection.fetchrow(ends)) == ("", False)
    took = await desk.post(f"/desk/api/conversations/{case.conversation}/take-over", {"agent": "Ana"})
    await desk.post(f"/desk/api/handoffs/{took['handoff']}/close", {"agent": "Ana"})
    assert tuple(await world.connection.fetchrow(ends)) == ("solved", True)
    assert await world.connection.fetchval("SELECT episode_id FROM conversation") is None
    assert await world.connection.fetchval("SELECT count(*) FROM event WHERE kind = 'episode_closed'") == 1


async def test_a_case_that_nobody_took_ends_without_a_goodbye(desk: Desk, world: World) -> None:
    case = await world.conversation()
    assert case.handoff is not None
    assert await desk.agents.give_back(case.handoff, "solved") is True
    assert await world.connection.fetchval("SELECT count(*) FROM message") == 0


async def test_an_announcement_carries_the_epoch_of_its_change_and_a_repeated_change_says_nothing(
    desk: Desk, world: World
) -> None:
    case = await world.conversation()
    assert case.handoff is not None
    assert await desk.agents.accept(case.handoff, "Ana") is True
    assert await desk.agents.accept(case.handoff, "Ana") is False
    assert await desk.agents.accept(case.handoff, "Leo") is True
    assert await desk.agents.say(case.handoff, "Leo", "a-key-of-leo", (Text("Hola"),))
    assert await desk.agents.give_back(case.handoff, "returned") is True
    assert await desk.agents.give_back(case.handoff, "returned") is False
    rows = await world.connection.fetch(
        "SELECT o.position, o.epoch, m.parts ->0->>'text' AS said FROM outbox o JOIN message m ON m.id = o.message_id "
        "ORDER BY o.position"
    )
    assert [(row["epoch"], row["said"]) for row in rows] == [
        (2, "utter_agent_joined es Ana"),
        (3, "utter_agent_joined es Leo"),
        (3, "Hola"),
        (4, "utter_agent_left es Leo"),
    ]


async def test_without_words_of_the_author_nothing_is_announced(dsn: str, tmp_path: Path, world: World) -> None:
    case = await world.conversation()
    async with serving(dsn, tmp_path) as desk:
        await desk.post(f"/desk/api/handoffs/{case.handoff}/take", {"agent": "Ana"})
    assert await world.connection.fetchval("SELECT count(*) FROM message") == 0


async def test_of_two_agents_at_once_one_has_it_and_the_other_is_told(dsn: str, tmp_path: Path, world: World) -> None:
    case = await world.conversation()

    async def take(desk: Desk, agent: str) -> int:
        async with desk.session.post(f"{desk.url}/desk/api/handoffs/{case.handoff}/take", json={"agent": agent}) as a:
            if a.status == 409:
                assert (await a.json())["error"]["code"] == "taken"
            return a.status

    async with serving(dsn, tmp_path) as one, serving(dsn, tmp_path) as other:
        outcomes = await at_once(
            *(take(*pair) for pair in ((one, "Ana"), (other, "Leo"), (one, "Eva"), (other, "Juan")))
        )
    assert sorted(outcomes) == [200, 409, 409, 409]


async def test_whoever_lost_a_case_cannot_answer_close_or_take_it_by_mistake(desk: Desk, world: World) -> None:
    case = await world.conversation(agent="Ana")
    path = f"/desk/api/handoffs/{case.handoff}"
    await desk.post(f"{path}/take", {"agent": "Leo", "instead_of": "Ana"})
    for act, body in (
        ("answer", {"agent": "Ana", "key": "k-of-ana-1", "text": "hola"}),
        ("close", {"agent": "Ana"}),
        ("give-back", {"agent": "Ana"}),
        ("take", {"agent": "Eva", "instead_of": "Ana"}),
    ):
        refused = await desk.post(f"{path}/{act}", body, 409)
        assert refused == {"error": {"code": "taken", "message": "Leo has it now"}}
    await desk.post(f"{path}/give-back", {"agent": "Leo"})
    refused = await desk.post(f"{path}/answer", {"agent": "Leo", "key": "k-of-leo-1", "text": "tarde"}, 409)
    assert refused["error"]["code"] == "over"
    assert await world.connection.fetchval("SELECT count(*) FROM message WHERE author = 'agent'") == 0


async def test_an_agent_speaks_up_in_a_conversation_of_the_bot(desk: Desk, world: World) -> None:
    case = await world.conversation("Zoé", reason=None)
    await world.says(case, "hola")
    await world.conversation("Otra", reason=None)
    found = await desk.get("/desk/api/live?search=zo%C3%A9")
    assert [one["conversation"] for one in found["items"]] == [str(case.conversation)]
    took = await desk.post(f"/desk/api/conversations/{case.conversation}/take-over", {"agent": "Ana"})
    refused = await desk.post(f"/desk/api/conversations/{case.conversation}/take-over", {"agent": "Leo"}, 409)
    assert refused["error"]["code"] == "taken"
    assert len((await desk.get("/desk/api/live"))["items"]) == 1
    [open_case] = (await desk.get("/desk/api/queue"))["items"]
    assert (open_case["id"], open_case["reason"]) == (took["handoff"], "taken_over")


async def test_an_old_conversation_is_found_by_how_the_name_begins(desk: Desk, world: World, monkeypatch) -> None:
    monkeypatch.setattr(reading, "LIVE_WITHIN", 1)
    old = await world.conversation("Zoé %_ Márquez", reason=None)
    await world.conversation("Otra", reason=None)
    for words in ("zoé", "ZOÉ %_ m"):
        found = await desk.get("/desk/api/live?search=" + quote(words))
        assert [one["conversation"] for one in found["items"]] == [str(old.conversation)]
    for words in ("márquez", "", "%", "zoéx"):
        found = await desk.get("/desk/api/live?search=" + quote(words))
        assert str(old.conversation) not in [one["conversation"] for one in found["items"]]


async def test_a_file_is_served_so_that_no_browser_runs_it(desk: Desk, world: World, tmp_path: Path) -> None:
    async def bytes_of(data: bytes) -> AsyncIterator[bytes]:
        yield data

    blobs = Blobs(str(tmp_path))
    blob = await blobs.put(bytes_of(b"<svg onload=alert(1)>"), max_bytes=1000)
    case = await world.conversation()
    await world.says(case, picture(blob.key))
    await world.says(case, picture(blob.key, "image/svg+xml", 'a"b\r\n/../ñ.svg'))
    await world.says(case, picture("00/11"))
    shown = await desk.get(f"/desk/api/conversations/{case.conversation}")
    png, svg, lost = (m["parts"][0]["url"] for m in shown["messages"])
    async with desk.session.get(desk.url + png) as answer:
        assert (answer.status, answer.headers["Content-Type"]) == (200, "image/png")
        assert answer.headers["Content-Disposition"].startswith("inline;")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert await answer.read() == b"<svg onload=alert(1)>"
    async with desk.session.get(desk.url + svg) as answer:
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''a%22b%0D%0A_.._%C3%B1.svg"
        assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    for address in (lost, png.replace("/1/", "/77/"), png + "9", png.replace("/1/", "/x/")):
        await desk.get(address, 404)


A_HANDFUL = 5
"""The list for the API, the list for the page, and the page's marks of the queue and of what it looks at."""

PATHS = (
    ("GET", "/desk/api/queue"),
    ("GET", "/desk/api/closed"),
    ("GET", "/desk/api/live"),
    ("GET", f"/desk/api/conversations/{new_id()}"),
    ("GET", f"/desk/api/conversations/{new_id()}/messages"),
    ("GET", f"/desk/api/conversations/{new_id()}/media/1/0"),
    ("GET", f"/desk/api/conversations/{new_id()}/templates"),
    ("GET", "/desk/api/canned"),
    ("GET", "/desk/socket"),
    ("GET", "/desk/events"),
    ("POST", f"/desk/api/conversations/{new_id()}/files"),
    ("POST", f"/desk/api/conversations/{new_id()}/notes"),
    ("POST", f"/desk/api/conversations/{new_id()}/notes/{new_id()}/remove"),
    ("POST", "/desk/api/canned"),
    ("POST", f"/desk/api/canned/{new_id()}/remove"),
    ("POST", f"/desk/api/conversations/{new_id()}/take-over"),
    ("POST", f"/desk/api/conversations/{new_id()}/typing"),
    ("POST", f"/desk/api/conversations/{new_id()}/seen"),
    ("POST", f"/desk/api/handoffs/{new_id()}/take"),
    ("POST", f"/desk/api/handoffs/{new_id()}/answer"),
    ("POST", f"/desk/api/handoffs/{new_id()}/give-back"),
    ("POST", f"/desk/api/handoffs/{new_id()}/close"),
)


async def test_nothing_is_told_or_done_without_the_token(desk: Desk) -> None:
    cross_site = {
        "Cookie": f"tertulia_access={TOKEN}",
        "Sec-Fetch-Site": "cross-site",
        "Origin": "https://evil.example",
    }
    async with aiohttp.ClientSession() as stranger:
        for method, path in PATHS:
            for headers in ({}, {"Authorization": "Bearer wrong"}, cross_site):
                async with stranger.request(method, desk.url + path, headers=headers, json={"agent": "x"}) as answer:
                    assert answer.status == 401, (method, path, headers)
                    assert (await answer.json())["error"]["code"] == "token_needed"


async def test_the_page_is_admitted_by_the_printed_address_and_then_by_its_cookie(desk: Desk) -> None:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        async with browser.get(desk.url + "/desk") as answer:
            assert answer.status == 401
        async with browser.get(f"{desk.url}/desk?token={TOKEN}&embed=1") as answer:
            assert (answer.status, answer.url.query_string) == (200, "embed=1")
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "script-src 'self';" in policy
            assert "frame-ancestors 'self'" in policy
        async with browser.get(f"{desk.url}/desk/api/queue", headers={"Sec-Fetch-Site": "same-origin"}) as answer:
            assert answer.status == 200


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "bad_request"),
        ({"agent": ""}, 400, "bad_request"),
        ({"agent": " \t"}, 400, "bad_request"),
        ({"agent": "a\nb"}, 400, "bad_request"),
        ({"agent": "x" * 61}, 400, "bad_request"),
        ({"agent": "Ana", "key": "short", "text": "hola"}, 400, "bad_request"),
        ({"agent": "Ana", "key": "long-enough", "text": " \n"}, 400, "bad_request"),
        ({"agent": "Ana", "key": "long-enough", "text": "x" * 10_001}, 400, "bad_request"),
        ({"agent": 7, "key": "long-enough", "text": "hola"}, 400, "bad_request"),
        ([], 400, "bad_request"),
    ],
)
async def test_a_body_that_was_not_agreed_is_refused_by_name(desk: Desk, body: object, status: int, code: str) -> None:
    refused = await desk.post(f"/desk/api/handoffs/{new_id()}/answer", body, status)
    assert refused["error"]["code"] == code


async def test_broken_bodies_and_unknown_ids_are_refused_in_the_one_form(desk: Desk) -> None:
    address = f"{desk.url}/desk/api/handoffs/{new_id()}/take"
    for data, kind, status in (
        (b"{", "application/json", 400),
        (b'{"agent": "\\ud800"}', "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b'{"agent": "Ana"}', "text/plain", 415),
        (b'{"agent": "Ana"}', "application/json", 404),
    ):
        async with desk.session.post(address, data=data, headers={"Content-Type": kind}) as answer:
            assert answer.status == status, data
            assert set((await answer.json())["error"]) == {"code", "message"}
    await desk.get("/desk/api/conversations/not-an-id", 404)
    await desk.get(f"/desk/api/conversations/{new_id()}", 404)


async def test_while_the_database_is_away_everything_says_so(tmp_path: Path) -> None:
    async with serving("postgresql://nobody@127.0.0.1:1/nothing", tmp_path) as desk:
        answer = await desk.get("/desk/api/queue", 503)
        assert answer["error"]["code"] == "unavailable"
        body = {"agent": "Ana", "key": "long-enough", "text": "hola"}
        assert (await desk.post(f"/desk/api/handoffs/{new_id()}/answer", body, 503))["error"]["code"] == "unavailable"
        async with desk.page() as page:
            await page.until(lambda page: any(frame["type"] == "away" for frame in page.frames))


async def test_a_queue_of_three_thousand_costs_a_handful_of_statements(desk: Desk, world: World) -> None:
    statements: list[str] = []

    def note(_connection, _cursor, statement: str, *_: object) -> None:
        statements.append(statement)

    async def count() -> int:
        statements.clear()
        await desk.get("/desk/api/queue")
        async with desk.page() as page:
            await page.until(lambda page: page.frames and page.frames[-1].get("is_whole"))
        return len(statements)

    case = await world.conversation()
    await desk.get("/desk/api/queue")
    engine = desk.agents._database._engine
    assert engine is not None
    event.listen(engine.sync_engine, "before_cursor_execute", note)
    assert await count() <= A_HANDFUL
    await _multiply(world, case, 3_000)
    assert await count() <= A_HANDFUL
    async with desk.page() as page:
        await page.until(lambda page: len(page.cases) == 3_001)
    assert len((await desk.get("/desk/api/queue"))["items"]) == 3_001


async def _multiply(world: World, case, times: int) -> None:
    """So many more customers like the first one, in a few statements."""
    await world.connection.execute(
        """
        CREATE TEMP TABLE n AS SELECT gen_random_uuid() AS c, gen_random_uuid() AS h FROM generate_series(1, $1::int)
        """.replace("$1::int", str(times))
    )
    await world.connection.execute(
        """
        INSERT INTO conversation (id, account_id, address_id, contact_id, control, epoch, handoff_id, next_position)
        SELECT n.c, account_id, address_id, contact_id, 'queued', 1, n.h, 2 FROM conversation, n WHERE id = $1
        """,
        case.conversation,
    )
    await world.connection.execute(
        "INSERT INTO handoff (id, conversation_id, desk, reason) SELECT h, c, 'builtin', 'asked' FROM n"
    )
    await world.connection.execute(
        """
        INSERT INTO message (conversation_id, position, id, author, status, parts)
        SELECT c, 1, gen_random_uuid(), 'customer', 'received', '[{"type": "text", "text": "hola"}]' FROM n
        """
    )
