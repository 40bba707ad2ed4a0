"""On Messenger a person answers under their own name, and the bot that comes back under none."""

from __future__ import annotations

from pathlib import Path

import pytest
from handoff_stage import PhoneCustomer, handing, sees

pytestmark = pytest.mark.system


async def test_agents_speak_under_their_persona_and_the_bot_under_none(dsn: str, tmp_path: Path) -> None:
    async with handing("messenger", dsn, tmp_path, name_agents=True) as on:
        ticket = await on.asks_for_a_person()
        berta = on.zendesk.agent("Berta Gómez")
        await berta.takes(ticket)
        await berta.answers(ticket, "Hola, te ayudo")
        await sees(on.customer, "Hola, te ayudo")
        await berta.answers(ticket, "Ya está")
        await sees(on.customer, "Ya está")
        await berta.solves(ticket, "Adiós")
        await on.controlled("bot")
        await sees(on.customer, "¿Cómo te atendieron?")
        await on.customer.presses("5 · Excelente")
        await sees(on.customer, "Gracias por tu nota")
        assert isinstance(on.customer, PhoneCustomer)
        shown = on.customer.speakers()
        assert [who for text, who in shown if text in {"Hola, te ayudo", "Ya está", "Adiós"}] == ["Berta"] * 3
        assert {who for text, who in shown if text not in {"Hola, te ayudo", "Ya está", "Adiós"}} == {""}
        kept = await on.sql.fetch("SELECT name, value FROM kept_value WHERE name LIKE 'persona/%'")
        assert len(kept) == 1, "made once, and remembered for all processes"
        assert "Berta" not in str([tuple(row) for row in kept])
