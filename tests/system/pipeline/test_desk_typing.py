"""Typing passes both ways while a person has the conversation, seldom enough, and hurts nobody when it fails."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
from desk_side import Side
from paper_provider import said
from pipeline_process import StartProcess
from played_desk import PlayedDesk

from gateway.core.clock import SystemClock
from gateway.core.desks import CaseRef
from gateway.core.errors import Retry
from gateway.core.ids import ConversationId, HandoffId
from gateway.core.news import News, Passing
from gateway.router.agents import Agents
from gateway.router.desk_typing import AgentTyping, CustomerTyping
from gateway.router.wakes import Wakes


async def test_an_agents_typing_is_shown_on_the_channel_and_not_too_often(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start()
    await one.accept(said("ana", 1))
    await one.finish()
    conversation_id = await sql.fetchval("SELECT id FROM conversation")
    typing = AgentTyping(one.database, one.endpoints, SystemClock())
    agents = Agents(one.database, Wakes(), News(), "builtin.main", show_typing=typing.show)
    await agents.take_over(conversation_id, "Ana")
    handoff_id = HandoffId(await sql.fetchval("SELECT handoff_id FROM conversation"))
    before = len(one.client.typed)
    for _ in range(3):
        await agents.typing(handoff_id, "Ana", True)
    await agents.typing(handoff_id, "Ana", False)
    await asyncio.gather(*typing._tasks)
    assert one.client.typed[before:] == ["ana"]
    await agents.give_back(handoff_id, "solved")
    typing._shown.clear()
    await agents.typing(handoff_id, "Ana", True)
    await asyncio.gather(*typing._tasks)
    assert len(one.client.typed) == before + 1, "the bot has it again"
    await typing.close()


async def test_an_agents_typing_bears_their_name_where_the_app_can_show_it(
    start: StartProcess, sql: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await start()
    await one.accept(said("ana", 1))
    await one.finish()
    shown: list[tuple[str, str]] = []

    async def typing_as(account: str, recipient: str, heard: str, name: str) -> None:
        del account, heard
        shown.append((recipient, name))

    monkeypatch.setattr(one.client, "typing_as", typing_as, raising=False)
    typing = AgentTyping(one.database, one.endpoints, SystemClock())
    agents = Agents(one.database, Wakes(), News(), "builtin.main", show_typing=typing.show)
    await agents.take_over(await sql.fetchval("SELECT id FROM conversation"), "Berta")
    await agents.typing(HandoffId(await sql.fetchval("SELECT handoff_id FROM conversation")), "Berta", True)
    await asyncio.gather(*typing._tasks)
    assert shown == [("ana", "Berta")]
    await typing.close()


async def test_a_customers_typing_is_told_by_the_process_that_holds_the_desk(
    dsn: str, start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start(desk="played.main")
    await one.accept(said("ana", 1))
    await one.finish()
    conversation_id = ConversationId(await sql.fetchval("SELECT id FROM conversation"))
    told: list[tuple[str, bool]] = []

    class Typing(PlayedDesk):
        async def customer_typing(self, case: CaseRef, is_typing: bool) -> None:
            told.append((case.reference, is_typing))
            if not is_typing:
                raise Retry("down")

    desk, news = Typing(), News()
    side = Side(dsn, {desk.name: desk}, 1)
    customers = CustomerTyping(side.database, {desk.name: desk}, side.holding, news, asyncio.Event())
    await one.agents.take_over(conversation_id, "Ana")
    for is_on in (True, False):
        news.passing(Passing(conversation_id, "typing", author="customer", is_on=is_on))
        await customers.step()
    assert told == [], "another process holds the desk"
    await side.holding.step()
    await side.tells(lambda: desk.opened)
    await side.settle()
    for is_on in (True, False):
        news.passing(Passing(conversation_id, "typing", author="customer", is_on=is_on))
        news.passing(Passing(conversation_id, "typing", author="agent", is_on=is_on))
        await customers.step()
    reference = f"T{desk.opened[0].handoff_id}"
    assert told == [(reference, True), (reference, False)]
    customers.close()
    await side.close()
