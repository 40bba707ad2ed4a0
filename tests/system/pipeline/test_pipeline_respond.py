"""Respond keeps its promises: bursts are one turn, one owner at a time, control is fenced, failures are honest."""

from __future__ import annotations

import asyncio

import asyncpg
from paper_provider import PaperClient, said
from pipeline_process import Echo, StartProcess

from gateway.core.errors import Retry
from gateway.core.ids import ConversationId, HandoffId
from gateway.core.messages import Text
from gateway.core.turns import (
    CustomerSaid,
    DeskSaid,
    Reply,
    Resolution,
    TimerFired,
    TimerSet,
    TurnInput,
    TurnOutcome,
)
from gateway.store import responding, timers

QUIET = Resolution(link="intents", intent="quiet")


class Gate:
    """Holds a bot's thought until it is opened."""

    def __init__(self) -> None:
        self.is_thinking = asyncio.Event()
        self.may_go = asyncio.Event()

    async def think(self, turn: TurnInput) -> TurnOutcome | None:
        self.is_thinking.set()
        await self.may_go.wait()
        return None


async def test_what_waits_when_a_turn_starts_is_read_together(start: StartProcess, sql: asyncpg.Connection) -> None:
    one, gate = await start(), Gate()
    one.bot.think = gate.think
    await one.accept(said("ana", 1, "first"))
    await gate.is_thinking.wait()
    for number in (2, 3, 4):
        await one.accept(said("ana", number, f"t{number}"))
    gate.may_go.set()
    await one.finish()
    assert [text for _, text in one.client.calls] == ["re: first", "re: t2 + t3 + t4"]
    rows = await sql.fetch("SELECT from_seq, to_seq FROM turn ORDER BY from_seq")
    assert [tuple(row) for row in rows] == [(1, 1), (2, 4)]


async def test_a_burst_is_read_in_the_order_of_the_providers_time(start: StartProcess, sql: asyncpg.Connection) -> None:
    one, gate = await start(), Gate()
    one.bot.think = gate.think
    await one.accept(said("ana", 1))
    await gate.is_thinking.wait()
    await one.accept(said("ana", 3, "third"))
    await one.accept(said("ana", 2, "second"))
    gate.may_go.set()
    await one.finish()
    assert one.client.calls[-1][1] == "re: second + third"


async def test_a_burst_wait_joins_what_comes_within_it(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start(burst_wait_ms=150)
    await one.accept(said("ana", 1, "a"))
    await one.accept(said("ana", 2, "b"))
    await one.idle()
    assert one.client.calls == [("ana", "re: a + b")]


async def test_slow_turns_do_not_hold_up_other_conversations(start: StartProcess) -> None:
    one, gate = await start(), Gate()

    async def think(turn: TurnInput) -> TurnOutcome | None:
        first = turn.entries[0]
        if isinstance(first, CustomerSaid) and first.parts == (Text("slow"),):
            return await gate.think(turn)
        return None

    one.bot.think = think
    await one.accept(said("slowpoke", 1, "slow"))
    await gate.is_thinking.wait()
    await one.accept(said("ana", 1, "quick"))
    await one.client.until(lambda: one.client.calls == [("ana", "re: quick")])
    gate.may_go.set()
    await one.idle()


async def test_a_lease_that_somebody_else_took_makes_the_commit_void(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    slow, other = await start("slow", lease_s=0.3), await start("other")
    gate = Gate()
    slow.bot.think = gate.think
    await slow.accept(said("ana", 1))
    await gate.is_thinking.wait()
    async with asyncio.timeout(10):
        while not other.bot.turns:
            await other.pipeline.respond.sweep()
            await asyncio.sleep(0.05)
    await other.idle()
    gate.may_go.set()
    await slow.idle()
    assert slow.client.calls == []
    assert len(other.client.calls) == 1
    assert await sql.fetchval("SELECT count(*) FROM turn") == 1
    assert await sql.fetchval("SELECT count(*) FROM message") == 2


async def test_a_lease_is_renewed_while_a_turn_takes_long(start: StartProcess, sql: asyncpg.Connection) -> None:
    slow, other = await start("slow", lease_s=0.6), await start("other")
    gate = Gate()
    slow.bot.think = gate.think
    await slow.accept(said("ana", 1))
    await gate.is_thinking.wait()
    for _ in range(12):
        await asyncio.sleep(0.1)
        await slow.pipeline.respond.renew()
        await other.pipeline.respond.sweep()
    assert other.bot.turns == []
    gate.may_go.set()
    await slow.idle()
    assert len(slow.client.calls) == 1


async def test_work_that_a_full_process_leaves_is_found_by_another(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    full, other, gate = await start("full", max_turns=1), await start("other"), Gate()
    full.bot.think = gate.think
    await full.accept(said("ana", 1))
    await gate.is_thinking.wait()
    await full.accept(said("ben", 1))
    await other.pipeline.respond.sweep()
    await other.client.until(lambda: other.client.calls == [("ben", "re: ben 1")])
    gate.may_go.set()
    await full.idle()


async def test_a_dead_process_conversations_go_on_at_once_when_its_death_is_known(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    dead, other, gate = await start("dead"), await start("other"), Gate()
    dead.bot.think = gate.think
    await dead.accept(said("ana", 1))
    await gate.is_thinking.wait()
    await other.pipeline.respond.sweep()
    assert other.bot.turns == []
    await responding.release_node(sql, "dead")
    await other.pipeline.respond.sweep()
    await other.idle()
    assert other.client.calls == [("ana", "re: ana 1")]
    gate.may_go.set()


async def test_a_bot_that_fails_says_so_and_asks_for_a_person(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start()

    async def think(turn: TurnInput) -> TurnOutcome | None:
        raise RuntimeError("no idea")

    one.bot.think = think
    await one.accept(said("ana", 1))
    await one.idle()
    assert one.client.calls == [("ana", "sorry")]
    assert await sql.fetchval("SELECT control FROM conversation") == "queued"
    assert await sql.fetchval("SELECT outcome FROM turn") == "failed"
    assert await sql.fetchval("SELECT reason FROM handoff") == "bot_failed"


async def hand_off(turn: TurnInput) -> TurnOutcome | None:
    if any(isinstance(entry, DeskSaid) for entry in turn.entries):
        return TurnOutcome(resolution=QUIET, replies=(Reply((Text("bot is back"),)),))
    return TurnOutcome(resolution=QUIET, replies=(Reply((Text("a person comes"),)),), hand_off="asked")


async def test_the_whole_stay_at_a_desk(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start()
    one.bot.think = hand_off
    await one.accept(said("ana", 1))
    await one.idle()
    assert one.client.calls == [("ana", "a person comes")]
    handoff_id = HandoffId(await sql.fetchval("SELECT id FROM handoff"))
    await one.accept(said("ana", 2))
    await one.idle()
    assert len(one.client.calls) == 1, "the bot is silent while a person is awaited"
    assert await sql.fetchval("SELECT outcome FROM turn WHERE from_seq = 2") == "left_to_desk"
    assert await one.agents.accept(handoff_id, "eva")
    assert not await one.agents.accept(handoff_id, "eva")
    assert await one.agents.say(handoff_id, "eva", "k1", (Text("I am Eva"),)) is not None
    assert await one.agents.say(handoff_id, "eva", "k1", (Text("I am Eva"),)) is None
    await one.pipeline.deliver.sweep()
    await one.idle()
    assert one.client.calls[-1] == ("ana", "I am Eva")
    assert await one.agents.give_back(handoff_id, "solved")
    assert not await one.agents.give_back(handoff_id, "solved"), "closing twice changes nothing"
    await one.pipeline.respond.sweep()
    await one.idle()
    assert one.client.calls[-1] == ("ana", "bot is back")
    row = await sql.fetchrow("SELECT control, epoch, agent, handoff_id FROM conversation")
    assert tuple(row) == ("bot", 3, "", None)
    assert await one.agents.say(handoff_id, "eva", "k2", (Text("too late"),)) is None


async def test_what_the_bot_decided_before_a_takeover_is_not_said_after_it(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one, gate = await start(), Gate()
    one.bot.think = gate.think
    await one.accept(said("ana", 1))
    await gate.is_thinking.wait()
    conversation_id = ConversationId(await sql.fetchval("SELECT id FROM conversation"))
    assert await one.agents.take_over(conversation_id, "eva")
    gate.may_go.set()
    await one.idle()
    assert one.client.calls == []
    rows = await sql.fetch("SELECT outcome FROM turn")
    assert [row[0] for row in rows] == ["left_to_desk"], "the message is in one turn, with an outcome"


async def test_stale_speech_in_the_outbox_is_withdrawn(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start()
    failing = asyncio.Event()

    async def answer(recipient: str, text: str) -> None:
        if not failing.is_set():
            failing.set()
            raise Retry("not now", after_s=0.2)

    one.client.answer = answer
    await one.accept(said("ana", 1))
    await failing.wait()
    await one.idle()
    conversation_id = ConversationId(await sql.fetchval("SELECT id FROM conversation"))
    await one.agents.take_over(conversation_id, "eva")
    await sql.execute("UPDATE outbox SET due_at = now()")
    await one.pipeline.deliver.sweep()
    await one.idle()
    assert one.client.calls == []
    assert await sql.fetchval("SELECT status FROM message WHERE author = 'bot'") == "withdrawn"
    assert await sql.fetchval("SELECT count(*) FROM dead_letter") == 0


async def test_a_timer_becomes_an_entry_in_line(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start()

    async def think(turn: TurnInput) -> TurnOutcome | None:
        fired = [entry for entry in turn.entries if isinstance(entry, TimerFired)]
        if fired:
            return TurnOutcome(resolution=QUIET, replies=(Reply((Text(f"time for {fired[0].payload}"),)),))
        return TurnOutcome(resolution=QUIET, timers=(TimerSet("flow", 0.0, "tea"),))

    one.bot.think = think
    await one.accept(said("ana", 1))
    await one.idle()
    async with sql.transaction():
        assert await timers.fire_due(sql, limit=10, abandon_after_s=0) == 1
    await one.pipeline.respond.sweep()
    await one.idle()
    assert one.client.calls == [("ana", "time for tea")]
    assert await sql.fetchval("SELECT count(*) FROM timer WHERE kind = 'flow'") == 0


async def test_a_quiet_episode_is_closed_as_abandoned_and_the_next_message_opens_another(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start()
    await one.accept(said("ana", 1))
    await one.idle()
    await sql.execute("UPDATE timer SET due_at = now()")
    async with sql.transaction():
        await timers.fire_due(sql, limit=10, abandon_after_s=3600)
    assert await sql.fetchval("SELECT count(*) FROM timer") == 1, "it was not quiet for long enough: look again later"
    await sql.execute("UPDATE timer SET due_at = now()")
    async with sql.transaction():
        await timers.fire_due(sql, limit=10, abandon_after_s=0.000001)
    assert await sql.fetchval("SELECT outcome FROM episode") == "abandoned"
    await one.accept(said("ana", 2))
    await one.idle()
    assert await sql.fetchval("SELECT count(*) FROM episode") == 2


async def test_the_state_that_a_turn_leaves_is_what_the_next_one_gets(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one, two = await start("one"), await start("two")
    seen: list[bytes] = []

    async def think(turn: TurnInput) -> TurnOutcome | None:
        seen.append(turn.state)
        return TurnOutcome(resolution=QUIET, state=turn.state + b"x", language="es")

    one.bot.think = two.bot.think = think
    for number, process in enumerate((one, one, two, one), start=1):
        await process.accept(said("ana", number))
        await process.idle()
    assert seen == [b"", b"x", b"xx", b"xxx"]
    assert await sql.fetchval("SELECT state_version FROM conversation") == 4


async def test_entries_of_a_turn_are_fixed_before_something_outside_is_called(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    bot = Echo()
    bot.calls_out = True
    dead, gate = await start("dead", bot=bot), Gate()
    bot.think = gate.think
    await dead.accept(said("ana", 1, "a"))
    await gate.is_thinking.wait()
    assert await sql.fetchval("SELECT turn_to_seq FROM conversation") == 1
    await dead.accept(said("ana", 2, "b"))
    await responding.release_node(sql, "dead")
    other = await start("other", client=PaperClient())
    await other.pipeline.respond.sweep()
    await other.finish()
    assert [text for _, text in other.client.calls] == ["re: a", "re: b"]
    assert other.bot.turns[0].turn_id == bot.turns[0].turn_id, "an action would be called with the same key"
    gate.may_go.set()


async def test_a_turn_that_the_database_refuses_becomes_a_failed_one_and_harms_nobody(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one, gate = await start(), Gate()

    async def think(turn: TurnInput) -> TurnOutcome | None:
        await gate.think(turn)
        first = turn.entries[0]
        if isinstance(first, CustomerSaid) and first.parts == (Text("poison"),):
            return TurnOutcome(resolution=QUIET, replies=(Reply((Text("not storable: \x00"),)),))
        return None

    one.bot.think = think
    await one.accept(said("ana", 1, "poison"), *(said(f"p{number}", 1) for number in range(5)))
    gate.may_go.set()
    await one.finish()
    assert sorted(one.client.calls) == [("ana", "sorry"), *((f"p{n}", f"re: p{n} 1") for n in range(5))]
    assert await sql.fetchval("SELECT outcome FROM turn WHERE link = 'none'") == "failed"
    assert await sql.fetchval("SELECT control FROM conversation WHERE handoff_id IS NOT NULL") == "queued"
