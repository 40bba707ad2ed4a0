"""An agent whose answer may not be sent is told so where they wrote it, once; and the customer gets none of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from desk_world import Case, World
from sunshine_desk_world import sunshine_world
from test_zendesk_journeys import stage
from zendesk_side import said_to_customer

from gateway.core.channel import AccountSpec, Rates
from gateway.core.clock import SystemClock
from gateway.core.ids import AccountId
from gateway.router.agents import Agents
from gateway.router.endpoints import Endpoints, OpenAccount
from gateway.router.policy_guard import PolicyGuard
from gateway.store.rows import Account

SILENCE = "This was not sent to the customer: This person asked not to hear from us"
NOBODY = cast("Any", None)


async def guard(agents: Agents, world: World) -> None:
    """The rules of every send, for the one account there is."""
    number = AccountId(await world.connection.fetchval("SELECT id FROM account"))
    account = Account(number, "paper", "main", "Web chat", "Web chat", "Web chat")
    spec = AccountSpec(name="Web chat", external="Web chat", app="Web chat", rates=Rates())
    agents._guard = PolicyGuard(Endpoints([OpenAccount(account, spec, NOBODY, NOBODY, NOBODY)]), SystemClock())


async def wants_silence(world: World, case: Case, *, is_so: bool) -> None:
    await world.connection.execute("UPDATE conversation SET is_opted_out = $2 WHERE id = $1", case.conversation, is_so)


async def test_a_zendesk_agent_reads_in_a_note_what_the_customer_did_not_get(dsn: str, tmp_path: Path) -> None:
    async with stage(dsn, tmp_path) as on:
        case, ticket = await on.begins("basta")
        await guard(on.side.agents, on.world)
        await wants_silence(on.world, case, is_so=True)
        berta = on.zendesk.agent("Berta Gómez")
        on.zendesk.sender.doubles = 1.0
        await berta.answers(ticket, "¿sigues ahí?")
        await on.until(lambda: any(SILENCE in comment.body for comment in ticket.comments))
        await on.settles()
        await on.side.inbox.accept("zendesk.main", await on.side.desk.reconcile())
        await on.settles()
        notes = [comment for comment in ticket.comments if SILENCE in comment.body]
        assert [note.is_public for note in notes] == [False]
        assert await said_to_customer(on.world, case) == []

        await wants_silence(on.world, case, is_so=False)
        await berta.answers(ticket, "ahora sí")
        assert await on.hears(case, 1) == [("Berta", "ahora sí")]


async def test_an_agent_of_zendesk_messaging_reads_in_the_conversation_what_the_customer_did_not_get(
    dsn: str, tmp_path: Path
) -> None:
    async with sunshine_world(dsn, tmp_path) as town:
        case, talk = await town.handed("basta")
        agents = cast("Any", town.side.desk)._hearing._agents
        await guard(agents, town.world)
        await wants_silence(town.world, case, is_so=True)
        town.sandbox.agent_says(talk, "still there?", name="Luis")
        await town.heard()
        await town.side.looks()
        await town.heard()
        notes = [(who, words) for who, words in town.sandbox.seen(talk) if SILENCE in words]
        assert [who for who, _ in notes] == ["Bot"]
        assert await town.got(case) == []

        await wants_silence(town.world, case, is_so=False)
        town.sandbox.agent_says(talk, "now then", name="Luis")
        await town.heard()
        assert await town.got(case) == [("Luis", "now then")]
