"""What others say in our name, and who may speak at the provider: nothing of ours is doubled, nobody is left alone."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import msgspec
from paper_provider import T0, said
from pipeline_process import Process, StartProcess

from gateway.core.inbound import (
    AccountNoticed,
    AddressKey,
    Arrived,
    ControlMoved,
    Echoed,
    Origin,
    Receipt,
    SeenUpTo,
)
from gateway.core.messages import Text
from gateway.store import elsewhere, parking

ANA = AddressKey("chat", "ana")


def echoed(key: str, text: str, by: str, *, our_ref: str = "", name: str = "", who: AddressKey = ANA) -> Echoed:
    return Echoed(
        event_key=f"echo:{key}",
        at=T0,
        address=who,
        provider_message_id=key,
        parts=(Text(text),),
        by=by,  # type: ignore[arg-type]
        our_ref=our_ref,
        name=name,
    )


def control(key: str, to: str, *, at: datetime = T0, who: AddressKey = ANA) -> ControlMoved:
    return ControlMoved(event_key=key, at=at, address=who, to=to)  # type: ignore[arg-type]


async def retry(sql: asyncpg.Connection) -> parking.Retried:
    await sql.execute("UPDATE parked SET due_at = now()")
    async with sql.transaction():
        return await parking.retry_parked(sql)


async def lines(sql: asyncpg.Connection) -> list[tuple[str, str, str]]:
    rows = await sql.fetch(
        "SELECT author, parts #>> '{0,text}', status FROM message ORDER BY conversation_id, position"
    )
    return [(row[0], row[1], row[2]) for row in rows]


async def test_a_person_in_the_providers_inbox_takes_control_and_the_bot_falls_silent(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start()
    await one.accept(said("ana", 1, "hola"))
    await one.finish()
    await one.accept(echoed("e1", "soy Marta", "agent", name="Marta"))
    await one.accept(said("ana", 2, "gracias"))
    await one.finish()
    assert await lines(sql) == [
        ("customer", "hola", "received"),
        ("bot", "re: hola", "sent"),
        ("agent", "soy Marta", "sent"),
        ("customer", "gracias", "received"),
    ]
    row = await sql.fetchrow("SELECT c.control, c.epoch, c.agent, h.desk, h.reason FROM conversation c, handoff h")
    assert tuple(row) == ("agent", 1, "Marta", "provider", "provider_inbox")
    kinds = [r[0] for r in await sql.fetch("SELECT kind FROM event WHERE kind LIKE 'handoff%' ORDER BY kind")]
    assert kinds == ["handoff_accepted", "handoff_requested"]


async def test_an_agents_second_word_changes_nothing_more(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start()
    await one.accept(said("ana", 1))
    await one.accept(echoed("e1", "uno", "agent"), echoed("e2", "dos", "agent"), echoed("e1", "uno", "agent"))
    await one.finish()
    assert await sql.fetchval("SELECT epoch FROM conversation") == 1
    assert await sql.fetchval("SELECT count(*) FROM handoff") == 1
    assert await sql.fetchval("SELECT count(*) FROM message WHERE author = 'agent'") == 2


async def test_another_program_is_put_down_and_takes_nothing_over(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start()
    await one.accept(echoed("e1", "your parcel left", "app", name="shop"))
    await one.accept(said("ana", 1, "hola"))
    await one.finish()
    assert await lines(sql) == [
        ("system", "your parcel left", "sent"),
        ("customer", "hola", "received"),
        ("bot", "re: hola", "sent"),
    ]
    assert await sql.fetchval("SELECT control FROM conversation") == "bot"


async def test_our_own_words_are_never_doubled_by_their_echo(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start()
    await one.accept(said("ana", 1, "hola"))
    await one.finish()
    ours = str(await sql.fetchval("SELECT id FROM message WHERE author = 'bot'"))
    await one.accept(
        echoed("out-1", "re: hola", "us", our_ref=ours),
        echoed("mid-2", "re: hola", "us", our_ref=ours),
        echoed("out-1", "re: hola", "app"),
    )
    assert len(await lines(sql)) == 2
    refs = {row[0] for row in await sql.fetch("SELECT provider_message_id FROM provider_ref")}
    assert refs == {"in-ana-1", "out-1", "mid-2"}


async def _while_sending(one: Process) -> tuple[asyncio.Event, asyncio.Event]:
    """The provider has the message and does not answer yet: set when it has, and to be set for its answer."""
    has, answers = asyncio.Event(), asyncio.Event()

    async def answer(_recipient: str, _text: str) -> None:
        has.set()
        await answers.wait()

    one.client.answer = answer
    return has, answers


async def test_an_echo_that_overtakes_the_answer_settles_the_send(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start()
    has, answers = await _while_sending(one)
    await one.accept(said("ana", 1, "hola"))
    await has.wait()
    ours = str(await sql.fetchval("SELECT message_id FROM outbox"))
    await one.accept(echoed("mid-1", "re: hola", "us", our_ref=ours))
    answers.set()
    await one.finish()
    assert await lines(sql) == [("customer", "hola", "received"), ("bot", "re: hola", "sent")]
    assert await sql.fetchval("SELECT count(*) FROM outbox") == 0
    assert len(one.client.calls) == 1


async def test_an_echo_without_our_reference_waits_until_the_call_has_returned(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start()
    has, answers = await _while_sending(one)
    await one.accept(said("ana", 1, "hola"))
    await has.wait()
    await one.accept(echoed("out-1", "*re*: hola", "app"), echoed("zz", "something else", "app"))
    assert await sql.fetchval("SELECT count(*) FROM parked") == 1
    assert (await retry(sql)).done == 0
    answers.set()
    await one.finish()
    assert (await retry(sql)).done == 1
    assert [line[1] for line in await lines(sql)] == ["hola", "re: hola", "something else"]


async def test_a_thread_that_the_provider_gave_away_is_with_an_agent_until_it_comes_back(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start()
    await one.accept(control("standby:1", "elsewhere"), said("ana", 1, "hola"))
    await one.finish()
    assert await sql.fetchval("SELECT control FROM conversation") == "agent"
    assert one.client.calls == []
    await one.accept(control("back", "us", at=T0 + timedelta(seconds=9)))
    await one.accept(said("ana", 2, "sigo"))
    await one.pipeline.respond.sweep()
    await one.finish()
    row = await sql.fetchrow("SELECT control, epoch, handoff_id FROM conversation")
    assert tuple(row) == ("bot", 2, None)
    assert ("ana", "re: sigo") in one.client.calls
    assert await sql.fetchval("SELECT end_reason FROM handoff WHERE ended_at IS NOT NULL") == "returned"


async def test_a_late_word_of_the_switch_does_not_undo_a_newer_one(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start(respond=False)
    await one.accept(control("1", "elsewhere"), control("3", "us", at=T0 + timedelta(seconds=9)))
    await one.accept(control("2", "elsewhere", at=T0 + timedelta(seconds=5)))
    assert await sql.fetchval("SELECT control FROM conversation") == "bot"


async def test_a_case_of_our_own_desk_is_not_given_back_by_the_provider(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start(respond=False)
    await one.accept(said("ana", 1))
    conversation = await sql.fetchval("SELECT id FROM conversation")
    await one.agents.take_over(conversation, "Berta")
    await one.accept(echoed("e1", "hola", "agent", name="Marta"), control("b", "us"))
    row = await sql.fetchrow("SELECT control, agent FROM conversation")
    assert tuple(row) == ("agent", "Berta")


async def test_who_takes_a_case_over_from_the_provider_keeps_it(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start(respond=False)
    await one.accept(control("1", "elsewhere"))
    conversation = await sql.fetchval("SELECT id FROM conversation")
    assert await one.agents.take_over(conversation, "Berta")
    await one.accept(control("2", "us", at=T0 + timedelta(seconds=9)))
    assert tuple(await sql.fetchrow("SELECT control, agent FROM conversation")) == ("agent", "Berta")
    assert tuple(await sql.fetchrow("SELECT desk, acknowledged_at FROM handoff")) == ("builtin.main", None)


async def test_a_case_at_the_provider_that_fell_silent_comes_back_to_the_bot(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start(respond=False)
    await one.accept(echoed("e1", "hola", "agent"))
    await one.accept(echoed("e2", "hola", "agent", who=AddressKey("chat", "beto")))
    await sql.execute("UPDATE handoff SET accepted_at = now() - interval '2 days'")
    recent = await sql.fetchval("SELECT conversation_id FROM address_alias WHERE value = 'beto'")
    await sql.execute("UPDATE message SET at = now() - interval '2 days' WHERE conversation_id <> $1", recent)
    async with sql.transaction():
        ended = await elsewhere.end_quiet(sql, timedelta(hours=24), limit=10)
    assert len(ended) == 1
    rows = await sql.fetch("SELECT control FROM conversation ORDER BY id = $1", recent)
    assert [row[0] for row in rows] == ["bot", "agent"]
    assert await sql.fetchval("SELECT count(*) FROM entry") == 1


async def test_who_waits_for_a_person_and_gets_one_at_the_provider_leaves_the_queue(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start(respond=False)
    await one.accept(said("ana", 1))
    await sql.execute(
        "INSERT INTO handoff (id, conversation_id, desk, reason) SELECT id, id, 'builtin', 'asked' FROM conversation"
    )
    await sql.execute("UPDATE conversation SET control = 'queued', handoff_id = id, epoch = 1")
    await one.accept(echoed("e1", "hola", "agent", name="Marta"))
    rows = await sql.fetch("SELECT desk, end_reason FROM handoff ORDER BY asked_at")
    assert [tuple(row) for row in rows] == [("builtin", "taken_at_provider"), ("provider", "")]
    assert tuple(await sql.fetchrow("SELECT control, agent, epoch FROM conversation")) == ("agent", "Marta", 3)


async def test_a_watermark_moves_what_was_sent_until_then_and_nothing_else(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start()
    await one.accept(said("ana", 1, "uno"))
    await one.finish()
    between = datetime.now(UTC)
    await one.accept(said("ana", 2, "dos"))
    await one.finish()
    seen = SeenUpTo(event_key="s1", at=T0, address=ANA, up_to=between, status="read")
    await one.accept(seen, msgspec.structs.replace(seen, event_key="s0", status="delivered", up_to=datetime.now(UTC)))
    assert await lines(sql) == [
        ("customer", "uno", "received"),
        ("bot", "re: uno", "read"),
        ("customer", "dos", "received"),
        ("bot", "re: dos", "delivered"),
    ]
    kinds = [
        r[0] for r in await sql.fetch("SELECT kind FROM event WHERE kind IN ('message_read', 'message_delivered')")
    ]
    assert sorted(kinds) == ["message_delivered", "message_read"]


async def test_a_watermark_that_comes_while_a_message_is_being_sent_is_applied_after_it(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start()
    has, answers = await _while_sending(one)
    await one.accept(said("ana", 1, "hola"))
    await has.wait()
    await one.accept(SeenUpTo(event_key="s1", at=T0, address=ANA, up_to=datetime.now(UTC), status="read"))
    answers.set()
    await one.finish()
    assert (await retry(sql)).done == 1
    assert (await lines(sql))[1] == ("bot", "re: hola", "read")


async def test_a_watermark_of_somebody_unknown_is_dropped(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start(respond=False)
    await one.accept(SeenUpTo(event_key="s1", at=T0, address=ANA, up_to=T0, status="read"))
    assert await sql.fetchval("SELECT count(*) FROM conversation") == 0
    assert await sql.fetchval("SELECT count(*) FROM parked") == 0


async def test_what_led_a_customer_here_stays_with_the_case_that_it_opened(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start(respond=False)
    ad, post = Origin(kind="ad", id="77", click_id="c"), Origin(kind="post", id="88")
    await one.accept(Arrived(event_key="a1", at=T0, address=ANA, origin=ad))
    await one.accept(said("ana", 1))
    await one.accept(Arrived(event_key="a2", at=T0, address=ANA, origin=post))
    await one.accept(msgspec.structs.replace(said("beto", 1), origin=post))
    await one.accept(msgspec.structs.replace(said("eva", 1)))
    await one.accept(msgspec.structs.replace(said("eva", 2), origin=ad))
    await one.accept(
        said("leo", 1), Arrived(event_key="a3", at=T0, address=AddressKey("chat", "leo"), referral="promo")
    )
    rows = await sql.fetch(
        "SELECT a.value, e.origin ->> 'kind' AS kind, e.origin ->> 'id' AS id FROM episode e"
        " JOIN address_alias a USING (conversation_id) ORDER BY a.value"
    )
    assert [tuple(row) for row in rows] == [
        ("ana", "ad", "77"),
        ("beto", "post", "88"),
        ("eva", "ad", "77"),
        ("leo", "link", "promo"),
    ]
    assert await sql.fetchval("SELECT count(*) FROM conversation WHERE next_origin IS NOT NULL") == 0


async def test_an_arrival_is_a_sign_of_life(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start(respond=False)
    await one.accept(said("ana", 1))
    lately = datetime.now(UTC) - timedelta(minutes=1)
    await one.accept(Arrived(event_key="a1", at=lately, address=ANA))
    assert await sql.fetchval("SELECT heard_at FROM conversation") == lately
    await one.accept(Arrived(event_key="a2", at=lately - timedelta(hours=1), address=ANA))
    assert await sql.fetchval("SELECT heard_at FROM conversation") == lately


async def test_what_a_failure_means_binds_what_is_sent_next(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start()
    await one.accept(said("ana", 1))
    await one.finish()
    failed = Receipt(event_key="r1", at=T0, provider_message_id="out-1", status="failed", meaning="opted_out", code="9")
    await one.accept(failed)
    assert await sql.fetchval("SELECT is_opted_out FROM conversation")
    await one.accept(msgspec.structs.replace(failed, event_key="r2", meaning="unreachable"))
    assert await sql.fetchval("SELECT unreachable_at FROM conversation") == T0


async def test_a_receipt_with_our_reference_finds_the_message_whose_call_was_never_answered(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start()
    has, answers = await _while_sending(one)
    await one.accept(said("ana", 1, "hola"))
    await has.wait()
    ours = str(await sql.fetchval("SELECT message_id FROM outbox"))
    await one.accept(Receipt(event_key="r1", at=T0, provider_message_id="mid-1", status="read", our_ref=ours))
    assert (await lines(sql))[1] == ("bot", "re: hola", "read")
    answers.set()
    await one.finish()
    assert len(one.client.calls) == 1
    assert (await lines(sql))[1] == ("bot", "re: hola", "read")


async def test_what_a_provider_says_of_an_account_is_kept(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start(respond=False)
    notice = AccountNoticed(event_key="n1", at=T0, kind="template", subject="hi", state="REJECTED", is_bad=True)
    await one.accept(notice, notice)
    await one.accept(notice)
    counted = one.pipeline.receive._metrics.account_notices.labels("paper", "main", "template", "true")
    assert counted._value.get() == 1
    row = await sql.fetchrow("SELECT kind, subject, state, detail, is_bad, at FROM account_notice")
    assert tuple(row) == ("template", "hi", "REJECTED", "", True, T0)
    assert await sql.fetchval("SELECT count(*) FROM quarantine") == 0


async def test_messages_and_echoes_of_one_webhook_keep_their_order(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start(respond=False)
    await one.accept(
        said("ana", 1, "1"),
        echoed("e1", "2", "agent"),
        said("ana", 2, "3"),
        echoed("e2", "4", "app"),
        said("ana", 3, "5"),
    )
    assert [line[1] for line in await lines(sql)] == ["1", "2", "3", "4", "5"]
