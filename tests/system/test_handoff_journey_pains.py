"""What users of other products complain about around a handoff, and that it cannot happen here.

Limbo: pending, no bot, no person; "I am transferring you", and nobody is.
    Here, while Zendesk is away. Each moment at which somebody could be without an owner, whatever dies:
    ``pipeline/test_desk_interleavings.py``, ``test_sunshine_desk_kills.py``; told, alerted, fallen back:
    ``test_desk_watchdog.py``; whoever is told is queued in that very moment: ``test_handoff_journey.py``.
Loops and the wrong owner after reopening; the bot talks on; the end said twice.
    Here, twice solved and every webhook doubled. The same ticket and agent after reopening:
    ``test_zendesk_journeys.py``; one speaker: ``test_desk_interleavings.py``, ``test_handoff_journey.py``.
Control comes back at *closed*, four days after *solved*; the agent sees the last ten messages.
    Here, a long story. Solved gives back at once: ``test_handoff_journey.py`` (whose tickets are never closed),
    ``test_sunshine_desk.py``; the whole history there: ``test_sunshine_desk_talk.py``.
People type into a closed window, and the message silently fails.
    Here, by an agent in Zendesk. At our own desk: ``test_desk_writing.py``; templates that stand in:
    ``pipeline/test_pipeline_policy.py``.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from handoff_stage import handing, sees, until

pytestmark = pytest.mark.system

STORY = 7
AWAY_S = 3.0


async def test_while_zendesk_is_away_the_customer_is_told_and_all_of_it_arrives_afterwards(
    dsn: str, tmp_path: Path
) -> None:
    async with handing("telegram", dsn, tmp_path, acknowledge_within_s=0.5) as on:
        is_back = asyncio.Event()
        on.zendesk.dead_for(10**6, which=lambda _: not is_back.is_set())
        await on.customer.writes("una cosa rara")
        await sees(on.customer, "No entendí")
        await on.customer.writes("otra cosa rara")
        await sees(on.customer, "Te paso con una persona")
        assert await on.control() == "queued", "whoever is told so has a case"
        await sees(on.customer, "Nos cuesta avisar al equipo")
        for number in range(3):
            await on.customer.writes(f"palabra {number}")
        is_back.set()
        ticket = await on.ticket()
        for number in range(3):
            await on.holds(ticket, f"palabra {number}")
        whole = "\n".join(comment.body for comment in ticket.comments)
        words = ["una cosa rara", "otra cosa rara", *(f"palabra {number}" for number in range(3))]
        assert [whole.count(one) for one in words] == [1] * len(words)
        assert [whole.index(one) for one in words] == sorted(whole.index(one) for one in words)
        assert sum("Nos cuesta" in text for text in on.customer.heard()) == 1
        assert len(on.zendesk.tickets()) == 1


async def test_solved_twice_and_told_twice_is_one_end(dsn: str, tmp_path: Path) -> None:
    async with handing("webchat", dsn, tmp_path) as on:
        ticket = await on.asks_for_a_person()
        on.zendesk.sender.doubles = 1.0
        berta = on.zendesk.agent("Berta Gómez")
        await berta.takes(ticket)
        await sees(on.customer, "Berta está aquí")
        await berta.solves(ticket, "Listo, ya quedó")
        await sees(on.customer, "¿Cómo te atendieron?")
        await berta.opens(ticket)
        await berta.solves(ticket)
        await on.zendesk.settled()
        await on.customer.presses("3 · Regular")
        await sees(on.customer, "Gracias por tu nota")
        await asyncio.sleep(AWAY_S)  # the poll looks again meanwhile
        for words in ("Berta está aquí", "Listo, ya quedó", "Berta se fue", "¿Cómo te atendieron?"):
            assert sum(words in text for text in on.customer.heard()) == 1, on.customer.heard()
        assert await on.control() == "bot"
        await on.customer.writes("saldo")
        await sees(on.customer, "12 pesos")
        assert await on.sql.fetchval("SELECT count(*) FROM handoff") == 1


async def test_the_agent_sees_the_whole_story_and_not_its_last_ten_messages(dsn: str, tmp_path: Path) -> None:
    async with handing("telegram", dsn, tmp_path) as on:
        for number in range(STORY):
            await on.customer.writes(f"rareza {number}")
            await sees(on.customer, "No entendí", times=number + 1)
            await on.customer.writes("saldo")
            await sees(on.customer, "12 pesos", times=number + 1)
        await on.customer.writes("algo más")
        await sees(on.customer, "No entendí", times=STORY + 1)
        await on.customer.writes("y otra cosa")
        story = (await on.ticket()).comments[0].body
        said = [f"rareza {number}" for number in range(STORY)]
        assert [story.index(one) for one in said] == sorted(story.index(one) for one in said)
        assert (story.count("saldo"), story.count("12 pesos")) == (STORY * 2, STORY), "two lines each: asked, answered"
        assert len(story.splitlines()) > 4 * STORY


async def test_an_agent_who_answers_into_a_closed_window_is_told_so_on_the_ticket(dsn: str, tmp_path: Path) -> None:
    async with handing("whatsapp", dsn, tmp_path) as on:
        ticket = await on.asks_for_a_person()
        berta = on.zendesk.agent("Berta Gómez")
        await berta.takes(ticket)
        await sees(on.customer, "Berta está aquí")
        await on.sql.execute("UPDATE conversation SET heard_at = now() - interval '25 hours', window_until = NULL")
        await berta.answers(ticket, "¿sigue ahí?")
        await on.holds(ticket, "This was not sent to the customer")
        [note] = [comment for comment in ticket.comments if "This was not sent" in comment.body]
        assert not note.is_public
        assert not any("¿sigue ahí?" in text for text in on.customer.heard())
        await on.customer.writes("hola, aquí estoy")
        await on.holds(ticket, "hola, aquí estoy")
        await berta.answers(ticket, "qué bueno")
        await sees(on.customer, "qué bueno")
        await until(lambda: not any("¿sigue ahí?" in text for text in on.customer.heard()))
