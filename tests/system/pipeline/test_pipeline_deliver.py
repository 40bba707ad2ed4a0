"""Deliver keeps its promises: in order, once, at the provider's pace, and every failure is explained."""

from __future__ import annotations

import asyncio
import time

import asyncpg
from paper_provider import PaperClient, said
from pipeline_process import Process, StartProcess

from gateway.core.errors import Ambiguous, GiveUp, Misconfigured, Moved, Retry
from gateway.core.messages import Text
from gateway.core.turns import Reply, Resolution, TurnInput, TurnOutcome
from gateway.store import dead_letters

MANY = Resolution(link="intents", intent="many")


def replies(*texts: str) -> TurnOutcome:
    return TurnOutcome(resolution=MANY, replies=tuple(Reply((Text(text),)) for text in texts))


async def due_now(process: Process, sql: asyncpg.Connection) -> None:
    """What was put off is tried at once."""
    await sql.execute("UPDATE outbox SET due_at = now()")
    await process.pipeline.deliver.sweep()
    await process.idle()


async def test_several_replies_leave_one_after_the_other(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start()

    async def think(turn: TurnInput) -> TurnOutcome | None:
        return replies("1", "2", "3")

    one.bot.think = think
    await one.accept(said("ana", 1))
    await one.client.until(lambda: len(one.client.calls) == 3)
    assert [text for _, text in one.client.calls] == ["1", "2", "3"]
    await one.idle()
    assert await sql.fetchval("SELECT count(*) FROM outbox") == 0


async def test_a_message_waits_behind_one_that_is_tried_again(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start()
    failed: list[str] = []

    async def answer(recipient: str, text: str) -> None:
        if text == "re: ana 1" and not failed:
            failed.append(text)
            raise Retry("busy", after_s=30)

    one.client.answer = answer
    await one.accept(said("ana", 1))
    await one.idle()
    await one.accept(said("ana", 2))
    await one.idle()
    await one.pipeline.deliver.sweep()
    assert one.client.calls == []
    await due_now(one, sql)
    assert [text for _, text in one.client.calls] == ["re: ana 1", "re: ana 2"]


async def test_what_the_provider_refuses_for_good_is_a_dead_letter_and_the_next_goes_on(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start()

    async def answer(recipient: str, text: str) -> None:
        if text == "bad":
            raise GiveUp("refused", "text is empty", code="400")

    async def think(turn: TurnInput) -> TurnOutcome | None:
        return replies("bad", "good")

    one.client.answer, one.bot.think = answer, think
    await one.accept(said("ana", 1))
    await one.client.until(lambda: one.client.calls == [("ana", "good")])
    await one.idle()
    letter = (await dead_letters.list_letters(one.database))[0]
    assert (letter.reason, letter.detail, letter.code) == ("refused", "text is empty", "400")
    assert await sql.fetchval("SELECT status FROM message WHERE id = $1", letter.message_id) == "failed"
    one.client.answer = None
    assert await dead_letters.replay_letter(one.database, letter.message_id) is not None
    assert await dead_letters.replay_letter(one.database, letter.message_id) is None
    await one.pipeline.deliver.sweep()
    await one.idle()
    assert one.client.calls[-1] == ("ana", "bad")


async def test_an_ambiguous_send_is_repeated_once_and_then_given_up(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start()
    tries: list[str] = []

    async def answer(recipient: str, text: str) -> None:
        tries.append(text)
        raise Ambiguous("connection broke")

    one.client.answer = answer
    await one.accept(said("ana", 1))
    await one.idle()
    assert await sql.fetchval("SELECT ambiguities FROM outbox") == 1
    await due_now(one, sql)
    await due_now(one, sql)
    assert len(tries) == 2
    assert await sql.fetchval("SELECT reason FROM dead_letter") == "unknown_outcome"


async def test_what_was_being_sent_at_a_kill_is_sent_once_more_by_another(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    dead, other = await start("dead"), await start("other")
    is_sending, never = asyncio.Event(), asyncio.Event()

    async def answer(recipient: str, text: str) -> None:
        is_sending.set()
        await never.wait()

    dead.client.answer = answer
    await dead.accept(said("ana", 1))
    await is_sending.wait()
    assert await sql.fetchval("SELECT is_sending FROM outbox")
    await other.pipeline.deliver.sweep()
    assert other.client.calls == [], "its lease still runs"
    await sql.execute("UPDATE outbox SET due_at = now() - interval '1 s'")
    await other.pipeline.deliver.sweep()
    await other.idle()
    assert other.client.calls == [("ana", "re: ana 1")]
    assert await sql.fetchval("SELECT count(*) FROM provider_ref WHERE provider_message_id = 'out-1'") == 1
    never.set()
    await dead.idle()
    assert await sql.fetchval("SELECT count(*) FROM event WHERE kind = 'message_sent'") == 1


async def test_calls_that_are_done_are_not_repeated(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start()
    is_broken = True

    async def answer(recipient: str, text: str) -> None:
        if text == "two" and is_broken:
            raise Retry("busy", after_s=30)

    async def think(turn: TurnInput) -> TurnOutcome | None:
        return replies("one\ntwo\nthree")

    one.client.answer, one.bot.think = answer, think
    await one.accept(said("ana", 1))
    await one.idle()
    is_broken = False
    await due_now(one, sql)
    assert [text for _, text in one.client.calls] == ["one", "two", "three"]
    assert await sql.fetchval("SELECT count(*) FROM provider_ref WHERE provider_message_id LIKE 'out%'") == 3


async def test_a_recipient_that_moved_is_written_to_at_the_new_address(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start()

    async def answer(recipient: str, text: str) -> None:
        if recipient == "-5":
            raise Moved("chat", "-1005")

    one.client.answer = answer
    await one.accept(said("-5", 1))
    await one.idle()
    await due_now(one, sql)
    assert one.client.calls == [("-1005", "re: -5 1")]
    assert await sql.fetchval("SELECT count(*) FROM address_alias") == 2


async def test_an_account_with_a_wrong_setting_waits_and_says_so(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start()

    async def answer(recipient: str, text: str) -> None:
        raise Misconfigured("channels.paper.main.token", "the provider does not know it")

    one.client.answer = answer
    await one.accept(said("ana", 1))
    await one.idle()
    async with asyncio.timeout(5):
        while not await sql.fetchval("SELECT unhealthy_reason FROM delivery_lease"):
            await asyncio.sleep(0.01)
    assert await sql.fetchval("SELECT count(*) FROM dead_letter") == 0
    assert await sql.fetchval("SELECT count(*) FROM outbox") == 1


async def test_a_rate_limited_account_is_delivered_by_one_process_at_its_pace(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    client = PaperClient()
    one = await start("one", client=client, per_s=20)
    two = await start("two", client=client, per_s=20)
    began = time.monotonic()
    for process in (one, two):
        await process.pipeline.deliver.hold()
    for number in range(20):
        await (one, two)[number % 2].accept(said(f"p{number}", 1))
    async with asyncio.timeout(15):
        while len(client.calls) < 20:
            await one.pipeline.deliver.sweep()
            await two.pipeline.deliver.sweep()
            await asyncio.sleep(0.005)
    assert time.monotonic() - began >= 18 / 20, "a tenth of a second's calls may go at once, the others at the pace"
    assert len({recipient for recipient, _ in client.calls}) == 20
    holders = await sql.fetch("SELECT owner FROM delivery_lease")
    assert len(holders) == 1


async def test_a_wait_that_the_provider_asks_for_binds_the_whole_account(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start()
    asked: list[str] = []

    async def answer(recipient: str, text: str) -> None:
        if not asked:
            asked.append(text)
            raise Retry("too many requests", after_s=60, whole_account=True)

    one.client.answer = answer
    await one.accept(said("ana", 1))
    await one.idle()
    await one.accept(said("ben", 1))
    await one.idle()
    await one.pipeline.deliver.sweep()
    assert one.client.calls == []
    async with asyncio.timeout(5):
        while not await sql.fetchval("SELECT paused_until > now() FROM delivery_lease"):
            await asyncio.sleep(0.01)


async def test_who_was_refused_for_the_account_s_sake_is_first_when_it_may_send_again(start: StartProcess) -> None:
    client = PaperClient()
    one = await start(client=client, per_s=20)
    await one.pipeline.deliver.hold()
    asked: list[str] = []

    async def answer(recipient: str, text: str) -> None:
        asked.append(recipient)
        if len(asked) == 1:
            raise Retry("too many requests", after_s=0.5, whole_account=True)

    client.answer = answer
    people = [f"p{number}" for number in range(6)]
    await one.accept(said(people[0], 1))
    async with asyncio.timeout(15):
        while not asked:
            await one.pipeline.deliver.sweep()
            await asyncio.sleep(0.005)
        for person in people[1:]:
            await one.accept(said(person, 1))
        while len(client.calls) < len(people):
            await one.pipeline.deliver.sweep()
            await asyncio.sleep(0.005)
    assert asked[:2] == [people[0], people[0]]
    assert sorted(asked[1:]) == people


async def test_a_message_that_could_not_be_sent_for_too_long_is_given_up(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start()

    async def answer(recipient: str, text: str) -> None:
        raise Retry("down", after_s=1)

    one.client.answer = answer
    await one.accept(said("ana", 1))
    await one.idle()
    await sql.execute("UPDATE outbox SET created_at = now() - interval '25 h'")
    await due_now(one, sql)
    assert await sql.fetchval("SELECT reason FROM dead_letter") == "exhausted"


async def test_a_call_that_takes_longer_than_the_lease_keeps_it_by_renewing(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    slow, other = await start("slow", send_lease_s=0.4), await start("other")
    may_end = asyncio.Event()

    async def answer(recipient: str, text: str) -> None:
        await may_end.wait()

    slow.client.answer = answer
    await slow.accept(said("ana", 1))
    for _ in range(10):
        await asyncio.sleep(0.1)
        await slow.pipeline.deliver.renew()
        await other.pipeline.deliver.sweep()
    may_end.set()
    await slow.idle()
    await other.idle()
    assert other.client.calls == []
    assert slow.client.calls == [("ana", "re: ana 1")]


async def test_a_message_that_may_have_been_sent_twice_says_so(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start()
    tries: list[str] = []

    async def answer(recipient: str, text: str) -> None:
        tries.append(text)
        if len(tries) == 1:
            raise Ambiguous("connection broke")

    one.client.answer = answer
    await one.accept(said("ana", 1))
    await one.idle()
    await due_now(one, sql)
    assert len(tries) == 2
    assert await sql.fetchval("SELECT data ->> 'repeated' FROM event WHERE kind = 'message_sent'") == "true"
