"""What customers are told around a handoff, over a real database: the wait, reminders, the end, and how it was."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from zoneinfo import ZoneInfo

import asyncpg
import msgspec
import pytest
from paper_provider import said
from pipeline_process import Process, StartProcess

from config.bot_hours import LocalHours, OpeningHours
from gateway.core.clock import SystemClock
from gateway.core.ids import HandoffId, new_id
from gateway.core.messages import Author, Parts, Text
from gateway.core.metrics import Metrics
from gateway.core.news import News
from gateway.core.ports import Persona
from gateway.core.turns import DeskSaid, Reply, Resolution, TurnInput, TurnOutcome, case_mark
from gateway.router.agents import Agents
from gateway.router.waiting import Waiting, WaitingTimes
from gateway.router.wakes import Wakes
from gateway.store import lines

ALWAYS = LocalHours(OpeningHours(), ZoneInfo("UTC"))
TIMES = WaitingTimes(tell_every_s=300, remind_s=600, close_s=3600)


class Words:
    """Says each key with what fills its blanks."""

    def announcement(
        self, key: str, language: str, *, agent: str = "", facts: Mapping[str, object] | None = None
    ) -> Parts | None:
        assert isinstance(language, str)
        blanks = ",".join(f"{name}={value}" for name, value in (facts or {}).items() if value is not None)
        return (Text(f"{key} {blanks} {agent}".strip()),)


def waiting_of(one: Process, times: WaitingTimes = TIMES) -> Waiting:
    return Waiting(
        times, one.database, one.agents, one.guard, ALWAYS, Words(), SystemClock(), Metrics(), one.wakes, News()
    )


async def queued(
    one: Process, sql: asyncpg.Connection, who: str = "ana", reason: str = "asked", number: int = 1
) -> HandoffId:
    """A customer who asked for a person."""

    async def think(_turn: TurnInput) -> TurnOutcome:
        return TurnOutcome(resolution=Resolution(link="handoff"), hand_off=reason)

    one.bot.think = think
    await one.accept(said(who, number, "a person please"))
    await one.finish()
    one.bot.think = None
    found = await sql.fetchval("SELECT id FROM handoff WHERE ended_at IS NULL ORDER BY asked_at DESC LIMIT 1")
    return HandoffId(found)


async def people_waited(sql: asyncpg.Connection, conversation_id: object, minutes: int, cases: int = 8) -> None:
    """Cases of the last minutes, each of which waited so long."""
    for _ in range(cases):
        await sql.execute(
            "INSERT INTO handoff (id, conversation_id, desk, reason, asked_at, accepted_at, ended_at, told_end) "
            "VALUES ($1, $2, 'builtin.main', 'asked', now() - $3 * interval '1 minute', now(), now(), true)",
            new_id(), conversation_id, minutes,
        )  # fmt: skip


async def quiet_for(sql: asyncpg.Connection, minutes: int) -> None:
    """As if everything had been said so long ago."""
    await sql.execute("UPDATE message SET at = at - $1 * interval '1 minute'", minutes)
    await sql.execute(
        "UPDATE handoff SET care_at = now(), reminded_at = reminded_at - $1 * interval '1 minute', "
        "told_expected_at = told_expected_at - $1 * interval '1 minute'", minutes
    )  # fmt: skip


def heard(one: Process, who: str = "ana") -> list[str]:
    return [text for recipient, text in one.client.calls if recipient == who]


async def cared(one: Process, waiting: Waiting) -> None:
    await waiting.step()
    await one.finish()


async def test_the_wait_is_told_once_at_queueing_and_again_after_a_while(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start()
    await queued(one, sql)
    await people_waited(sql, await sql.fetchval("SELECT id FROM conversation"), 4)
    waiting = waiting_of(one)
    await cared(one, waiting)
    await cared(one, waiting)
    assert heard(one) == ["utter_handoff_expected minutes=4"]
    await quiet_for(sql, 6)
    await cared(one, waiting)
    assert len(heard(one)) == 2


async def test_where_nobody_ever_came_nothing_is_promised(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start()
    await queued(one, sql)
    await cared(one, waiting_of(one))
    assert heard(one) == []
    assert await sql.fetchval("SELECT care_at > now() FROM handoff")


async def test_the_place_in_our_own_line_is_told(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start()
    await queued(one, sql, "ana")
    await queued(one, sql, "luis")
    await cared(one, waiting_of(one))
    assert (heard(one, "ana"), heard(one, "luis")) == ([], ["utter_handoff_expected position=2"])


async def test_two_processes_say_it_once(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start()
    await queued(one, sql)
    await people_waited(sql, await sql.fetchval("SELECT id FROM conversation"), 4)
    await asyncio.gather(*(waiting_of(one).step() for _ in range(4)))
    await one.finish()
    assert heard(one) == ["utter_handoff_expected minutes=4"]


async def test_a_silent_customer_is_reminded_and_later_the_handoff_ends(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start()
    handoff_id = await queued(one, sql)
    await one.agents.say(handoff_id, "Marta", "k1", (Text("which line is it?"),))
    await one.finish()
    waiting = waiting_of(one)
    for _ in range(2):
        await quiet_for(sql, 11)
        await cared(one, waiting)
    assert heard(one) == ["which line is it?", "utter_handoff_still_there  Marta"]
    await quiet_for(sql, 60)
    await cared(one, waiting)
    assert heard(one)[2:] == ["utter_handoff_closed_quiet  Marta"]
    row = await sql.fetchrow("SELECT c.control, h.end_reason FROM conversation c, handoff h")
    assert tuple(row) == ("bot", "customer_quiet")
    assert [tuple(row) for row in await sql.fetch("SELECT outcome FROM episode WHERE closed_at IS NOT NULL")] == [
        ("abandoned",)
    ], "the case is over with it"
    await one.pipeline.respond.sweep()
    await one.finish()
    (entry,) = one.bot.turns[-1].entries
    assert isinstance(entry, DeskSaid)
    assert (entry.detail, entry.was_answered) == ("customer_quiet", True)


async def test_who_comes_back_after_their_silence_may_go_on_with_the_same_agent(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start()
    handoff_id = await queued(one, sql)
    await one.agents.say(handoff_id, "Marta", "k1", (Text("which line is it?"),))
    await one.finish()
    await quiet_for(sql, 11)
    await cared(one, waiting_of(one))
    await quiet_for(sql, 120)
    await cared(one, waiting_of(one))
    await one.accept(said("ana", 2, "sorry, the second one"))
    await one.finish()
    solved = one.bot.turns[-1].solved
    assert solved is not None
    assert (solved.handoff_id, solved.agent) == (handoff_id, "Marta")
    assert await sql.fetchval("SELECT count(*) FROM episode") == 2, "what is said next opens another case"


@pytest.mark.parametrize("of", ["first", "second", "nobody's"])
async def test_a_rating_goes_to_the_case_that_it_is_about_or_to_none(
    start: StartProcess, sql: asyncpg.Connection, of: str
) -> None:
    one = await start()
    handoffs: dict[str, HandoffId] = {}
    for number, name in enumerate(("first", "second")):
        handoffs[name] = await queued(one, sql, number=1 + number)
        await one.agents.say(handoffs[name], "Marta", f"k{number}", (Text("done"),))
        await one.agents.give_back(handoffs[name], "solved")
        await one.pipeline.respond.sweep()
        await one.finish()
    entries = [entry for turn in one.bot.turns for entry in turn.entries if isinstance(entry, DeskSaid)]
    assert [entry.case for entry in entries] == [case_mark(handoff_id) for handoff_id in handoffs.values()]
    ago = "interval '3 days'"
    await sql.execute(f"UPDATE handoff SET asked_at = asked_at - {ago}, ended_at = ended_at - {ago}")
    await sql.execute(f"UPDATE episode SET opened_at = opened_at - {ago}")
    mark = case_mark(handoffs[of]) if of in handoffs else "00000000"

    async def think(_turn: TurnInput) -> TurnOutcome:
        return TurnOutcome(resolution=Resolution(link="flow"), rating=4, rating_of=mark)

    one.bot.think = think
    await one.accept(said("ana", 9, "4"))
    await one.finish()
    ratings = [row[0] for row in await sql.fetch("SELECT rating FROM episode ORDER BY opened_at")]
    expected = {"first": [4, None, None], "second": [None, 4, None], "nobody's": [None, None, None]}
    assert ratings == expected[of]
    told = await sql.fetchval("SELECT count(*) FROM event WHERE kind = 'conversation_rated'")
    assert told == (1 if of in handoffs else 0)


async def test_an_agent_who_steps_in_is_counted_with_that_reason_and_so_is_every_end(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start()
    await one.accept(said("ana", 1))
    await one.finish()
    metrics = Metrics()
    agents = Agents(one.database, Wakes(), News(), "builtin.main", metrics=metrics)
    conversation_id = await sql.fetchval("SELECT id FROM conversation")
    assert await agents.take_over(conversation_id, "Marta")
    assert await agents.take_over(conversation_id, "Berta"), "a colleague's case, which is no new one"
    handoff_id = HandoffId(await sql.fetchval("SELECT handoff_id FROM conversation"))
    assert await agents.give_back(handoff_id, "gone for lunch")
    assert not await agents.give_back(handoff_id, "solved")
    counted = {
        name: {
            sample.labels["reason"]: sample.value for sample in metric.collect()[0].samples if "_total" in sample.name
        }
        for name, metric in (("begun", metrics.handoff_requests), ("ended", metrics.handoff_ends))
    }
    assert counted == {"begun": {"taken_over": 1.0}, "ended": {"other": 1.0}}


async def test_any_word_of_the_customer_takes_the_silence_away(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start()
    handoff_id = await queued(one, sql)
    await one.agents.say(handoff_id, "Marta", "k1", (Text("which line is it?"),))
    await one.finish()
    await quiet_for(sql, 30)
    await one.accept(said("ana", 2, "this one"))
    await one.finish()
    await cared(one, waiting_of(one))
    await quiet_for(sql, 600)
    await cared(one, waiting_of(one))
    assert heard(one) == ["which line is it?"], "the agent owes the answer"
    assert await sql.fetchval("SELECT control FROM conversation") == "agent"


async def test_an_agent_who_came_and_said_nothing_did_not_answer(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start()
    handoff_id = await queued(one, sql)
    await one.agents.accept(handoff_id, "Marta")
    await one.agents.give_back(handoff_id, "solved")
    await one.pipeline.respond.sweep()
    await one.finish()
    (entry,) = one.bot.turns[-1].entries
    assert isinstance(entry, DeskSaid)
    assert (entry.agent, entry.was_answered) == ("Marta", False)


async def test_no_reminder_goes_out_when_the_window_has_closed(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start(window={"free_s": 86_400, "agent_s": 604_800, "has_templates": True})
    handoff_id = await queued(one, sql)
    await sql.execute("UPDATE conversation SET heard_at = now()")
    await one.agents.say(handoff_id, "Marta", "k1", (Text("which line is it?"),))
    await one.finish()
    await sql.execute("UPDATE conversation SET heard_at = now() - interval '25 hours'")
    await quiet_for(sql, 60 * 24)
    waiting = waiting_of(one)
    before = len(one.client.calls)
    for _ in range(3):
        await cared(one, waiting)
        await quiet_for(sql, 60 * 24)
    assert one.client.calls[before:] == []
    assert await sql.fetchval("SELECT end_reason FROM handoff") == "customer_quiet"


@pytest.mark.parametrize("reason", ["asked", "rule"])
async def test_looking_after_customers_reads_no_more_than_the_open_cases(
    start: StartProcess, sql: asyncpg.Connection, reason: str
) -> None:
    one = await start()
    await queued(one, sql, reason=reason)
    await sql.execute(
        "INSERT INTO handoff (id, conversation_id, desk, reason, asked_at, accepted_at, ended_at, told_end) "
        "SELECT gen_random_uuid(), (SELECT id FROM conversation), 'builtin.main', 'asked', now() - i * interval '1 s', "
        "now() - i * interval '1 s', now(), true FROM generate_series(1, 5000) i"
    )
    await sql.execute("ANALYZE handoff")
    newest = "desk = 'builtin.main' AND accepted_at IS NOT NULL ORDER BY accepted_at DESC LIMIT 200"
    open_ones = "ended_at IS NULL AND care_at <= now() ORDER BY care_at LIMIT 100"
    for rows, index in ((open_ones, "cared"), (newest, "accepted")):
        statement = f"SELECT id FROM handoff WHERE {rows}"
        plan = msgspec.json.decode(await sql.fetchval(f"EXPLAIN (FORMAT json) {statement}"))
        assert f"handoff_{index}" in str(plan), plan


async def test_an_actions_answer_is_kept_for_the_agent_who_came_while_it_ran(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start()
    one.bot.calls_out = True

    async def think(turn: TurnInput) -> TurnOutcome | None:
        if len(one.bot.turns) == 1:
            await one.agents.take_over(turn.conversation_id, "Marta")
        return None

    one.bot.think = think
    await one.accept(said("ana", 1, "book it"))
    await one.finish()
    await one.pipeline.deliver.sweep()
    await one.finish()
    assert heard(one) == [], "the bot is silent while a person has the conversation"
    kept = await sql.fetch("SELECT status, parts::text AS parts FROM message WHERE author = 'bot'")
    assert [(row["status"], "re: book it" in row["parts"]) for row in kept] == [("withdrawn", True)]
    turns = await sql.fetch("SELECT outcome, from_seq, to_seq FROM turn")
    assert [tuple(row) for row in turns] == [("left_to_desk", 1, 1)]


async def test_without_a_call_what_the_bot_had_decided_is_forgotten(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start()

    async def think(turn: TurnInput) -> TurnOutcome | None:
        await one.agents.take_over(turn.conversation_id, "Marta")
        return None

    one.bot.think = think
    await one.accept(said("ana", 1, "hello"))
    await one.finish()
    assert await sql.fetchval("SELECT count(*) FROM message WHERE author = 'bot'") == 0


async def test_a_word_for_silence_that_the_bot_asked_for_is_an_answer_and_stop_never_is(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start(answers=lambda state, text: state == b"asked" and text.lower() in ("alto", "stop"))

    async def think(_turn: TurnInput) -> TurnOutcome | None:
        return TurnOutcome(resolution=Resolution(link="flow"), replies=(Reply((Text("how loud?"),)),), state=b"asked")

    one.bot.think = think
    await one.accept(said("ana", 1, "louder"))
    await one.finish()
    await one.accept(said("ana", 2, "Alto"))
    await one.finish()
    assert not await sql.fetchval("SELECT is_opted_out FROM conversation")
    assert len(heard(one)) == 2
    await one.accept(said("luis", 1, "alto"))
    await one.accept(said("ana", 3, "stop"))
    await one.finish()
    assert await sql.fetchval("SELECT count(*) FROM conversation WHERE is_opted_out") == 2


@pytest.mark.parametrize(("names", "expected"), [(True, "Marta (facturas): hello"), (False, "hello")])
async def test_an_agents_name_stands_before_their_words_where_the_app_shows_none(
    start: StartProcess, sql: asyncpg.Connection, *, names: bool, expected: str
) -> None:
    one = await start(names_agents=names)
    handoff_id = await queued(one, sql)
    persona = Persona("Marta (facturas)", "https://example.com/marta.jpg")
    await one.agents.say(handoff_id, "u-17", "k1", (Text("hello"),), persona=persona)
    await one.finish()
    conversation_id = await sql.fetchval("SELECT id FROM conversation")
    (seen,) = await lines.read(sql, [(conversation_id, 0)], limit=50)
    assert seen is not None
    assert [line.avatar_url for line in seen.lines if line.author is Author.AGENT] == [persona.avatar_url]
    assert {line.avatar_url for line in seen.lines if line.author is not Author.AGENT} <= {""}
    await one.agents.give_back(handoff_id, "solved")
    await one.accept(said("ana", 2, "thanks"))
    await one.finish()
    assert heard(one) == [expected, "re: thanks"], "the bot has no name before its words"


@pytest.mark.parametrize(("hours", "may_speak"), [(2, True), (30, False)])
async def test_the_bot_knows_whether_what_it_says_after_a_person_would_arrive(
    start: StartProcess, sql: asyncpg.Connection, hours: int, *, may_speak: bool
) -> None:
    one = await start(window={"free_s": 86_400, "agent_s": 604_800})
    handoff_id = await queued(one, sql)
    await one.agents.accept(handoff_id, "Marta")
    await sql.execute("UPDATE conversation SET heard_at = now() - $1 * interval '1 hour'", hours)
    await one.agents.give_back(handoff_id, "solved")
    await one.pipeline.respond.sweep()
    await one.finish()
    assert one.bot.turns[-1].may_speak is may_speak
