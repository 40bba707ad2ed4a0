"""Zendesk as a desk, against a stand-in that keeps its rules: tickets, words both ways, ends, and nothing twice."""

from __future__ import annotations

import asyncio
from pathlib import Path

from desk_world import world_of
from zendesk_side import control_of, due, process_of, run, said_to_customer, waiting, zendesk_of

from handoff.desks.zendesk.sandbox_records import Field, Form, Group


async def test_a_case_becomes_a_ticket_and_words_go_both_ways(dsn: str, tmp_path: Path) -> None:
    async with zendesk_of() as zendesk, world_of(dsn) as world, process_of(dsn, zendesk, tmp_path) as side:
        case = await waiting(world, details={"time_zone": "America/Bogota"})
        await world.says(case, "¿Dónde está mi pedido?")
        await side.tells(zendesk.tickets)
        [ticket] = zendesk.tickets()
        assert ticket.external_id == str(case.handoff)
        assert "¿Dónde está mi pedido?" in ticket.comments[0].body
        assert not ticket.comments[0].is_public
        marta = zendesk.agent("Berta Gómez")
        await marta.takes(ticket)
        await marta.answers(ticket, "Hola, **miro** <b>ya</b>")
        await marta.notes(ticket, "only for us")
        await zendesk.settled()
        await side.settle()
        await run(side, lambda: True)
        async with asyncio.timeout(10):
            while len(await said_to_customer(world, case)) < 1:
                await side.settle()
        assert await control_of(world, case) == ("agent", "Berta")
        assert [agent for agent, _ in await said_to_customer(world, case)] == ["Berta"]
        await world.says(case, "gracias")
        await due(world)
        await side.tells(lambda: any(c.body == "gracias" for c in ticket.comments))
        last = ticket.comments[-1]
        assert last.is_public
        assert last.author_id == ticket.requester_id
        await marta.solves(ticket, "¡Hasta luego!")
        await zendesk.settled()
        async with asyncio.timeout(10):
            while (await control_of(world, case))[0] != "bot":
                await side.settle()
        assert [words for _, words in await said_to_customer(world, case)][-1] == "¡Hasta luego!"
        assert len(zendesk.tickets()) == 1
        assert zendesk.violations == []


async def test_the_requester_has_the_customers_language_if_the_account_does(dsn: str, tmp_path: Path) -> None:
    async with zendesk_of() as zendesk, world_of(dsn) as world, process_of(dsn, zendesk, tmp_path) as side:
        for language in ("es-CO", "nah"):
            case = await waiting(world, language=language)
            await world.says(case, "¿Dónde está mi pedido?")
            await side.tells(lambda case=case: [t for t in zendesk.tickets() if t.external_id == str(case.handoff)])
        people = zendesk.world.account.people
        assert [people[ticket.requester_id].locale for ticket in zendesk.tickets()] == ["es-419", "en-US"]
        assert zendesk.violations == []


async def test_the_settings_map_a_case_onto_tags_fields_form_group_and_priority(dsn: str, tmp_path: Path) -> None:
    async with zendesk_of() as zendesk, world_of(dsn) as world:
        account = zendesk.world.account
        account.fields |= {1: Field(1, "text", "Order"), 2: Field(2, "text", "App")}
        account.forms[3] = Form(3, "Messages", is_default=False, field_ids=(1, 2))
        account.groups |= {4: Group(4, "Leaving"), 5: Group(5, "Elsewhere")}
        wishes = {
            "tags": ["bot", "chat"],
            "tags_from": ["app", "intent"],
            "fields": {"1": "slot:order", "2": "app"},
            "form": 3,
            "group": 5,
            "groups": [
                {"group": 5, "when": {"intent": "bill"}},
                {"group": 4, "when": {"intent": ["cancel", "complaint"], "language": "es"}},
            ],
            "subject": "{intent}: {name}",
            "urgent_priority": "high",
        }
        async with process_of(dsn, zendesk, tmp_path, **wishes) as side:
            case = await waiting(world)
            await world.says(case, "quiero irme")
            await world.connection.execute(
                """UPDATE handoff SET intent = 'cancel', slots = '{"order": "A-17"}', is_urgent = true WHERE id = $1""",
                case.handoff,
            )
            await side.tells(zendesk.tickets)
        [ticket] = zendesk.tickets()
        assert set(ticket.tags) == {"bot", "chat", "web_chat", "cancel"}
        assert (ticket.fields[1], ticket.fields[2]) == ("A-17", "Web chat")
        assert (ticket.ticket_form_id, ticket.group_id, ticket.priority) == (3, 4, "high")
        assert ticket.subject == "cancel: Marta Ríos"
