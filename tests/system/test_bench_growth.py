"""A database that was filled for the bench holds what real use would have left."""

from __future__ import annotations

from uuid import UUID

import asyncpg
import pytest
from fault_harness import connected

from gateway.app.bench.audit import audit
from gateway.app.bench.growth import Shape, fill, first_chat, points
from gateway.core.events import EventKind
from gateway.core.ids import new_id
from gateway.store.migrate import migrate

pytestmark = pytest.mark.system


async def _model_exchange(connection: asyncpg.Connection) -> None:
    """One message and its answer, as the statements of the pipeline would have stored them."""
    conversation, contact, address, episode, question, answer, turn = (new_id() for _ in range(7))
    account = await connection.fetchval(
        "INSERT INTO account (channel, endpoint, name, external, app)"
        " VALUES ('telegram', 'main', 'main', '', 'telegram') RETURNING id"
    )
    await connection.execute("INSERT INTO contact (id, name) VALUES ($1, 'Ana')", contact)
    await connection.execute(
        "INSERT INTO address (id, account_id, contact_id, recipient) VALUES ($1, $2, $3, '1')",
        address,
        account,
        contact,
    )
    await connection.execute(
        "INSERT INTO address_alias (account_id, kind, value, address_id, conversation_id)"
        " VALUES ($1, 'chat', '1', $2, $3)",
        account, address, conversation,
    )  # fmt: skip
    await connection.execute(
        "INSERT INTO conversation"
        " (id, account_id, address_id, contact_id, episode_id, next_seq, read_seq, next_position)"
        " VALUES ($1, $2, $3, $4, $5, 2, 1, 3)",
        conversation, account, address, contact, episode,
    )  # fmt: skip
    await connection.execute("INSERT INTO episode (id, conversation_id) VALUES ($1, $2)", episode, conversation)
    await connection.execute(
        "INSERT INTO dialogue_state (conversation_id, state, bot_version) VALUES ($1, '{}', 'v')", conversation
    )
    for position, message, author, status, seq in (
        (1, question, "customer", "received", 1), (2, answer, "bot", "sent", None)
    ):  # fmt: skip
        await connection.execute(
            "INSERT INTO message (conversation_id, position, id, seq, author, status, parts, provider_message_id)"
            " VALUES ($1, $2, $3, $4, $5, $6, '[]', '1:1')",
            conversation, position, message, seq, author, status,
        )  # fmt: skip
        await connection.execute(
            "INSERT INTO provider_ref (account_id, provider_message_id, conversation_id, position, message_id)"
            " VALUES ($1, $2, $3, $4, $5)",
            account, f"1:{position}", conversation, position, message,
        )  # fmt: skip
    await connection.execute("INSERT INTO seen (account_id, event_key) VALUES ($1, 'u1')", account)
    await connection.execute(
        "INSERT INTO turn (conversation_id, from_seq, to_seq, id, epoch, bot_version, outcome, link)"
        " VALUES ($1, 1, 1, $2, 0, 'v', 'answered', 'intents')",
        conversation, turn,
    )  # fmt: skip
    subjects: dict[EventKind, UUID] = {
        EventKind.MESSAGE_RECEIVED: question,
        EventKind.TURN_DECIDED: turn,
        EventKind.MESSAGE_QUEUED: answer,
        EventKind.MESSAGE_SENT: answer,
    }
    for kind, subject in subjects.items():
        await connection.execute(
            "INSERT INTO event (id, kind, conversation_id, subject) VALUES ($1, $2, $3, $4)",
            new_id(), kind, conversation, subject,
        )  # fmt: skip


async def test_filling_repeats_a_real_exchange_in_every_table(database_url: str) -> None:
    await migrate(database_url)
    shapes = (Shape(5, 10), Shape(2, 40))
    async with connected(database_url) as connection:
        await _model_exchange(connection)
        await fill(connection, shapes)
        found = await audit(connection)
        counts = {
            table: await connection.fetchval(f"SELECT count(*) FROM {table}")
            for table in ("conversation", "address_alias", "turn", "seen", "provider_ref", "event", "message")
        }
        lengths = await connection.fetch("SELECT next_position - 1 AS n, read_seq FROM conversation ORDER BY 1, 2")
        in_default = await connection.fetchval("SELECT count(*) FROM message_default")
        chat = await connection.fetchval("SELECT count(*) FROM address_alias WHERE value = $1", str(first_chat(1) + 1))

    assert found.faults(1 + 25 + 40) == []
    assert counts == {
        "conversation": 8,
        "address_alias": 8,
        "turn": 66,
        "seen": 66,
        "provider_ref": 132,
        "event": 264,
        "message": 132,
    }
    assert [(row["n"], row["read_seq"]) for row in lengths] == [(2, 1), *[(10, 5)] * 5, *[(40, 20)] * 2]
    assert in_default == 0, "ids of filled messages belong to no month"
    assert chat == 1


def test_the_points_reach_two_million_messages_and_conversations_of_ten_thousand() -> None:
    measured = points(2_000_000, 100)
    assert [point.conversation_length for point in measured] == [10, 10, 10, 1_000, 10_000]
    assert [point.stored_messages for point in measured] == [1_000, 100_000, 2_000_000, 2_000_000, 2_000_000]
    assert all(point.shapes[point.active].conversations >= 100 for point in measured)
