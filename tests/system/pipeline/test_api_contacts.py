"""A company's system tells what it knows of a customer: the zone of their clock, and whether their texts may teach."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import asyncpg
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from openapi_spec_validator import OpenAPIV31SpecValidator
from paper_provider import said
from pipeline_process import Process, StartProcess

from gateway.core.clock import ManualClock
from gateway.core.ids import ConversationId
from gateway.core.news import News
from gateway.router.company import Company
from gateway.router.people import People
from gateway.router.policy_guard import PolicyGuard
from gateway.router.wakes import Wakes
from gateway.store import api_keys, learning
from gateway.store.learning import NewText
from gateway.web.api import ApiDoors, ApiParts

ACCOUNT = "paper.main.main"


class Api:
    def __init__(self, process: Process, url: str) -> None:
        self.process = process
        self.url = url
        self.session = aiohttp.ClientSession()
        self.token = ""

    async def allow(self, scopes: Sequence[str], accounts: Sequence[str] = (ACCOUNT,)) -> None:
        made = await api_keys.create(self.process.database, "crm", list(scopes), list(accounts))
        self.token = made.token

    async def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.token}"}
        content = {} if body is None else {"json": body}
        async with self.session.request(method, self.url + path, headers=headers, **content) as answer:  # type: ignore[arg-type]
            return answer.status, await answer.json()

    @property
    def zones(self) -> list[str]:
        """Whose clock each turn went by."""
        return [turn.time_zone for turn in self.process.bot.turns]

    async def meet(self, person: str, sql: asyncpg.Connection) -> tuple[UUID, ConversationId]:
        """Somebody who wrote: their contact and conversation."""
        await self.process.accept(said(person, 1, "hola"))
        await self.process.finish()
        row = await sql.fetchrow(
            "SELECT c.contact_id, c.id FROM conversation c JOIN contact t ON t.id = c.contact_id WHERE t.name = $1",
            person,
        )
        return row[0], ConversationId(row[1])


@pytest.fixture
async def api(start: StartProcess) -> AsyncIterator[Api]:
    process = await start("one")
    clock = ManualClock(datetime.now(UTC) + timedelta(minutes=1))
    guard = PolicyGuard(process.endpoints, clock, opt_in="never")
    company = Company(process.database, process.endpoints, guard, clock, Wakes(), News())
    application = web.Application()
    application.add_routes(ApiDoors(ApiParts(company, People(process.database, clock), "")).routes())
    server = TestServer(application)
    await server.start_server()
    one = Api(process, str(server.make_url("")).rstrip("/"))
    await one.allow(["contacts:write"])
    yield one
    await one.session.close()
    await server.close()


def path(contact: UUID, more: str = "") -> str:
    return f"/api/v1/contacts/{contact}{more}"


async def test_a_zone_that_was_told_is_that_of_the_next_turn(api: Api, sql: asyncpg.Connection) -> None:
    contact, _ = await api.meet("ana", sql)
    status, facts = await api.ask("PATCH", path(contact), {"time_zone": "Europe/Madrid"})
    assert (status, facts["time_zone"], facts["name"], facts["accounts"]) == (200, "Europe/Madrid", "ana", [ACCOUNT])
    await api.process.accept(said("ana", 2, "mañana a las 5"))
    await api.process.finish()
    assert api.zones == ["", "Europe/Madrid"]
    assert (await api.ask("PATCH", path(contact), {"time_zone": ""}))[0] == 200
    await api.process.accept(said("ana", 3, "hola"))
    await api.process.finish()
    assert api.zones[-1] == ""


@pytest.mark.parametrize("zone", ["Macondo", "../etc/passwd", "America", "America/\u0000", "x" * 300, None, 7])
async def test_what_is_no_zone_is_refused_and_changes_nothing(
    api: Api, sql: asyncpg.Connection, zone: str | None
) -> None:
    contact, _ = await api.meet("ana", sql)
    await api.ask("PATCH", path(contact), {"time_zone": "America/Lima"})
    status, answer = await api.ask("PATCH", path(contact), {"time_zone": zone})
    assert (status, answer["error"]["where"]) == (422, "$.time_zone")
    assert (await api.ask("GET", path(contact)))[1]["time_zone"] == "America/Lima"


async def test_a_no_to_learning_takes_what_was_kept_away_at_once(api: Api, sql: asyncpg.Connection) -> None:
    contact, conversation = await api.meet("ana", sql)
    other, theirs = await api.meet("beto", sql)
    consent = "/consent/learning"
    status, facts = await api.ask("PUT", path(contact, consent), {"is_given": True, "evidence": "form 7"})
    assert (status, facts["learning"]["is_given"], facts["learning"]["source"]) == (200, True, "api, crm")
    await api.ask("PUT", path(other, consent), {"is_given": True, "evidence": "form 8"})
    texts = [("solo ana", conversation, 1), ("los dos", conversation, 2), ("los dos", theirs, 1)]
    async with api.process.database.lane().transaction() as connection:
        await learning.add(connection, [_kept(*each) for each in texts])
    status, facts = await api.ask("PUT", path(contact, consent), {"is_given": False, "evidence": "she wrote"})
    assert (status, facts["learning"]["is_given"], facts["learning"]["evidence"]) == (200, False, "she wrote")
    assert [row[0] for row in await sql.fetch("SELECT text FROM learning_text")] == ["los dos"]
    assert [row[0] for row in await sql.fetch("SELECT conversation_id FROM learning_source")] == [theirs]
    assert await sql.fetchval("SELECT is_opted_out FROM conversation WHERE id = $1", conversation) is False


def _kept(text: str, conversation: ConversationId, seq: int) -> NewText:
    now = datetime.now(UTC)
    return NewText(
        conversation_id=conversation, seq=seq, normal=text, text=text, language="es", reason="unresolved", at=now
    )


async def test_a_word_that_is_told_again_is_written_once_and_an_older_one_changes_nothing(
    api: Api, sql: asyncpg.Connection
) -> None:
    contact, _ = await api.meet("ana", sql)
    told = {"is_given": True, "evidence": "form 7"}
    for _ in range(3):
        assert (await api.ask("PUT", path(contact, "/consent/learning"), told))[0] == 200
    assert await sql.fetchval("SELECT count(*) FROM consent WHERE scope = 'learning'") == 1
    old = {"is_given": False, "evidence": "form 1", "at": "2020-01-01T00:00:00Z"}
    _, facts = await api.ask("PUT", path(contact, "/consent/learning"), old)
    assert facts["learning"]["is_given"] is True


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"is_given": True}, "$"),
        ({"is_given": True, "evidence": "  "}, "$.evidence"),
        ({"is_given": "yes", "evidence": "x"}, "$.is_given"),
        ({"is_given": True, "evidence": "x", "at": "2999-01-01T00:00:00Z"}, "$.at"),
        ({"is_given": True, "evidence": "x", "at": "2020-01-01T00:00:00"}, "$.at"),
        ({"is_given": True, "evidence": "x", "scope": "all"}, "$"),
    ],
)
async def test_a_garbled_word_is_refused_by_its_field(
    api: Api, sql: asyncpg.Connection, body: dict[str, object], where: str
) -> None:
    contact, _ = await api.meet("ana", sql)
    status, answer = await api.ask("PUT", path(contact, "/consent/learning"), body)
    assert (status, answer["error"]["where"]) == (422, where)
    assert await sql.fetchval("SELECT count(*) FROM consent") == 0


async def test_a_key_sees_and_changes_only_what_it_may(api: Api, sql: asyncpg.Connection) -> None:
    contact, _ = await api.meet("ana", sql)
    for unknown in (path(uuid4()), "/api/v1/contacts/nobody"):
        assert (await api.ask("GET", unknown))[0] == 404
    await api.allow(["contacts:read"])
    assert (await api.ask("GET", path(contact)))[0] == 200
    assert (await api.ask("PATCH", path(contact), {"time_zone": "America/Lima"}))[0] == 403
    await api.allow(["messages:write"])
    assert (await api.ask("GET", path(contact)))[0] == 403
    await api.allow(["contacts:write"], ["paper.main.another"])
    assert (await api.ask("GET", path(contact)))[0] == 404
    word = {"is_given": True, "evidence": "form 7"}
    assert (await api.ask("PUT", path(contact, "/consent/learning"), word))[0] == 404
    assert await sql.fetchval("SELECT count(*) FROM consent") == 0


async def test_who_was_merged_is_answered_for_as_the_whole(api: Api, sql: asyncpg.Connection) -> None:
    from gateway.store import contacts

    kept, _ = await api.meet("ana", sql)
    merged, _ = await api.meet("anita", sql)
    async with api.process.database.lane().transaction() as connection:
        await contacts.merge(connection, kept, merged, "verified", "test")  # type: ignore[arg-type]
    status, facts = await api.ask("PATCH", path(merged), {"time_zone": "America/Lima"})
    assert (status, facts["id"]) == (200, str(kept))
    await api.ask("PUT", path(merged, "/consent/learning"), {"is_given": False, "evidence": "x"})
    assert await sql.fetchval("SELECT count(*) FROM consent WHERE scope = 'learning' AND NOT is_opted_in") == 2
    await api.process.accept(said("anita", 2, "hola"))
    await api.process.finish()
    assert api.zones[-1] == "America/Lima"


async def test_the_openapi_document_describes_these_doors(api: Api) -> None:
    _, document = await api.ask("GET", "/api/v1/openapi.json")
    OpenAPIV31SpecValidator(document).validate()
    assert {"get", "patch"} <= document["paths"]["/api/v1/contacts/{id}"].keys()
    assert "put" in document["paths"]["/api/v1/contacts/{id}/consent/learning"]
