"""The agents' page of the Zendesk sandbox: who may use it, what it is told, and that acts there are an agent's acts."""

from __future__ import annotations

import asyncio
import io
import json

import aiohttp
import pytest
from aiohttp import web
from zendesk_caller import Caller

from gateway.core.clock import ManualClock
from gateway.web.sandbox.zendesk import ZendeskDoors
from handoff.desks.zendesk.sandbox import AgentFile, ZendeskSandbox

TOKEN = "the-token-of-these-tests"
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 100


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
async def zendesk(clock):
    async with ZendeskSandbox(clock=clock) as zendesk:
        yield zendesk


@pytest.fixture
async def ticket(zendesk):
    field = zendesk.add_field("App")
    async with Caller(zendesk) as caller:
        return await caller.makes(tags=["bot"], custom_fields=[{"id": field.id, "value": "whatsapp"}])


@pytest.fixture
async def doors(zendesk):
    return ZendeskDoors(zendesk, TOKEN)


@pytest.fixture
async def ask(doors):
    """``await ask("GET", "views/mine")``: the answer's status and content."""
    application = web.Application()
    application.add_routes(doors.routes())
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    root = f"http://127.0.0.1:{runner.addresses[0][1]}/sandbox/zendesk"

    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as session:

        async def asking(method, path, body=None, **more):
            url = f"{root}/api/{path}" if path else root
            async with session.request(method, url, json=body, **more) as answer:
                content = await answer.read()
                is_json = answer.content_type == "application/json"
                return answer.status, json.loads(content) if is_json else content

        asking.root, asking.session = root, session
        yield asking
    await doors.hang_up()
    await runner.cleanup()


@pytest.fixture
async def me(ask):
    return (await ask("GET", "start"))[1]["agents"][0]["id"]


async def test_nothing_is_told_or_done_without_the_token(ask, ticket) -> None:
    async with aiohttp.ClientSession() as stranger:
        for path in ("", "/api/start", "/api/views/open", f"/api/tickets/{ticket['id']}", "/api/stream"):
            async with stranger.get(ask.root + path) as answer:
                assert answer.status == 401
        async with stranger.post(f"{ask.root}/api/tickets/{ticket['id']}/take", json={"agent": 1}) as answer:
            assert answer.status == 401
    status, page = await ask("GET", "")
    assert status == 200
    assert b"zendesk.js" in page


async def test_a_ticket_moves_through_the_views(ask, me, ticket) -> None:
    async def view(name):
        _, told = await ask("GET", f"views/{name}?agent={me}")
        return [line["id"] for line in told["lines"]], told["counts"]

    number = ticket["id"]
    assert await view("unassigned") == ([number], {"unassigned": 1, "mine": 0, "open": 1, "solved": 0})
    assert (await ask("POST", f"tickets/{number}/take", {"agent": me}))[0] == 200
    assert await view("mine") == ([number], {"unassigned": 0, "mine": 1, "open": 1, "solved": 0})
    assert (await ask("POST", f"tickets/{number}/status", {"agent": me, "status": "solved"}))[0] == 200
    assert await view("solved") == ([number], {"unassigned": 0, "mine": 0, "open": 0, "solved": 1})
    assert (await ask("GET", "views/everything"))[0] == 404


async def test_the_whole_conversation_is_told_public_and_internal_apart(ask, me, ticket, zendesk) -> None:
    async with Caller(zendesk) as caller:
        await caller.updates(ticket["id"], comment={"body": "<b>hola</b>", "author_id": ticket["requester_id"]})
    _, picture = await ask("POST", "pictures?name=plano.png", data=PNG)
    say = {"agent": me, "text": "mira", "uploads": [picture["token"]], "status": "pending"}
    status, told = await ask("POST", f"tickets/{ticket['id']}/say", say)
    assert status == 200
    _, told = await ask("POST", f"tickets/{ticket['id']}/say", {"agent": me, "text": "ojo", "is_public": False})
    said = [(one["by"], one["is_public"], one["text"]) for one in told["said"]]
    assert said == [
        ("bot", False, "Quién escribió qué"),
        ("customer", True, "<b>hola</b>"),
        ("agent", True, "mira"),
        ("agent", False, "ojo"),
    ]
    assert (told["line"]["status"], told["line"]["preview"], told["line"]["by"]) == ("pending", "mira", "agent")
    assert told["requester"]["external_id"] == "wa:57"
    assert told["fields"] == [{"title": "App", "value": "whatsapp"}]
    assert (told["budget"]["total"], told["budget"]["remaining"]) == (30, 29)
    [file] = told["said"][2]["files"]
    assert await ask("GET", f"files/{file['key']}") == (200, PNG)


async def test_what_cannot_be_done_is_refused_and_changes_nothing(ask, me, ticket, zendesk, clock) -> None:
    path = f"tickets/{ticket['id']}"
    assert (await ask("POST", f"{path}/say", {"agent": me, "text": " "}))[0] == 400
    assert (await ask("POST", f"{path}/say", {"agent": me, "text": "x", "uploads": ["gone"]}))[0] == 409
    assert (await ask("POST", f"{path}/say", {"agent": me, "text": "x", "uploads": ["a"] * 11}))[0] == 400
    assert (await ask("POST", f"{path}/status", {"agent": me, "status": "closed"}))[0] == 400
    assert (await ask("POST", f"{path}/take", {"agent": 1}))[0] == 404
    assert (await ask("POST", f"{path}/take", {"agent": me, "more": 1}))[0] == 400
    assert (await ask("POST", "tickets/77/take", {"agent": me}))[0] == 404
    assert (await ask("POST", "pictures", data=b"<svg>"))[0] == 415
    assert (await ask("POST", "pictures", data=io.BytesIO(PNG + b"0" * 5_000_000)))[0] == 413
    assert (await ask("GET", "files/nothing"))[0] == 404
    assert len(zendesk.tickets()[0].comments) == 1
    await ask("POST", f"{path}/status", {"agent": me, "status": "solved"})
    await clock.advance(601)
    status, told = await ask("POST", f"{path}/say", {"agent": me, "text": "x"})
    assert (status, told["error"]["code"]) == (409, "not_possible")


async def test_a_strangers_file_is_stored_and_never_run(ask, ticket, zendesk) -> None:
    evil = AgentFile("a b.html", b"<script>1</script>", "text/html")
    said = await zendesk.agent("Marta Ruiz").answers(ticket["id"], "mira", files=[evil])
    address = f"{ask.root}/api/files/{said.attachments[0].secret}"
    async with ask.session.get(address) as answer:
        assert answer.content_type == "application/octet-stream"
        assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''a%20b.html"
        assert "sandbox" in answer.headers["Content-Security-Policy"]


async def test_the_stream_tells_of_every_change_and_ends_when_asked(ask, doors, ticket, zendesk) -> None:
    async def next_pulse(stream):
        async with asyncio.timeout(5):
            while True:
                line = await stream.readline()
                if line.startswith(b"data: "):
                    return json.loads(line[6:])

    async with ask.session.get(f"{ask.root}/api/stream") as answer:
        first = await next_pulse(answer.content)
        assert {one["name"] for one in first["budgets"]} == {"account", "tickets-update"}
        await zendesk.agent("Marta Ruiz").takes(ticket["id"])
        assert (await next_pulse(answer.content))["revision"] > first["revision"]
        await doors.hang_up()
        async with asyncio.timeout(5):
            await answer.content.read()


async def test_a_long_ticket_shows_its_newest_two_hundred(ask, ticket, zendesk) -> None:
    marta = zendesk.agent("Marta Ruiz")
    for number in range(204):
        await marta.notes(ticket["id"], str(number))
    _, told = await ask("GET", f"tickets/{ticket['id']}")
    assert (len(told["said"]), told["earlier"], told["said"][-1]["text"]) == (200, 5, "203")
