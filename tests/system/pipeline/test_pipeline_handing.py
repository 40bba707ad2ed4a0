"""What the dialogue tells of a handoff is kept with it, and what a person solved is offered to go on with."""

from __future__ import annotations

import asyncpg
import msgspec
from paper_provider import said
from pipeline_process import Process, StartProcess

from gateway.core.ids import HandoffId
from gateway.core.turns import HandOff, Resolution, TurnInput, TurnOutcome

ANGRY = Resolution(link="intents", intent="complaint", confidence=0.75, sentiment="negative")


def hands_over(one: Process, handing: HandOff | None = None) -> None:
    async def think(_turn: TurnInput) -> TurnOutcome:
        return TurnOutcome(resolution=ANGRY, hand_off="rule: angry", handing=handing)

    one.bot.think = think


async def solve(one: Process, sql: asyncpg.Connection, reference: str = "T7", reason: str = "solved") -> HandoffId:
    handoff_id = HandoffId(await sql.fetchval("SELECT handoff_id FROM conversation"))
    await sql.execute("UPDATE handoff SET reference = $2 WHERE id = $1", handoff_id, reference)
    await one.agents.accept(handoff_id, "Ana")
    await one.agents.give_back(handoff_id, reason)
    one.bot.think = None
    await one.pipeline.respond.sweep()
    await one.finish()
    one.bot.turns.clear()
    return handoff_id


async def test_what_the_dialogue_knows_is_kept_with_the_handoff_and_bounded(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start()
    slots = {"line": "3", "long": "x" * 9_000, **{f"s{number}": "" for number in range(100)}}
    hands_over(one, HandOff(detail="said it twice", slots=slots, is_urgent=True))
    await one.accept(said("ana", 1, "this is a shame"))
    await one.finish()
    row = await sql.fetchrow("SELECT reason, detail, intent, confidence, sentiment, is_urgent, slots FROM handoff")
    assert tuple(row)[:6] == ("rule: angry", "said it twice", "complaint", 0.75, "negative", True)
    kept = msgspec.json.decode(row["slots"])
    assert (kept["line"], len(kept["long"]), len(kept)) == ("3", 500, 40)


async def test_a_solved_case_is_offered_while_it_is_young_and_the_new_one_names_it(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start()
    hands_over(one)
    await one.accept(said("ana", 1, "help"))
    await one.finish()
    handoff_id = await solve(one, sql)
    await one.accept(said("ana", 2, "it is broken again"))
    await one.finish()
    solved = one.bot.turns[-1].solved
    assert solved is not None
    assert (solved.handoff_id, solved.desk, solved.reference, solved.agent) == (
        handoff_id,
        "builtin.main",
        "T7",
        "Ana",
    )
    hands_over(one, HandOff(reopens=handoff_id))
    await one.accept(said("ana", 3, "the same case"))
    await one.finish()
    row = await sql.fetchrow("SELECT reopens, reopened_agent FROM handoff ORDER BY asked_at DESC LIMIT 1")
    assert tuple(row) == ("T7", "Ana")


async def test_an_old_case_and_one_that_was_not_solved_are_not_offered(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start()
    hands_over(one)
    await one.accept(said("ana", 1, "help"))
    await one.finish()
    await solve(one, sql)
    await sql.execute("UPDATE conversation SET solved_at = now() - interval '73 hours'")
    await one.accept(said("ana", 2, "hello"))
    await one.finish()
    assert one.bot.turns[-1].solved is None
    await sql.execute("UPDATE conversation SET solved_at = now()")
    hands_over(one)
    await one.accept(said("ana", 3, "help"))
    await one.finish()
    await solve(one, sql, reason="returned")
    await one.accept(said("ana", 4, "hello"))
    await one.finish()
    assert one.bot.turns[-1].solved is None


async def test_nobody_goes_on_with_the_case_of_another_conversation(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start()
    hands_over(one)
    await one.accept(said("ana", 1, "help"))
    await one.finish()
    handoff_id = await solve(one, sql)
    hands_over(one, HandOff(reopens=handoff_id))
    await one.accept(said("eva", 1, "help"))
    await one.finish()
    assert await sql.fetchval("SELECT reopens FROM handoff ORDER BY asked_at DESC LIMIT 1") == ""


async def test_who_steps_in_unasked_gets_what_the_last_turn_understood(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start()

    async def think(_turn: TurnInput) -> TurnOutcome:
        return TurnOutcome(resolution=ANGRY)

    one.bot.think = think
    await one.accept(said("ana", 1, "this is a shame"))
    await one.finish()
    await one.agents.take_over(await sql.fetchval("SELECT id FROM conversation"), "Ana")
    assert tuple(await sql.fetchrow("SELECT reason, intent, sentiment FROM handoff")) == (
        "taken_over",
        "complaint",
        "negative",
    )
