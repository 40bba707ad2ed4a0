"""The desk for Zendesk messaging: all of a conversation to the agents, all that they say to the customer, once."""

from __future__ import annotations

from pathlib import Path

import pytest
from sunshine_desk_world import sunshine_world

from gateway.core.messages import Choice, Option, Selection

pytestmark = pytest.mark.system


async def test_a_case_is_mirrored_whole_and_in_order_before_agents_have_control(dsn: str, tmp_path: Path) -> None:
    fields = {"360001": "intent", "360002": "slot:order"}
    async with sunshine_world(dsn, tmp_path, tags=["bot", "v2"], fields=fields) as town:
        case = await town.asks(*(f"line {number}" for number in range(1, 31)))
        await town.world.says(case, (Choice("Which one?", (Option("A"), Option("B"))),), author="bot")
        await town.world.says(case, (Selection("b", "B"),))
        await town.told()
        (talk,) = town.sandbox.talks()
        said = town.sandbox.seen(talk.id)
        assert said[:30] == [("user", f"line {number}") for number in range(1, 31)]
        assert said[30:32] == [("Bot", "Which one?\n[A | B]"), ("user", "→ B")]
        assert said[32][0] == "Bot"
        assert "Marta" in said[32][1]
        assert len(said) == 33
        assert talk.ticket["said_before"] == 33
        assert talk.ticket["tags"] == ["bot", "v2", "web_chat"]
        assert talk.user["externalId"].startswith("tertulia-")
        assert town.sandbox.world.seats[talk.active].name == "agents"


async def test_what_an_agent_says_reaches_the_customer_once_and_under_their_name(dsn: str, tmp_path: Path) -> None:
    async with sunshine_world(dsn, tmp_path) as town:
        case, talk = await town.handed("help")
        assert (await town.control(case))[0] == "queued"
        town.sandbox.sender.redeliver_next(2)
        town.sandbox.agent_says(talk, "I am Luis", name="Luis")
        await town.heard()
        assert await town.got(case) == [("Luis", "I am Luis")]
        assert await town.control(case) == ("agent", "Luis")
        await town.says(case, "and now?")
        await town.told()
        assert town.sandbox.seen(talk)[-1] == ("user", "and now?")
        assert ("Luis", "I am Luis") in town.sandbox.seen(talk)
        assert [who for who, _ in town.sandbox.seen(talk)].count("Luis") == 1


async def test_a_closed_ticket_gives_the_conversation_back_after_the_last_words(dsn: str, tmp_path: Path) -> None:
    async with sunshine_world(dsn, tmp_path) as town:
        case, talk = await town.handed("help")
        town.sandbox.lose_next(1)
        town.sandbox.agent_says(talk, "done, bye", name="Luis")
        town.sandbox.closes_ticket(talk)
        await town.heard()
        assert await town.got(case) == [("Luis", "done, bye")]
        assert (await town.control(case))[0] == "bot"
        reason = await town.world.connection.fetchval("SELECT end_reason FROM handoff WHERE id = $1", case.handoff)
        assert reason == "solved"
