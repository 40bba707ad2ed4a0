"""The whole journey on three channels: not understood, queued, a person, words and pictures, solved, rated, the bot.

The ticket holds everything in order, and so does the customer's app.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from handoff_stage import Handing, handing, picture, sees

from handoff.desks.zendesk.sandbox import AgentFile
from handoff.desks.zendesk.sandbox_records import Ticket

pytestmark = pytest.mark.system

CHANNELS = ("telegram", "whatsapp", "webchat")
LIMITS = {"account", "tickets-update", "ticket", "incremental-tickets-cursor", "webhooks"}


@pytest.mark.parametrize("channel", CHANNELS)
async def test_from_not_understood_to_a_person_and_back_to_the_bot(channel: str, dsn: str, tmp_path: Path) -> None:
    async with handing(channel, dsn, tmp_path) as on:
        ticket = await is_not_understood(on)
        await talks_with_a_person(on, ticket)
        await is_solved_and_rated(on, ticket)
        holds_everything_in_order(ticket)
        assert len(on.zendesk.tickets()) == 1
        assert [one for one in on.zendesk.violations if one.kind in LIMITS] == []
        heard = on.customer.heard()
        story = ["No entendí", "Te paso con una persona", "Berta está aquí", "Hola, soy Berta", "Ya lo vi"]
        story += ["Listo, ya quedó", "Berta se fue", "¿Cómo te atendieron?", "Gracias por tu nota", "12 pesos"]
        places = [next(n for n, text in enumerate(heard) if words in text) for words in story]
        assert places == sorted(places), heard
        for words in ("Hola, soy Berta", "Ya lo vi", "Listo, ya quedó", "¿Cómo te atendieron?"):
            assert sum(words in text for text in heard) == 1, heard


async def is_not_understood(on: Handing) -> Ticket:
    """Twice; then somebody is asked for, and a ticket is there with the story."""
    await on.customer.writes("mi router hace un ruido raro")
    await sees(on.customer, "No entendí")
    await on.customer.writes("como un zumbido verde")
    await sees(on.customer, "Te paso con una persona")
    ticket = await on.ticket()
    assert await on.control() == "queued"
    story = ticket.comments[0]
    assert not story.is_public
    words = ["mi router hace un ruido raro", "No entendí", "como un zumbido verde"]
    places = [story.body.index(one) for one in words]
    assert places == sorted(places), "the whole story, in its order"
    return ticket


async def talks_with_a_person(on: Handing, ticket: Ticket) -> None:
    """Words and a picture each way; the bot says nothing meanwhile, and notes stay inside."""
    berta = on.zendesk.agent("Berta Gómez")
    await berta.takes(ticket)
    await sees(on.customer, "Berta está aquí")
    await berta.notes(ticket, "solo para colegas")
    await berta.answers(ticket, "Hola, soy Berta", files=[AgentFile("plano.png", picture())])
    await sees(on.customer, "Hola, soy Berta")
    await on.customer.sends_picture(picture("#336699"))
    await on.customer.writes("saldo")  # a word that the bot knows
    await on.holds(ticket, "saldo")
    await berta.answers(ticket, "Ya lo vi")
    await sees(on.customer, "Ya lo vi")
    assert on.customer.pictures() == 1
    assert not any("12 pesos" in text for text in on.customer.heard()), "the bot is silent"
    assert not any("colegas" in text for text in on.customer.heard())


async def is_solved_and_rated(on: Handing, ticket: Ticket) -> None:
    """Solved is the end: the customer is asked how it was, and the bot answers again."""
    await on.zendesk.agent("Berta Gómez").solves(ticket, "Listo, ya quedó")
    await on.controlled("bot")
    await sees(on.customer, "¿Cómo te atendieron?")
    await on.customer.presses("5 · Excelente")
    await sees(on.customer, "Gracias por tu nota")
    await on.customer.writes("saldo")
    await sees(on.customer, "12 pesos")
    assert await on.sql.fetchval("SELECT rating FROM episode WHERE rating IS NOT NULL") == 5


def holds_everything_in_order(ticket: Ticket) -> None:
    public = [(comment.author_id, comment.body) for comment in ticket.comments if comment.is_public]
    whole = "\n".join(body for _, body in public)
    places = [whole.index(words) for words in ("Hola, soy Berta", "saldo", "Ya lo vi", "Listo, ya quedó")]
    assert places == sorted(places)
    files = [(c.author_id == ticket.requester_id, f.file_name) for c in ticket.comments for f in c.attachments]
    assert [is_customers for is_customers, _ in files] == [False, True], files
    assert [author == ticket.requester_id for author, body in public if "saldo" in body] == [True]
    assert whole.count("saldo") == 1
