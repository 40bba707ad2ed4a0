"""Receive keeps its promises: once, in order, in one conversation a person, nothing lost when a change comes early."""

from __future__ import annotations

import asyncio

import asyncpg
import msgspec
from paper_provider import T0, said
from pipeline_process import StartProcess

from gateway.core.inbound import (
    AddressKey,
    AddressMoved,
    ConsentChanged,
    Deleted,
    Edited,
    Ignored,
    Reacted,
    Receipt,
    Unparsed,
)
from gateway.core.messages import Media, Text
from gateway.store import parking


async def test_a_message_is_stored_answered_and_recorded(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start()
    await one.accept(said("ana", 1, "hola"))
    await one.client.until(lambda: one.client.calls == [("ana", "re: hola")])
    await one.idle()
    messages = await sql.fetch(
        "SELECT author, status, seq, position, provider_message_id FROM message ORDER BY position"
    )
    assert [tuple(row) for row in messages] == [
        ("customer", "received", 1, 1, "in-ana-1"),
        ("bot", "sent", None, 2, "out-1"),
    ]
    turn = await sql.fetchrow("SELECT from_seq, to_seq, outcome, link, intent, bot_version FROM turn")
    assert tuple(turn) == (1, 1, "answered", "intents", "echo", "echo-1")
    assert await sql.fetchval("SELECT count(*) FROM outbox") == 0
    kinds = {row[0] for row in await sql.fetch("SELECT kind FROM event")}
    assert kinds == {
        "conversation_started",
        "episode_opened",
        "message_received",
        "turn_decided",
        "message_sent",
    }
    lease = await sql.fetchrow("SELECT lease_until, read_seq, next_seq FROM conversation")
    assert tuple(lease) == (None, 1, 2)


async def test_the_same_event_counts_once_however_it_comes(start: StartProcess, sql: asyncpg.Connection) -> None:
    one, two = await start("one"), await start("two")
    event = said("ana", 1)
    await asyncio.gather(*(p.accept(event, event) for p in (one, two) for _ in range(10)))
    await one.accept(event)
    await one.finish()
    await two.finish()
    assert await sql.fetchval("SELECT count(*) FROM message WHERE author = 'customer'") == 1
    assert await sql.fetchval("SELECT count(*) FROM turn") == 1
    assert len(one.client.calls) + len(two.client.calls) == 1


async def test_two_processes_that_meet_a_stranger_make_one_conversation(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one, two = await start("one"), await start("two")
    await asyncio.gather(*(p.accept(said(f"p{n}", i)) for n in range(20) for i, p in enumerate((one, two), start=1)))
    await one.finish()
    await two.finish()
    assert await sql.fetchval("SELECT count(*) FROM conversation") == 20
    assert await sql.fetchval("SELECT count(*) FROM contact") == 20
    rows = await sql.fetch(
        "SELECT array_agg(seq ORDER BY seq) AS s FROM message WHERE seq > 0 GROUP BY conversation_id"
    )
    assert all(row["s"] == [1, 2] for row in rows)


async def test_what_is_not_understood_is_kept_and_its_neighbours_go_on(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start()
    broken = Unparsed(raw=b'{"update_id":1}', reason="unknown kind", path="$.message")
    await one.accept(said("ana", 1), broken, Ignored("poll"), said("ana", 2))
    await one.idle()
    row = await sql.fetchrow("SELECT channel, endpoint, reason, path, raw FROM quarantine")
    assert tuple(row) == ("paper", "main", "unknown kind", "$.message", b'{"update_id":1}')
    assert await sql.fetchval("SELECT count(*) FROM message WHERE author = 'customer'") == 2


async def test_an_event_of_an_unknown_account_is_quarantined(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start()
    event = said("ana", 1)
    await one.pipeline.receive.accept("paper", "other", [event])
    assert await sql.fetchval("SELECT reason FROM quarantine") == "unknown account"
    assert await sql.fetchval("SELECT count(*) FROM message") == 0


async def test_changes_that_come_before_their_message_are_applied_when_it_is_there(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start()
    target = "in-ana-1"
    await one.accept(
        Edited(event_key="e1", at=T0, provider_message_id=target, parts=(Text("edited"),)),
        Reacted(event_key="r1", at=T0, provider_message_id=target, emojis=("👍",)),
        Receipt(event_key="d1", at=T0, provider_message_id="out-1", status="read"),
    )
    assert await sql.fetchval("SELECT count(*) FROM parked") == 3
    await one.accept(said("ana", 1, "original"))
    await one.idle()
    await sql.execute("UPDATE parked SET due_at = now()")
    async with sql.transaction():
        assert (await parking.retry_parked(sql)).done == 3
    row = await sql.fetchrow("SELECT parts::text, reactions ->> 'emojis' AS emojis FROM message WHERE seq = 1")
    assert "edited" in row["parts"]
    assert "👍" in row["emojis"]
    assert await sql.fetchval("SELECT status FROM message WHERE author = 'bot'") == "read"
    assert await sql.fetchval("SELECT count(*) FROM parked") == 0


async def test_a_status_never_goes_back(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start()
    await one.accept(said("ana", 1))
    await one.idle()
    for key, status in (("a", "read"), ("b", "delivered"), ("c", "sent"), ("d", "failed")):
        await one.accept(Receipt(event_key=key, at=T0, provider_message_id="out-1", status=status))  # type: ignore[arg-type]
    assert await sql.fetchval("SELECT status FROM message WHERE author = 'bot'") == "read"


async def test_a_receipt_for_a_customers_message_changes_nothing(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start()
    await one.accept(said("ana", 1))
    await one.accept(Receipt(event_key="x", at=T0, provider_message_id="in-ana-1", status="read"))
    assert await sql.fetchval("SELECT status FROM message WHERE seq = 1") == "received"


async def test_a_deleted_message_loses_its_words(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start()
    await one.accept(said("ana", 1, "secret"))
    await one.accept(Deleted(event_key="x", at=T0, provider_message_id="in-ana-1"))
    row = await sql.fetchrow("SELECT parts::text, deleted_at FROM message WHERE seq = 1")
    assert row["parts"] == "[]"
    assert row["deleted_at"] == T0
    await one.accept(Edited(event_key="y", at=T0, provider_message_id="in-ana-1", parts=(Text("back"),)))
    assert await sql.fetchval("SELECT parts::text FROM message WHERE seq = 1") == "[]"


async def test_only_the_newest_edit_stays(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start()
    await one.accept(said("ana", 1))
    later = T0.replace(hour=14)
    await one.accept(Edited(event_key="2", at=later, provider_message_id="in-ana-1", parts=(Text("newest"),)))
    await one.accept(Edited(event_key="1", at=T0, provider_message_id="in-ana-1", parts=(Text("older"),)))
    assert "newest" in await sql.fetchval("SELECT parts::text FROM message WHERE seq = 1")


async def test_who_blocks_us_is_not_written_to_until_they_return(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start()
    await one.accept(said("ana", 1))
    await one.idle()
    chat = AddressKey("chat", "ana")
    await one.accept(ConsentChanged(event_key="k", at=T0, address=chat, is_opted_in=False, reason="blocked"))
    await one.accept(said("ana", 2))
    await one.idle()
    await one.pipeline.deliver.sweep()
    await one.idle()
    assert one.client.calls == [("ana", "re: ana 1")]
    assert await sql.fetchval("SELECT reason FROM dead_letter") == "opted_out"
    later = T0.replace(hour=13)
    await one.accept(ConsentChanged(event_key="k2", at=later, address=chat, is_opted_in=True, reason="returned"))
    await one.accept(said("ana", 3))
    await one.client.until(lambda: one.client.calls[-1] == ("ana", "re: ana 3"))


async def test_an_address_that_moved_is_written_to_at_its_new_name(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start()
    await one.accept(said("-500", 1))
    await one.idle()
    old, new = AddressKey("chat", "-500"), AddressKey("chat", "-100500")
    await one.accept(AddressMoved(event_key="mv", at=T0, address=old, alias=new))
    await one.accept(said("-100500", 2))
    await one.client.until(lambda: len(one.client.calls) == 2)
    assert one.client.calls[-1] == ("-100500", "re: -100500 2")
    assert await sql.fetchval("SELECT count(*) FROM conversation") == 1


async def test_a_file_is_a_job_committed_with_its_message(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start()
    photo = said("ana", 1)
    parts = (Media(kind="image", provider_ref="file-9"),)
    await one.accept(msgspec.structs.replace(photo, parts=parts))
    row = await sql.fetchrow("SELECT part, provider_ref FROM media_job")
    assert tuple(row) == (0, "file-9")


async def test_a_block_that_is_older_than_a_new_start_does_not_silence_us(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start()
    await one.accept(said("ana", 1))
    begun = msgspec.structs.replace(said("ana", 2, after_s=3600), is_opt_in=True)
    await one.accept(begun)
    chat = AddressKey("chat", "ana")
    await one.accept(ConsentChanged(event_key="k", at=T0, address=chat, is_opted_in=False, reason="blocked"))
    assert not await sql.fetchval("SELECT is_opted_out FROM conversation")
    later = T0.replace(hour=14)
    await one.accept(ConsentChanged(event_key="k2", at=later, address=chat, is_opted_in=False, reason="blocked"))
    assert await sql.fetchval("SELECT is_opted_out FROM conversation")
    await one.accept(msgspec.structs.replace(said("ana", 3, after_s=7201), is_opt_in=True))
    assert not await sql.fetchval("SELECT is_opted_out FROM conversation")
    await one.finish()
