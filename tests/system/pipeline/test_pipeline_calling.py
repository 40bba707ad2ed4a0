"""A turn that calls outside is fixed beforehand, bounded and shown; one that does not pays nothing. And ratings."""

from __future__ import annotations

import asyncio

import asyncpg
from paper_provider import PaperClient, said
from pipeline_process import Echo, StartProcess

from gateway.core.ids import HandoffId
from gateway.core.messages import Text, plain_text
from gateway.core.ports import BeforeCalling
from gateway.core.turns import CustomerSaid, Reply, Resolution, TurnInput, TurnOutcome
from gateway.store import responding

RATED = Resolution(link="flow", source="satisfaction")


class Caller(Echo):
    """Calls something outside for those who say ``call``; ``may_go`` is its answer."""

    def __init__(self) -> None:
        super().__init__()
        self.is_calling = asyncio.Event()
        self.may_go = asyncio.Event()
        self.before_call = asyncio.Event()
        self.before_call.set()

    async def decide(self, turn: TurnInput, before_calling: BeforeCalling | None = None) -> TurnOutcome:
        first = turn.entries[0]
        if isinstance(first, CustomerSaid) and plain_text(first.parts) == "call" and before_calling is not None:
            await self.before_call.wait()
            await before_calling()
            await before_calling()
            self.is_calling.set()
            await self.may_go.wait()
        return await super().decide(turn)


async def test_a_slow_call_is_planned_and_shown_and_blocks_nobody(start: StartProcess, sql: asyncpg.Connection) -> None:
    bot = Caller()
    one = await start(bot=bot)
    await one.accept(said("ana", 1, "call"))
    await bot.is_calling.wait()
    assert await sql.fetchval("SELECT turn_to_seq FROM conversation") == 1
    for number in range(5):
        await one.accept(said(f"p{number}", 1, "hello"))
    async with asyncio.timeout(5):
        while len(one.client.calls) < 5:
            await asyncio.sleep(0.005)
    assert "ana" not in [who for who, _ in one.client.calls]
    async with asyncio.timeout(5):
        while not one.client.typed:
            await asyncio.sleep(0.01)
    assert one.client.typed == ["ana"]
    bot.may_go.set()
    await one.finish()
    assert one.client.calls[-1] == ("ana", "re: call")
    assert await sql.fetchval("SELECT count(*) FROM conversation WHERE turn_to_seq IS NOT NULL") == 0


async def test_many_calls_at_once_are_planned_together(start: StartProcess, sql: asyncpg.Connection) -> None:
    bot = Caller()
    one = await start(bot=bot)
    await one.accept(*(said(f"p{number}", 1, "call") for number in range(40)))
    async with asyncio.timeout(10):
        while await sql.fetchval("SELECT count(*) FROM conversation WHERE turn_to_seq = 1") < 40:
            await asyncio.sleep(0.01)
    bot.may_go.set()
    await one.finish()
    assert len(one.client.calls) == 40
    assert one.client.typed == [], "nobody sees typing for what takes no time"


async def test_a_call_that_never_ends_fails_its_turn_and_a_turn_without_calls_has_no_limit(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    bot = Caller()
    one = await start(bot=bot, turn_timeout_s=0.2)
    await one.accept(said("ana", 1, "call"))
    await one.finish()
    assert one.client.calls == [("ana", "sorry")]
    assert await sql.fetchval("SELECT outcome FROM turn") == "failed"

    async def think(_turn: TurnInput) -> TurnOutcome | None:
        await asyncio.sleep(0.4)
        return None

    bot.think = think
    await one.accept(said("bob", 1, "hello"))
    await one.finish()
    assert one.client.calls[-1] == ("bob", "re: hello")


async def test_who_lost_the_lease_before_calling_neither_calls_nor_fails_the_turn(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    bot = Caller()
    bot.before_call.clear()
    slow = await start("slow", bot=bot)
    await slow.accept(said("ana", 1, "call"))
    async with asyncio.timeout(5):
        while not await sql.fetchval("SELECT count(*) FROM conversation WHERE lease_until > now()"):
            await asyncio.sleep(0.005)
    await responding.release_node(sql, "slow")
    other = await start("other", client=PaperClient())
    await other.pipeline.respond.sweep()
    await other.finish()
    assert other.client.calls == [("ana", "re: call")]
    bot.before_call.set()
    await slow.idle()
    assert not bot.is_calling.is_set()
    assert slow.client.calls == []
    assert await sql.fetchval("SELECT count(*) FROM turn") == 1


async def test_a_rating_is_written_with_its_turn_for_the_episode_that_a_person_had(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start()

    async def think(turn: TurnInput) -> TurnOutcome | None:
        first = turn.entries[0]
        text = plain_text(first.parts) if isinstance(first, CustomerSaid) else ""
        if text.isdigit():
            return TurnOutcome(resolution=RATED, replies=(Reply((Text("thanks"),)),), rating=int(text))
        return TurnOutcome(resolution=RATED, hand_off="asked") if text == "person" else None

    one.bot.think = think
    await one.accept(said("ana", 1, "person"))
    await one.finish()
    handoff_id = HandoffId(await sql.fetchval("SELECT id FROM handoff"))
    await one.agents.accept(handoff_id, "eva")
    await one.agents.give_back(handoff_id, "solved")
    await one.pipeline.respond.sweep()
    await one.finish()
    entry = [turn.entries[0] for turn in one.bot.turns][-1]
    assert getattr(entry, "agent", "") == "eva", "the bot knows that somebody had the case"
    case = await sql.fetchval("SELECT id FROM episode")
    await sql.execute("UPDATE episode SET closed_at = now(), outcome = 'solved'")
    await sql.execute("UPDATE conversation SET episode_id = NULL")
    await one.accept(said("ana", 2, "4"))
    await one.finish()
    assert await sql.fetchval("SELECT count(*) FROM episode") == 2
    rated = await sql.fetch("SELECT id, rating FROM episode WHERE rating IS NOT NULL")
    assert [tuple(row) for row in rated] == [(case, 4)]
    event = await sql.fetchrow("SELECT episode_id, subject, data FROM event WHERE kind = 'conversation_rated'")
    turn = await sql.fetchval("SELECT id FROM turn ORDER BY from_seq DESC LIMIT 1")
    assert tuple(event) == (case, turn, '{"score": 4}')
