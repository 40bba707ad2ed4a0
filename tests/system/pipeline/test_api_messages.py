"""A company's system writes to its customers: once, under the rules of every send, and knows at once why not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import aiohttp
import asyncpg
import pytest
from aiohttp.test_utils import TestServer
from openapi_spec_validator import OpenAPIV31SpecValidator
from paper_provider import said
from pipeline_process import Process, StartProcess

from gateway.core.clock import ManualClock
from gateway.core.inbound import AddressKey, ConsentChanged
from gateway.core.messages import Template
from gateway.core.news import News
from gateway.router.company import Company
from gateway.router.people import People
from gateway.router.policy_guard import Fallbacks, PolicyGuard
from gateway.router.wakes import Wakes
from gateway.store import api_keys
from gateway.web.api import ApiDoors, ApiParts

ACCOUNT = "paper.main.main"

WHATSAPP_LIKE = {"free_s": 86_400, "has_templates": True, "may_begin": True}


class Api:
    """The API of one process, as a company's system sees it."""

    def __init__(self, process: Process, company: Company, clock: ManualClock, token: str, url: str) -> None:
        self.process = process
        self.company = company
        self.clock = clock
        self.token = token
        self.url = url
        self.session = aiohttp.ClientSession()

    async def send(self, *, key: str = "", token: str | None = None, language: str = "", **body: object) -> Any:
        headers = {"Authorization": f"Bearer {self.token if token is None else token}"}
        if key:
            headers["Idempotency-Key"] = key
        if language:
            headers["Accept-Language"] = language
        async with self.session.post(f"{self.url}/api/v1/messages", json=body, headers=headers) as answer:
            return answer.status, await answer.json()

    async def raw(self, body: bytes, **headers: str) -> Any:
        wanted = {"Authorization": f"Bearer {self.token}", **headers}
        async with self.session.post(f"{self.url}/api/v1/messages", data=body, headers=wanted) as answer:
            return answer.status, await answer.json()

    async def status(self, message: str, token: str | None = None) -> Any:
        headers = {"Authorization": f"Bearer {token or self.token}"}
        async with self.session.get(f"{self.url}/api/v1/messages/{message}", headers=headers) as answer:
            return answer.status, await answer.json()


Serve = Callable[..., Awaitable[Api]]


@pytest.fixture
async def serve(start: StartProcess) -> AsyncIterator[Serve]:
    async with AsyncExitStack() as stack:

        async def begin(
            name: str = "one",
            *,
            window: dict[str, object] | None = None,
            opt_in: str = "never",
            fallbacks: Fallbacks | None = None,
        ) -> Api:
            one = await start(name, window=window or {}, fallbacks=fallbacks)
            clock = ManualClock(datetime.now(UTC))
            guard = PolicyGuard(one.endpoints, clock, opt_in=opt_in, fallbacks=fallbacks)  # type: ignore[arg-type]
            company = Company(one.database, one.endpoints, guard, clock, Wakes(), News())
            doors = ApiDoors(ApiParts(company, People(one.database, clock), ""))
            application = aiohttp.web.Application()
            application.add_routes(doors.routes())
            server = TestServer(application)
            await server.start_server()
            stack.push_async_callback(server.close)
            made = await api_keys.create(one.database, "shop", ["messages:write"], [ACCOUNT])
            api = Api(one, company, clock, made.token, str(server.make_url("")).rstrip("/"))
            stack.push_async_callback(api.session.close)
            return api

        yield begin


def chat(person: str) -> dict[str, str]:
    return {"kind": "chat", "value": person}


async def test_a_message_to_somebody_who_wrote_is_taken_over_sent_and_followed(serve: Serve) -> None:
    api = await serve()
    await api.process.accept(said("ana", 1, "hola"))
    await api.process.finish()
    status, taken = await api.send(account=ACCOUNT, to=chat("ana"), text="Tu pedido salió")
    assert status == 202
    assert taken["status_url"] == f"/api/v1/messages/{taken['id']}"
    await api.process.finish()
    assert api.process.client.calls[-1] == ("ana", "Tu pedido salió")
    status, found = await api.status(taken["id"])
    assert (status, found["status"], found["account"], found["category"]) == (200, "sent", ACCOUNT, "live")


@pytest.mark.parametrize("how", ["contact_id", "conversation_id"])
async def test_a_customer_may_be_named_by_our_own_ids(serve: Serve, sql: asyncpg.Connection, how: str) -> None:
    api = await serve()
    await api.process.accept(said("ana", 1), said("beto", 1))
    row = await sql.fetchrow(
        "SELECT c.id AS conversation_id, c.contact_id FROM conversation c JOIN contact t"
        " ON t.id = c.contact_id WHERE t.name = 'ana'"
    )
    status, _ = await api.send(text="hola", **{how: str(row[how])})
    assert status == 202
    await api.process.finish()
    assert ("ana", "hola") in api.process.client.calls


async def test_the_same_key_and_body_send_once_and_are_answered_the_same(serve: Serve) -> None:
    api, other = await serve("one"), await serve("two")
    await api.process.accept(said("ana", 1))
    body = {"account": ACCOUNT, "to": chat("ana"), "text": "una vez"}
    other.token = api.token
    answers = await asyncio.gather(*(each.send(key="order-7", **body) for each in (api, other) * 5))
    assert {status for status, _ in answers} == {202}
    assert len({json.dumps(answer, sort_keys=True) for _, answer in answers}) == 1
    await api.process.finish()
    await other.process.finish()
    calls = api.process.client.calls + other.process.client.calls
    assert calls.count(("ana", "una vez")) == 1
    status, refused = await api.send(key="order-7", **{**body, "text": "otra cosa"})
    assert (status, refused["error"]["code"]) == (409, "idempotency_conflict")


async def test_a_refused_request_does_not_use_its_key_up(serve: Serve) -> None:
    api = await serve()
    body = {"account": ACCOUNT, "to": chat("ana"), "text": "hola"}
    status, refused = await api.send(key="k", **body)
    assert (status, refused["error"]["code"]) == (409, "no_consent")
    await api.process.accept(said("ana", 1))
    status, _ = await api.send(key="k", **body)
    assert status == 202


async def test_an_opted_out_customer_gets_nothing_whatever_the_category(serve: Serve) -> None:
    api = await serve()
    await api.process.accept(said("ana", 1))
    out = ConsentChanged(
        event_key="o", at=datetime.now(UTC), address=AddressKey("chat", "ana"), is_opted_in=False, reason="blocked"
    )
    await api.process.accept(out)
    for category in ("live", "proactive", "marketing"):
        status, refused = await api.send(account=ACCOUNT, to=chat("ana"), text="hola", category=category)
        assert (status, refused["error"]["code"]) == (409, "opted_out")
    _, spanish = await api.send(language="es-CO", account=ACCOUNT, to=chat("ana"), text="hola")
    assert spanish["error"]["message"].startswith("Esta persona")
    assert spanish["error"]["advice"]


async def test_who_never_wrote_gets_a_template_where_the_app_allows_it(serve: Serve, sql: asyncpg.Connection) -> None:
    api = await serve(window=WHATSAPP_LIKE)
    status, refused = await api.send(account=ACCOUNT, to=chat("34600"), text="hola", category="proactive")
    assert (status, refused["error"]["code"]) == (409, "window_closed")
    assert await sql.fetchval("SELECT count(*) FROM contact") == 0
    template = {"name": "welcome", "language": "es", "values": ["Ana"]}
    status, _ = await api.send(account=ACCOUNT, to=chat("34600"), template=template, category="proactive")
    assert status == 202
    await api.process.finish()
    assert api.process.client.calls[0][0] == "34600"
    await api.process.accept(said("34600", 1, "gracias"))
    await api.process.finish()
    assert await sql.fetchval("SELECT count(*) FROM conversation") == 1
    assert await sql.fetchval("SELECT count(*) FROM event WHERE kind = 'conversation_started'") == 1


async def test_advertising_needs_consent(serve: Serve) -> None:
    api = await serve(opt_in="marketing")
    await api.process.accept(said("ana", 1))
    status, refused = await api.send(account=ACCOUNT, to=chat("ana"), text="¡Oferta!", category="marketing")
    assert (status, refused["error"]["code"]) == (409, "no_consent")
    yes = ConsentChanged(
        event_key="y",
        at=datetime.now(UTC),
        address=AddressKey("chat", "ana"),
        is_opted_in=True,
        reason="form",
        scope="marketing",
    )
    await api.process.accept(yes)
    status, _ = await api.send(account=ACCOUNT, to=chat("ana"), text="¡Oferta!", category="marketing")
    assert status == 202


async def test_what_is_scheduled_waits_blocks_nobody_and_goes_when_its_time_has_come(
    serve: Serve, sql: asyncpg.Connection
) -> None:
    api = await serve()
    await api.process.accept(said("ana", 1, "uno"))
    at = (api.clock.now() + timedelta(hours=2)).isoformat()
    status, taken = await api.send(account=ACCOUNT, to=chat("ana"), text="recordatorio", at=at, category="proactive")
    assert (status, taken["status"]) == (202, "scheduled")
    assert not await api.company.step()
    assert await sql.fetchval("SELECT count(*) FROM outbox WHERE is_proactive") == 0
    await api.process.accept(said("ana", 2, "dos"))
    await api.process.finish()
    assert api.process.client.calls[-1] == ("ana", "re: dos")
    await api.clock.advance(2 * 3600 + 1)
    assert await api.company.step()
    assert not await api.company.step()
    await api.process.finish()
    assert api.process.client.calls[-1] == ("ana", "recordatorio")
    _, found = await api.status(taken["id"])
    assert found["status"] == "sent"


async def test_two_processes_queue_what_is_due_once(serve: Serve, sql: asyncpg.Connection) -> None:
    one, two = await serve("one"), await serve("two")
    await one.process.accept(said("ana", 1))
    at = (one.clock.now() + timedelta(seconds=5)).isoformat()
    for number in range(6):
        await one.send(account=ACCOUNT, to=chat("ana"), text=f"n{number}", at=at)
    await one.clock.advance(10)
    await two.clock.advance(10)

    async def drain(api: Api) -> None:
        while await api.company.step():
            pass

    await asyncio.gather(drain(one), drain(two), drain(one), drain(two))
    rows = await sql.fetch("SELECT count(*) FROM message WHERE reply_key = 'api' GROUP BY id")
    assert [row[0] for row in rows] == [1] * 6


async def test_what_may_no_longer_be_said_when_its_time_comes_is_refused_and_says_why(serve: Serve) -> None:
    api = await serve()
    await api.process.accept(said("ana", 1))
    at = (api.clock.now() + timedelta(hours=2)).isoformat()
    _, taken = await api.send(account=ACCOUNT, to=chat("ana"), text="recordatorio", at=at)
    await api.process.accept(said("ana", 2, "stop"))
    await api.clock.advance(3 * 3600)
    assert await api.company.step()
    _, found = await api.status(taken["id"])
    assert (found["status"], found["reason"]) == ("refused", "opted_out")
    assert "recordatorio" not in [text for _, text in api.process.client.calls]


async def test_a_window_that_will_be_closed_by_then_is_refused_at_once(serve: Serve) -> None:
    api = await serve(window=WHATSAPP_LIKE)
    await api.process.accept(said("ana", 1, after_s=(datetime.now(UTC) - said("ana", 0).at).total_seconds()))
    soon, late = (api.clock.now() + timedelta(hours=hours) for hours in (2, 30))
    status, _ = await api.send(account=ACCOUNT, to=chat("ana"), text="a", at=soon.isoformat())
    assert status == 202
    status, refused = await api.send(account=ACCOUNT, to=chat("ana"), text="b", at=late.isoformat())
    assert (status, refused["error"]["code"]) == (409, "window_closed")


class OneTemplate:
    """An author who named a template for a closed window."""

    def fallback(self, app: str, language: str, name: str = "") -> Template | None:
        return Template("we_have_news", "es")


async def test_behind_a_closed_window_the_authors_template_goes_first_and_the_message_waits(serve: Serve) -> None:
    api = await serve(window=WHATSAPP_LIKE, fallbacks=OneTemplate())
    long_ago = datetime.now(UTC) - timedelta(days=3)
    await api.process.accept(said("ana", 1, after_s=(long_ago - said("ana", 0).at).total_seconds()))
    await api.process.finish()
    api.process.client.calls.clear()
    status, taken = await api.send(account=ACCOUNT, to=chat("ana"), text="Tu pedido salió", category="proactive")
    assert (status, taken["uses_template"]) == (202, True)
    await api.process.finish()
    assert [text for _, text in api.process.client.calls if "pedido" in text] == []
    assert (await api.status(taken["id"]))[1]["status"] == "held"


GOOD: dict[str, object] = {"account": ACCOUNT, "to": chat("ana"), "text": "hola"}


@pytest.mark.parametrize(
    ("change", "status", "code", "where"),
    [
        ({"text": ""}, 422, "bad_content", "$"),
        ({"text": "  "}, 422, "bad_content", "$.text"),
        ({"template": {"name": "a", "language": "es"}}, 422, "bad_content", "$"),
        ({"to": None}, 422, "bad_addressee", "$"),
        ({"contact_id": str(uuid4())}, 422, "bad_addressee", "$"),
        ({"account": ""}, 422, "account_needed", "$.account"),
        ({"account": "paper.main.other"}, 404, "unknown_account", "$.account"),
        ({"account": "paper"}, 422, "bad_field", "$.account"),
        ({"at": "2026-12-01T10:00:00"}, 422, "bad_field", "$.at"),
        ({"category": "spam"}, 422, "bad_field", "$.category"),
        ({"colour": "red"}, 422, "bad_field", "$"),
        ({"to": {"kind": "Chat!", "value": "ana"}}, 422, "bad_field", "$.to.kind"),
        ({"text": "a\x00b"}, 422, "bad_field", "$.text"),
        ({"text": "", "parts": [{"type": "media", "kind": "image", "blob": "x"}]}, 422, "bad_media", "$.parts[0]"),
        (
            {"text": "", "parts": [{"type": "media", "kind": "image", "url": "http://a.b/c"}]},
            422,
            "bad_media",
            "$.parts[0].url",
        ),
        ({"text": "", "parts": [{"type": "selection", "value": "x"}]}, 422, "bad_field", "$.parts[0].type"),
        ({"to": None, "conversation_id": str(uuid4())}, 404, "not_found", "$.conversation_id"),
    ],
)
async def test_what_is_wrong_is_named_with_its_place_and_what_to_do(
    serve: Serve, change: dict[str, object], status: int, code: str, where: str
) -> None:
    api = await serve()
    got, answer = await api.send(**{**GOOD, **change})
    error = answer["error"]
    assert (got, error["code"], error["where"]) == (status, code, where)
    assert error["message"]
    assert error["advice"]


async def test_bytes_that_are_no_request_are_refused_and_change_nothing(serve: Serve, sql: asyncpg.Connection) -> None:
    api = await serve()
    assert (await api.raw(b"{"))[0] == 400
    assert (await api.raw(b"\xff\xfe"))[0] == 400
    assert (await api.raw(b"[]"))[0] == 422
    assert (await api.raw(b'"' + b"x" * 300_000 + b'"'))[0] == 413
    assert (await api.raw(json.dumps(GOOD).encode(), **{"Idempotency-Key": "x" * 201}))[0] == 400
    assert await sql.fetchval("SELECT count(*) FROM scheduled_message") == 0


async def test_only_a_valid_key_with_the_scope_and_the_account_opens(serve: Serve) -> None:
    api = await serve()
    await api.process.accept(said("ana", 1))
    database = api.process.database
    reader = await api_keys.create(database, "reader", ["messages:read"], [])
    elsewhere = await api_keys.create(database, "elsewhere", ["messages:write"], ["other.main.main"])
    head, _, _ = api.token.rpartition("_")
    for bad in ("", "x", "tk_", f"{head}_wrong", f"tk_{uuid4().hex}_x", api.token + "x"):
        status, answer = await api.send(token=bad, **GOOD)
        assert (status, answer["error"]["code"]) == (401, "key_needed")
    assert (await api.send(token=reader.token, **GOOD))[0] == 403
    assert (await api.send(token=elsewhere.token, **GOOD))[0] == 404
    status, taken = await api.send(**GOOD)
    assert status == 202
    assert (await api.status(taken["id"], token=reader.token))[0] == 404
    assert (await api.status("nonsense"))[0] == 404
    (key,) = [one for one in await api_keys.list_keys(database) if one.name == "shop"]
    await api_keys.revoke(database, key.id)
    assert (await api.send(**GOOD))[0] == 401


async def test_a_key_is_not_kept_as_it_is_shown(serve: Serve, sql: asyncpg.Connection) -> None:
    api = await serve()
    kept = await sql.fetchval("SELECT api_key::text FROM api_key")
    assert api.token.partition("_")[2][-20:] not in kept


async def test_the_document_is_valid_openapi_and_names_every_answer(serve: Serve) -> None:
    api = await serve()
    async with api.session.get(f"{api.url}/api/v1/openapi.json") as answer:
        document = await answer.json()
    OpenAPIV31SpecValidator(document).validate()
    send = document["paths"]["/api/v1/messages"]["post"]
    assert {"202", "401", "409", "422"} <= set(send["responses"])
    assert "MessageRequest" in document["components"]["schemas"]
