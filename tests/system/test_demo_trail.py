"""The panel's reader over a real database: it sees what was committed, and costs the same however much was."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from uuid import UUID

import asyncpg
import pytest

from gateway.core.ids import ConversationId, new_id
from gateway.core.news import News
from gateway.store.database import HOT_SETTINGS, Database
from gateway.store.trail import CONVERSATIONS, EVENTS_AFTER, MESSAGES, NEWEST_EVENTS, TURNS
from gateway.web.sandbox.trail import KEPT_LINES, Trail

pytestmark = pytest.mark.system

PATIENCE_S = 15.0


class Story:
    """Writes into the tables what the pipeline would."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection

    async def conversation(self, name: str = "Ana") -> ConversationId:
        account = await self.connection.fetchval("""
            INSERT INTO account (channel, endpoint, name, external, app)
            VALUES ('telegram', 'demo', 'bot', '', 'telegram')
            ON CONFLICT (channel, endpoint, name) DO UPDATE SET app = excluded.app RETURNING id
        """)
        contact, address, conversation = new_id(), new_id(), new_id()
        await self.connection.execute("INSERT INTO contact (id, name) VALUES ($1, $2)", contact, name)
        await self.connection.execute(
            "INSERT INTO address (id, account_id, contact_id, recipient) VALUES ($1, $2, $3, '7')",
            address, account, contact,
        )  # fmt: skip
        await self.connection.execute(
            "INSERT INTO conversation (id, account_id, address_id, contact_id) VALUES ($1, $2, $3, $4)",
            conversation, account, address, contact,
        )  # fmt: skip
        return ConversationId(conversation)

    async def says(self, conversation: ConversationId, text: str) -> UUID:
        """A customer's message, in a transaction of its own."""
        message = new_id()
        async with self.connection.transaction():
            row = await self.connection.fetchrow(
                """UPDATE conversation SET next_seq = next_seq + 1, next_position = next_position + 1 WHERE id = $1
                   RETURNING next_seq - 1 AS seq, next_position - 1 AS position""",
                conversation,
            )
            await self.connection.execute(
                """INSERT INTO message (conversation_id, position, id, seq, author, status, parts)
                   VALUES ($1, $2, $3, $4, 'customer', 'received', $5::jsonb)""",
                conversation, row["position"], message, row["seq"], json.dumps([{"type": "text", "text": text}]),
            )  # fmt: skip
            await self.event("message_received", conversation, message)
        return message

    async def event(self, kind: str, conversation: ConversationId, subject: UUID) -> None:
        await self.connection.execute(
            "INSERT INTO event (id, kind, conversation_id, subject) VALUES ($1, $2, $3, $4)",
            new_id(), kind, conversation, subject,
        )  # fmt: skip


@pytest.fixture
async def story(dsn: str) -> AsyncIterator[Story]:
    connection = await asyncpg.connect(dsn)
    yield Story(connection)
    await connection.close()


@pytest.fixture
async def trail(dsn: str) -> AsyncIterator[tuple[Trail, News]]:
    database, news = Database(dsn), News()
    trail = Trail(database, news)
    await trail.open()
    yield trail, news
    await trail.close()
    await database.close()


async def holds(claim: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not claim():
            await asyncio.sleep(0.01)


def texts(trail: Trail) -> list[str]:
    return [line.text for line in trail.page(0).lines]


async def test_what_is_committed_is_told_newest_first_and_only_what_changed_is_told_again(story, trail) -> None:
    follower, news = trail
    conversation = await story.conversation()
    for text in ("uno", "dos"):
        await story.says(conversation, text)
    news.changed([conversation])
    await holds(lambda: texts(follower) == ["dos", "uno"])
    revision = follower.page(0).revision
    heard = asyncio.Event()
    follower.listen(heard.set)
    await story.says(conversation, "tres")
    news.changed([conversation])
    await asyncio.wait_for(heard.wait(), PATIENCE_S)
    assert [line.text for line in follower.page(revision).lines] == ["tres"]


async def test_another_process_that_tells_nothing_is_found_out_by_looking(story, trail) -> None:
    follower, _ = trail
    await story.says(await story.conversation(), "desde otro proceso")
    await holds(lambda: texts(follower) == ["desde otro proceso"])


async def test_an_event_of_a_slow_transaction_is_not_skipped(story, trail, dsn: str) -> None:
    follower, news = trail
    slow = await asyncpg.connect(dsn)
    first, second = await story.conversation("Lenta"), await story.conversation("Rápida")
    late = Story(slow)
    pending = slow.transaction()
    await pending.start()
    await late.says(first, "llegó tarde")
    await story.says(second, "llegó antes")
    news.changed([second])
    await holds(lambda: texts(follower) == ["llegó antes"])
    await pending.commit()
    await holds(lambda: set(texts(follower)) == {"llegó antes", "llegó tarde"})
    await slow.close()


async def test_memory_holds_no_more_lines_than_a_page_shows(story, trail) -> None:
    follower, news = trail
    conversations = [await story.conversation(str(number)) for number in range(KEPT_LINES // 20)]
    for number in range(KEPT_LINES + 50):
        conversation = conversations[number % len(conversations)]
        await story.says(conversation, str(number))
        news.changed([conversation])
    newest = str(KEPT_LINES + 49)
    await holds(lambda: texts(follower)[:1] == [newest])
    assert len(follower.page(0).lines) <= KEPT_LINES


async def test_reading_costs_the_same_after_a_hundred_thousand_events(story) -> None:
    conversation = await story.conversation()
    await story.connection.execute(
        """INSERT INTO event (id, kind, conversation_id, subject)
           SELECT gen_random_uuid(), 'message_received', $1, gen_random_uuid() FROM generate_series(1, 100000)""",
        conversation,
    )
    await story.connection.execute(
        """INSERT INTO message (conversation_id, position, id, seq, author, status, parts)
           SELECT $1, n, gen_random_uuid(), n, 'customer', 'received', '[]' FROM generate_series(1, 20000) n""",
        conversation,
    )
    await story.connection.execute(
        """INSERT INTO turn (conversation_id, from_seq, to_seq, id, epoch, bot_version, outcome, link)
           SELECT $1, n, n, gen_random_uuid(), 0, 'v', 'answered', 'intents' FROM generate_series(1, 20000) n""",
        conversation,
    )
    await story.connection.execute(
        "UPDATE conversation SET next_seq = 20001, next_position = 20001 WHERE id = $1", conversation
    )
    message = await story.says(conversation, "la última")
    cursor = await story.connection.fetchrow("SELECT xid::text AS xid FROM event WHERE subject <> $1 LIMIT 1", message)
    for name, value in HOT_SETTINGS.items():
        await story.connection.execute(f"SET {name} = '{value}'")
    for statement, values in (
        (EVENTS_AFTER, (cursor["xid"], UUID(int=2**128 - 1), 500)),
        (NEWEST_EVENTS, (800,)),
        (CONVERSATIONS, ([conversation],)),
        (MESSAGES, ([conversation], 40)),
        (TURNS, ([conversation], 40)),
    ):
        explained = await story.connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *values)
        [plan] = json.loads(explained)
        assert rows_looked_at(plan["Plan"]) < 5_000, explained


def rows_looked_at(plan: dict) -> int:
    """Rows that came out of all nodes, and those that were thrown away."""
    own = plan["Actual Rows"] * plan["Actual Loops"] + plan.get("Rows Removed by Filter", 0) * plan["Actual Loops"]
    return int(own) + sum(rows_looked_at(below) for below in plan.get("Plans", ()))
