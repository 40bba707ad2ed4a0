"""What must not be believed, must not be stored, and must not stop anything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fault_harness import Replies, Sender, command, connected

from gateway.app.bench.audit import became
from gateway.app.bench.subjects import ProviderProcess
from gateway.app.bench.updates import updates

pytestmark = pytest.mark.system

_TABLES = ("message", "conversation", "address", "contact", "seen", "quarantine", "turn", "outbox", "event")


async def _rows(connection) -> dict[str, int]:
    return {table: await connection.fetchval(f"SELECT count(*) FROM {table}") for table in _TABLES}


async def test_bad_input_is_refused_clearly_and_changes_nothing(
    make_gateway, provider: ProviderProcess, database_url: str
) -> None:
    gateway = make_gateway()
    await gateway.start()
    good = next(updates(first=5, count=1, people=1))
    body = good.encode(1_790_000_000)
    async with connected(database_url) as connection, Sender([gateway]) as sender, Replies(provider) as replies:
        before = await _rows(connection)
        answers = {
            "wrong secret": await sender.post(gateway, body, secret="not-the-secret"),
            "no secret": await sender.post(gateway, body, secret=""),
            "secret that is not ASCII": await sender.post(gateway, body, secret="señal"),
            "truncated JSON": await sender.post(gateway, body[: len(body) // 2]),
            "not JSON": await sender.post(gateway, b"\x00\xff\xfe"),
            "empty body": await sender.post(gateway, b""),
            "20 MB": await sender.post(gateway, b'{"update_id":6,"x":"' + b"x" * 20_000_000 + b'"}'),
            "unknown endpoint": await sender.post(gateway, body, path="/webhooks/telegram/nobody"),
            "unknown channel": await sender.post(gateway, body, path="/webhooks/carrier-pigeon/main"),
        }
        after = await _rows(connection)
        await sender.deliver(good)
        assert await replies.more_than(good.chat_id, 0, 20), "it does not answer any more"

    assert {what: answer.status for what, answer in answers.items()} == {
        "wrong secret": 403,
        "no secret": 403,
        "secret that is not ASCII": 403,
        "truncated JSON": 400,
        "not JSON": 400,
        "empty body": 400,
        "20 MB": 413,
        "unknown endpoint": 404,
        "unknown channel": 404,
    }
    assert after == before
    assert all(good.text not in answer.body for answer in answers.values())


@pytest.mark.parametrize(
    "text",
    ["x" * 100_000, "y" * 100_001, "a\x00b", "\x00", "\ud83d", "\u202e\u0000" * 500],
    ids=["100,000 characters", "100,001 characters", "NUL within", "NUL alone", "lone surrogate", "NUL often"],
)
async def test_an_authentic_text_of_any_content_is_acknowledged_and_kept_once(
    make_gateway, provider: ProviderProcess, database_url: str, text: str
) -> None:
    gateway = make_gateway()
    await gateway.start()
    odd, good = updates(first=5, count=2, people=2)
    update = json.loads(odd.encode(1_790_000_000))
    update["message"]["text"] = text
    body = json.dumps(update).encode()
    async with connected(database_url) as connection, Sender([gateway]) as sender, Replies(provider) as replies:
        first, second = await sender.post(gateway, body), await sender.post(gateway, body)
        await sender.deliver(good)
        assert await replies.more_than(good.chat_id, 0, 20), "it does not answer others any more"
        kept = await connection.fetchval(
            "SELECT (SELECT count(*) FROM message WHERE provider_message_id = $1 AND author = 'customer')"
            " + (SELECT count(DISTINCT raw) FROM quarantine)",
            str(odd.message_id),
        )
    assert (first.status, second.status) == (200, 200)
    assert kept >= 1


async def test_an_authentic_update_of_unknown_shape_is_kept_and_replayed_by_command(
    make_gateway, provider: ProviderProcess, database_url: str, tmp_path: Path
) -> None:
    gateway = make_gateway()
    await gateway.start()
    update = next(updates(first=5, count=1, people=1))
    healthy = update.encode(1_790_000_000)
    broken = healthy.replace(b'"message_id":10', b'"message_id":{"new":10}')
    assert broken != healthy
    async with connected(database_url) as connection, Sender([gateway]) as sender, Replies(provider) as replies:
        assert (await sender.post(gateway, broken)).status == 200
        row = await connection.fetchrow("SELECT id, path, reason FROM quarantine WHERE replayed_at IS NULL")
        assert row is not None
        assert "message_id" in row["path"]

        code, listed = await command(gateway, "quarantine", "list", "--json", log=tmp_path / "list.txt")
        assert code == 0, listed
        assert str(row["id"]) in listed
        await command(gateway, "quarantine", "replay", str(row["id"]), log=tmp_path / "early.txt")
        assert await connection.fetchval("SELECT count(*) FROM quarantine WHERE replayed_at IS NULL") == 1
        assert replies.log == []

        # The fix: from here on the program understands it, as if a new release had come.
        await connection.execute("UPDATE quarantine SET raw = $1", healthy)
        code, output = await command(gateway, "quarantine", "replay", str(row["id"]), log=tmp_path / "late.txt")
        assert code == 0, output
        assert await replies.more_than(update.chat_id, 0, 20)

        async def is_replayed() -> bool:
            return await connection.fetchval("SELECT count(*) FROM quarantine WHERE replayed_at IS NULL") == 0

        assert await became(is_replayed, 5)
        assert await connection.fetchval("SELECT count(*) FROM message WHERE author = 'customer'") == 1


async def test_an_endpoint_without_a_secret_does_not_start(make_gateway, provider: ProviderProcess) -> None:
    gateway = make_gateway(channels__telegram__main__secret_token="")
    gateway.child.start()
    assert await gateway.child.ended(30), "it started without a secret"
    assert gateway.child.returncode != 0
    assert "channels.telegram.main.secret_token" in gateway.child.output()
