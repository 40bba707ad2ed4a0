"""What can become of a ticket: files, merging, closing, reopening, deleting, other agents, and Zendesk being away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from desk_world import Case, World, world_of
from zendesk_side import (
    ZendeskSide,
    control_of,
    due,
    handoff_of,
    process_of,
    said_to_customer,
    waiting,
    zendesk_of,
)

from gateway.core.errors import Retry
from gateway.core.fence import fenced
from gateway.core.messages import Media, Text, decode_parts
from gateway.store.blobs import Blobs
from handoff.desks.zendesk.parse import STATUS, Heard, event
from handoff.desks.zendesk.sandbox import AgentFile, Pace, ZendeskSandbox
from handoff.desks.zendesk.sandbox_records import Ticket

STAYS = Pace(minute_s=1.0, closes_after_s=10**6)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(60)


class Stage:
    """One customer at Zendesk, and everything around them."""

    def __init__(self, world: World, zendesk: ZendeskSandbox, side: ZendeskSide, folder: Path) -> None:
        self.world = world
        self.zendesk = zendesk
        self.side = side
        self.folder = folder

    async def begins(self, words: str = "hola", **facts: Any) -> tuple[Case, Ticket]:
        case = await waiting(self.world, **facts)
        await self.world.says(case, words)
        await self.until(lambda: self.zendesk.tickets(external_id=str(case.handoff)))
        await self.settles()
        return case, self.zendesk.tickets(external_id=str(case.handoff))[0]

    async def until(self, claim: Callable[[], object], within_s: float = 30.0) -> None:
        async with asyncio.timeout(within_s):
            while not claim():
                await due(self.world)
                await self.side.settle()

    async def until_it(self, claim: Callable[[], Awaitable[bool]], within_s: float = 30.0) -> None:
        async with asyncio.timeout(within_s):
            while not await claim():
                await due(self.world)
                await self.side.settle()

    async def settles(self) -> None:
        await self.zendesk.settled()
        await due(self.world)
        for _ in range(3):
            await self.side.settle()

    async def has_control(self, case: Case, control: str) -> None:
        async def holds() -> bool:
            return (await control_of(self.world, case))[0] == control

        await self.until_it(holds)

    async def hears(self, case: Case, count: int) -> list[tuple[str, str]]:
        """What the customer heard from people, once there is so much of it; and it does not become more."""

        async def has() -> bool:
            return len(await said_to_customer(self.world, case)) >= count

        await self.until_it(has)
        await self.settles()
        return await said_to_customer(self.world, case)


@asynccontextmanager
async def stage(
    dsn: str, folder: Path, *, sandbox: dict[str, Any] | None = None, **settings: Any
) -> AsyncIterator[Stage]:
    options = {"pace": STAYS, "plan": "high_volume", **(sandbox or {})}
    async with (
        zendesk_of(**options) as zendesk,
        world_of(dsn) as world,
        process_of(dsn, zendesk, folder, **settings) as s,
    ):
        yield Stage(world, zendesk, s, folder)


async def test_files_go_both_ways_even_where_attachments_are_private(dsn: str, tmp_path: Path) -> None:
    async with stage(dsn, tmp_path, sandbox={"is_private": True}) as on:
        case, ticket = await on.begins()
        blob = await Blobs(str(tmp_path)).put(_chunks(PNG), max_bytes=1000)
        await on.world.says(case, (Text("mira"), Media(kind="image", blob=blob.key, name="a b.png", mime="image/png")))
        await on.until(lambda: len(ticket.comments) == 2)
        assert [file.file_name for file in ticket.comments[1].attachments] == ["a b.png"]
        berta = on.zendesk.agent("Berta Gómez")
        await berta.answers(ticket, "aquí está", files=[AgentFile("plano.png", PNG), AgentFile("b.txt", b"hola")])
        said = await on.hears(case, 3)
        assert said == [("Berta", "aquí está"), ("Berta", "plano.png"), ("Berta", "b.txt")]
        rows = await on.world.connection.fetch("SELECT parts FROM message WHERE author = 'agent' ORDER BY position")
        [file] = decode_parts(rows[1]["parts"])
        assert isinstance(file, Media)
        assert b"".join([chunk async for chunk in Blobs(str(tmp_path)).read(file.blob)]) == PNG


async def test_only_agents_public_words_reach_the_customer(dsn: str, tmp_path: Path) -> None:
    async with stage(dsn, tmp_path) as on:
        case, ticket = await on.begins()
        berta = on.zendesk.agent("Berta Gómez")
        await berta.notes(ticket, "interno")
        account = on.zendesk.world.account
        bot = account.person(account.bot_id)
        from handoff.desks.zendesk.sandbox_wire import CommentInput, TicketInput

        on.zendesk.world.tickets.update(ticket, bot, TicketInput(comment=CommentInput(body="soy el bot")))
        own = CommentInput(body="soy yo", author_id=ticket.requester_id)
        on.zendesk.world.tickets.update(ticket, bot, TicketInput(comment=own))
        await berta.answers(ticket, "hola <b>Marta</b> {{ticket.id}} {% raw %}")
        said = await on.hears(case, 1)
        assert len(said) == 1
        assert "{{ticket.id}} {% raw %}".replace(" ", "") in said[0][1].replace("\\", "").replace(" ", "")


async def test_another_agent_is_announced_when_they_speak_and_not_before(dsn: str, tmp_path: Path) -> None:
    async with stage(dsn, tmp_path) as on:
        case, ticket = await on.begins()
        berta, carla = on.zendesk.agent("Berta Gómez"), on.zendesk.agent("Carla Díaz")
        await berta.takes(ticket)
        await on.has_control(case, "agent")
        await berta.assigns(ticket, carla)
        await on.settles()
        assert await control_of(on.world, case) == ("agent", "Berta")
        await carla.answers(ticket, "sigo yo")
        assert await on.hears(case, 1) == [("Carla", "sigo yo")]
        assert await control_of(on.world, case) == ("agent", "Carla")
        words = [
            row["parts"] for row in await on.world.connection.fetch("SELECT parts FROM message WHERE author = 'system'")
        ]
        assert len(words) == 2, "Berta came, Carla came"


@pytest.mark.parametrize("act", ["deletes", "marks_as_spam"])
async def test_a_ticket_that_goes_away_gives_the_customer_back_to_the_bot(dsn: str, tmp_path: Path, act: str) -> None:
    async with stage(dsn, tmp_path) as on:
        case, ticket = await on.begins()
        await getattr(on.zendesk.agent("Berta", role="admin"), act)(ticket)
        await on.has_control(case, "bot")
        assert await on.world.connection.fetchval("SELECT end_reason FROM handoff") == "deleted"
        await on.settles()
        assert await on.world.connection.fetchval("SELECT told_end FROM handoff")


async def test_what_an_agent_wrote_before_deleting_the_ticket_reaches_the_customer(dsn: str, tmp_path: Path) -> None:
    async with stage(dsn, tmp_path) as on:
        case, ticket = await on.begins()
        ana = on.zendesk.agent("Ana Gómez")
        await ana.answers(ticket, "lo cierro por duplicado")
        await ana.deletes(ticket)
        await on.zendesk.settled()
        await on.has_control(case, "bot")
        assert [words for _, words in await on.hears(case, 1)] == ["lo cierro por duplicado"]
        assert await on.world.connection.fetchval("SELECT count(*) FROM desk_event WHERE applied_at IS NULL") == 0


async def test_what_a_process_read_before_it_froze_ends_no_case(dsn: str, tmp_path: Path) -> None:
    async with stage(dsn, tmp_path) as on:
        case, ticket = await on.begins()
        ana = on.zendesk.agent("Ana Gómez")
        await ana.takes(ticket)
        await on.has_control(case, "agent")
        await ana.solves(ticket)
        heard = Heard(kind=STATUS, ticket_id=ticket.id, at=datetime.now(UTC), status="solved")
        client: Any = on.side.desk._client
        read, ours = client.comments, [True]

        async def read_and_freeze(*arguments: Any) -> Any:
            found = await read(*arguments)
            ours[0] = False
            return found

        client.comments = read_and_freeze
        with fenced(lambda: ours[0]), pytest.raises(Retry, match="lease ran out"):
            await on.side.desk.apply(event(heard, "frozen"))
        client.comments = read
        assert await control_of(on.world, case) == ("agent", "Ana")
        await on.has_control(case, "bot")


async def test_who_writes_on_a_deleted_ticket_is_with_the_bot_even_when_no_webhook_came(
    dsn: str, tmp_path: Path
) -> None:
    async with stage(dsn, tmp_path) as on:
        case, ticket = await on.begins()
        on.zendesk.sender.loses = 1.0
        await on.zendesk.agent("Berta", role="admin").deletes(ticket)
        await on.world.says(case, "¿hola?")
        await on.has_control(case, "bot")


async def test_a_merge_is_followed_and_both_sides_go_on_in_the_other_ticket(dsn: str, tmp_path: Path) -> None:
    async with stage(dsn, tmp_path) as on:
        case, ticket = await on.begins()
        berta = on.zendesk.agent("Berta Gómez")
        target = _ticket_of(on.zendesk, ticket.requester_id)
        await berta.answers(target, "antes de todo")
        await asyncio.sleep(1.1)
        await berta.merges(ticket, target)
        await on.settles()
        assert (await control_of(on.world, case))[0] != "bot"
        await on.world.says(case, "¿seguimos?")
        await on.until(lambda: any(c.body == "¿seguimos?" for c in target.comments))
        await asyncio.sleep(1.1)
        await berta.answers(target, "aquí sigo")
        assert [words for _, words in await on.hears(case, 1)] == ["aquí sigo"]
        await berta.solves(target)
        await on.has_control(case, "bot")


async def test_after_a_merge_into_a_newer_ticket_that_was_over_it_is_the_case_that_runs_that_goes_on(
    dsn: str, tmp_path: Path
) -> None:
    async with stage(dsn, tmp_path) as on:
        case, ticket = await on.begins()
        other, newer = await on.begins(app="Telegram")  # the same person, by another app
        newer.requester_id = ticket.requester_id
        berta = on.zendesk.agent("Berta Gómez")
        await berta.solves(newer)
        await on.has_control(other, "bot")
        await on.settles()
        await berta.opens(newer)
        await berta.merges(ticket, newer)
        await on.settles()
        await asyncio.sleep(1.1)
        await berta.answers(newer, "aquí sigo")
        assert await on.hears(case, 1) == [("Berta", "aquí sigo")]
        assert await said_to_customer(on.world, other) == []
        await berta.solves(newer)
        await on.has_control(case, "bot")


async def test_a_merge_into_somebody_elses_ticket_is_not_followed(dsn: str, tmp_path: Path) -> None:
    async with stage(dsn, tmp_path) as on:
        case, ticket = await on.begins()
        other, others = await on.begins(name="Otra Persona")
        berta = on.zendesk.agent("Berta Gómez")
        await berta.merges(ticket, others)
        await on.has_control(case, "bot")
        await berta.answers(others, "solo para la otra")
        assert await on.hears(other, 1) == [("Berta", "solo para la otra")]
        assert await said_to_customer(on.world, case) == []


async def test_an_agent_who_writes_after_the_end_has_the_customer_again_on_the_same_ticket(
    dsn: str, tmp_path: Path
) -> None:
    async with stage(dsn, tmp_path) as on:
        case, ticket = await on.begins()
        berta = on.zendesk.agent("Berta Gómez")
        await berta.solves(ticket, "listo")
        await on.has_control(case, "bot")
        await berta.opens(ticket)
        await on.settles()
        assert (await control_of(on.world, case))[0] == "bot", "opening alone says nothing to the customer"
        await berta.answers(ticket, "una cosa más")
        assert [words for _, words in await on.hears(case, 2)] == ["listo", "una cosa más"]
        assert await control_of(on.world, case) == ("agent", "Berta")
        assert await handoff_of(on.world, case) != case.handoff
        await on.world.says(case, "dígame")
        await on.until(lambda: any(c.body == "dígame" for c in ticket.comments))
        await berta.solves(ticket, "adiós")
        await on.has_control(case, "bot")
        assert len(on.zendesk.tickets()) == 1


async def test_a_word_after_the_end_that_solves_again_does_not_keep_the_customer(dsn: str, tmp_path: Path) -> None:
    async with stage(dsn, tmp_path) as on:
        case, ticket = await on.begins()
        berta = on.zendesk.agent("Berta Gómez")
        await berta.solves(ticket, "listo")
        await on.has_control(case, "bot")
        await on.settles()
        await berta.answers(ticket, "perdón, era el martes")
        assert [words for _, words in await on.hears(case, 2)] == ["listo", "perdón, era el martes"]
        await on.has_control(case, "bot")
        assert len(on.zendesk.tickets()) == 1


async def reopened(on: Stage, case: Case, reference: str) -> Case:
    """The customer goes on with an earlier case, as the dialogue asks for it."""
    from gateway.core.ids import new_id

    handoff = new_id()
    await on.world.connection.execute(
        """INSERT INTO handoff (id, conversation_id, desk, reason, reopens, reopened_agent)
           VALUES ($1, $2, 'zendesk.main', 'reopened', $3, 'Berta')""",
        handoff, case.conversation, reference,
    )  # fmt: skip
    await on.world.connection.execute(
        "UPDATE conversation SET control = 'queued', handoff_id = $2, agent = '', epoch = epoch + 1 WHERE id = $1",
        case.conversation, handoff,
    )  # fmt: skip
    return Case(case.conversation, handoff)


async def test_a_customer_who_comes_back_opens_the_same_ticket_for_the_same_agent(dsn: str, tmp_path: Path) -> None:
    async with stage(dsn, tmp_path) as on:
        case, ticket = await on.begins()
        berta = on.zendesk.agent("Berta Gómez")
        await berta.takes(ticket)
        await berta.solves(ticket, "listo")
        await on.has_control(case, "bot")
        await on.settles()
        await on.world.says(case, "¿y mi saldo?")
        await on.world.says(case, "Es 3", "bot")
        await on.world.says(case, "sigue fallando")
        again = await reopened(on, case, str(ticket.id))
        await on.has_control(again, "agent")
        assert await control_of(on.world, case) == ("agent", "Berta")
        assert ticket.status == "open"
        assert ticket.assignee_id == berta.id
        note, last = ticket.comments[-2:]
        assert not note.is_public
        assert "¿y mi saldo?" in note.body
        assert "Bot: Es 3" in note.body
        assert (last.body, last.author_id, last.is_public) == ("sigue fallando", ticket.requester_id, True)
        await berta.answers(ticket, "lo miro")
        assert (await on.hears(case, 2))[-1] == ("Berta", "lo miro")
        assert len(on.zendesk.tickets()) == 1


async def test_a_customer_who_comes_back_to_a_closed_ticket_gets_one_that_follows_it(dsn: str, tmp_path: Path) -> None:
    async with stage(dsn, tmp_path, sandbox={"pace": Pace(minute_s=1.0, closes_after_s=1.0)}) as on:
        case, ticket = await on.begins()
        await on.zendesk.agent("Berta Gómez").solves(ticket, "listo")
        await on.has_control(case, "bot")
        await on.until(lambda: ticket.status == "closed")
        await on.settles()
        await on.world.says(case, "sigue fallando")
        again = await reopened(on, case, str(ticket.id))
        await on.until(lambda: on.zendesk.tickets(external_id=str(again.handoff)))
        [new] = on.zendesk.tickets(external_id=str(again.handoff))
        assert new.followup_of == ticket.id
        assert "sigue fallando" in new.comments[0].body
        await on.zendesk.agent("Berta Gómez").answers(new, "lo miro")
        assert (await on.hears(case, 2))[-1] == ("Berta", "lo miro")


async def test_what_the_account_does_not_take_of_the_settings_keeps_nobody_waiting(dsn: str, tmp_path: Path) -> None:
    async with stage(dsn, tmp_path, group=424242, fields={"1": "intent"}) as on:
        _, ticket = await on.begins()
        assert "Not taken by Zendesk: group (see the settings of the desk)" in ticket.comments[0].body
        assert ticket.group_id is None or ticket.group_id != 424242


async def test_while_zendesk_is_down_everything_waits_and_then_flows_in_order(dsn: str, tmp_path: Path) -> None:
    async with stage(dsn, tmp_path) as on:
        case, ticket = await on.begins()
        on.zendesk.fails_for(60.0)
        for number in range(3):
            await on.world.says(case, f"palabra {number}")
            await due(on.world)
            await on.side.settle()
        assert len(ticket.comments) == 1
        await on.until(lambda: "palabra 2" in ticket.comments[-1].body)
        await on.settles()
        said = "\n\n".join(comment.body for comment in ticket.comments[1:])
        assert said.split("\n\n") == [f"palabra {number}" for number in range(3)]


async def test_a_case_that_ends_here_is_solved_there_and_later_words_do_not_open_it(dsn: str, tmp_path: Path) -> None:
    async with stage(dsn, tmp_path) as on:
        case, ticket = await on.begins()
        assert case.handoff is not None
        await on.side.agents.give_back(case.handoff, "quiet")
        await on.until(lambda: ticket.status == "solved")
        await on.settles()
        assert "back" in ticket.comments[-1].body or "bot again (quiet)" in ticket.comments[-1].body
        assert ticket.status == "solved"


async def test_foreign_tickets_concern_nobody(dsn: str, tmp_path: Path) -> None:
    async with stage(dsn, tmp_path) as on:
        case, ticket = await on.begins()
        before = len(on.zendesk.calls)
        foreign = _ticket_of(on.zendesk, ticket.requester_id)
        await on.zendesk.agent("Berta").answers(foreign, "otra cosa")
        await on.settles()
        assert await said_to_customer(on.world, case) == []
        assert len(on.zendesk.calls) == before


def _ticket_of(zendesk: ZendeskSandbox, requester_id: int) -> Ticket:
    """A ticket of that requester that somebody else made."""
    from handoff.desks.zendesk.sandbox_wire import CommentInput, TicketInput

    account = zendesk.world.account
    wished = TicketInput(subject="por correo", requester_id=requester_id, comment=CommentInput(body="un correo"))
    return zendesk.world.tickets.create(account.person(account.bot_id), wished).ticket


async def _chunks(content: bytes) -> AsyncIterator[bytes]:
    yield content
