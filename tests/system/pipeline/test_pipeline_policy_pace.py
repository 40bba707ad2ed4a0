"""Rates through the whole pipeline: who goes first, and what the next keeper of an account knows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import asyncpg
from paper_provider import PaperClient, said
from pipeline_process import Process, StartProcess

from gateway.core.ids import ConversationId, MessageId, new_id
from gateway.core.messages import Author, Text, encode_parts
from gateway.store.outgoing import append_message


async def say_unasked(one: Process, sql: asyncpg.Connection, text: str) -> None:
    async with one.database.begin() as connection:
        await append_message(
            connection,
            ConversationId(await sql.fetchval("SELECT id FROM conversation ORDER BY id LIMIT 1")),
            MessageId(new_id()),
            author=Author.BOT.value,
            parts=encode_parts((Text(text),)).decode(),
            is_proactive=True,
        )


async def sweep_until(one: Process, is_done: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not is_done():
            await one.pipeline.deliver.sweep()
            await asyncio.sleep(0.005)


async def test_live_answers_go_ahead_of_what_nobody_asked_for(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start(per_s=10)
    await one.accept(said("ana", 1))  # not held yet: nothing leaves
    await one.idle()
    await sql.execute("DELETE FROM outbox")
    for number in range(3):
        await say_unasked(one, sql, f"news {number}")
    for person in ("ben", "eva", "leo"):
        await one.accept(said(person, 1))
    await one.idle()
    await one.pipeline.deliver.hold()
    await sweep_until(one, lambda: len(one.client.calls) == 6)
    recipients = [recipient for recipient, _ in one.client.calls]
    assert sorted(recipients[:3]) == ["ben", "eva", "leo"]
    assert recipients[3:] == ["ana", "ana", "ana"]


async def test_the_next_keeper_knows_who_was_written_to_just_now(start: StartProcess, sql: asyncpg.Connection) -> None:
    client = PaperClient()
    one = await start("one", client=client, per_recipient_s=0.1)
    await one.pipeline.deliver.hold()
    await one.accept(said("ana", 1))
    await client.until(lambda: client.calls == [("ana", "re: ana 1")])
    await one.idle()
    await one.pipeline.respond.close(5)
    await one.pipeline.deliver.close(5)
    stored = str(await sql.fetchval("SELECT pace FROM delivery_lease"))
    assert "levels" in stored
    assert "ana" not in stored, "no names"
    two = await start("two", client=client, per_recipient_s=0.1)
    await two.pipeline.deliver.hold()
    assert await sql.fetchval("SELECT pace FROM delivery_lease") is None, "it is good for once"
    await two.accept(said("ben", 1))
    await client.until(lambda: client.calls[1:] == [("ben", "re: ben 1")])
    await two.accept(said("ana", 2))
    await two.idle()
    await two.pipeline.deliver.sweep()
    await two.idle()
    assert len(client.calls) == 2, "ana's next one must wait ten seconds after her last"
    assert await sql.fetchval("SELECT due_at > now() + interval '5 s' FROM outbox")
