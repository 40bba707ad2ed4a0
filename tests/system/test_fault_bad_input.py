"""What must not be believed, must not be stored, and must not stop anything."""

from __future__ import annotations

import json
import re
from io import BytesIO
from pathlib import Path

import pytest
from fault_harness import Replies, Sender, command, connected, echo_of, mail_of

from gateway.app.bench.audit import became, settled
from gateway.app.bench.provider import Behaviour
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
            "20 MB": await sender.post(gateway, BytesIO(b'{"update_id":6,"x":"' + b"x" * 20_000_000 + b'"}')),
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
    ("text", "is_storable"),
    [
        ("x" * 100_000, True),
        ("y" * 100_001, False),
        ("a\x00b", True),
        ("\x00", True),
        ("\ud83d", True),
        ("\u202e\u0000" * 500, True),
    ],
    ids=["100,000 characters", "100,001 characters", "NUL within", "NUL alone", "lone surrogate", "NUL often"],
)
async def test_an_authentic_text_of_any_content_is_acknowledged_and_kept(
    make_gateway, provider: ProviderProcess, database_url: str, text: str, *, is_storable: bool
) -> None:
    gateway = make_gateway()
    await gateway.start()
    odd, good = updates(first=5, count=2, people=2)
    update = json.loads(odd.encode(1_790_000_000))
    update["message"]["text"] = text
    body = json.dumps(update).encode()
    async with connected(database_url) as connection, Sender([gateway]) as sender, Replies(provider) as replies:
        answers = [await sender.post(gateway, body) for _ in range(2)]
        await sender.deliver(good)
        assert await replies.more_than(good.chat_id, 0, 20), "it does not answer others any more"
        if is_storable:
            assert await replies.more_than(odd.chat_id, 0, 20), "it is silent"
        lengths = await connection.fetch(
            """
            SELECT length(m.parts->0->>'text') FROM message m
            WHERE m.author = 'customer' AND EXISTS (
                SELECT 1 FROM address_alias a WHERE a.conversation_id = m.conversation_id AND a.value = $1
            )
            """,
            str(odd.chat_id),
        )
        quarantined = await connection.fetch("SELECT raw FROM quarantine")
    assert [answer.status for answer in answers] == [200, 200]
    assert [row[0] for row in lengths] == ([len(text)] if is_storable else [])
    assert {row["raw"] for row in quarantined} == (set() if is_storable else {body})


async def test_an_authentic_update_of_unknown_shape_is_kept_and_replayed_by_command(
    make_gateway, provider: ProviderProcess, database_url: str, tmp_path: Path
) -> None:
    gateway = make_gateway()
    await gateway.start()
    update = next(updates(first=5, count=1, people=1))
    healthy = update.encode(1_790_000_000)
    broken = re.sub(rb'"message_id":(\d+)', rb'"message_id":{"new":\1}', healthy)
    assert broken != healthy
    async with connected(database_url) as connection, Sender([gateway]) as sender, Replies(provider) as replies:
        assert (await sender.post(gateway, broken)).status == 200
        row = await connection.fetchrow("SELECT id, path, reason FROM quarantine WHERE replayed_at IS NULL")
        assert row is not None
        assert "message_id" in row["path"]

        code, listed = await command(gateway, "quarantine", "list", "--json", log=tmp_path / "list.txt")
        assert code == 0, listed
        assert str(row["id"]) in listed
        code, shown = await command(gateway, "quarantine", "show", str(row["id"]), log=tmp_path / "show.txt")
        assert code == 0, shown
        assert "new" in json.loads(shown)["raw"]
        code, _ = await command(gateway, "quarantine", "replay", str(row["id"]), log=tmp_path / "early.txt")
        assert code == 1
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


async def test_what_the_provider_refused_is_listed_shown_and_sent_after_all_by_command(
    make_gateway, provider: ProviderProcess, database_url: str, tmp_path: Path
) -> None:
    gateway = make_gateway()
    await gateway.start()
    [mail] = mail_of(1, 2)
    async with connected(database_url) as connection, Sender([gateway]) as sender, Replies(provider) as replies:
        await sender.deliver(mail[0])
        assert await replies.answer(mail[0], 20)
        await provider.behave(Behaviour(refuse=1, status=400))
        await sender.deliver(mail[1])
        found = await settled(connection, 20)
        assert found.dead_letters == 1

        code, listed = await command(gateway, "dead-letters", "list", "--json", log=tmp_path / "list.txt")
        assert code == 0, listed
        [letter] = json.loads(listed)
        code, shown = await command(gateway, "dead-letters", "show", letter["message_id"], log=tmp_path / "show.txt")
        assert code == 0, shown
        assert echo_of(mail[1]) in json.loads(shown)["parts"]
        assert not await replies.answer(mail[1], 0.1)

        code, output = await command(gateway, "dead-letters", "replay", letter["message_id"], log=tmp_path / "go.txt")
        assert code == 0, output
        assert await replies.answer(mail[1], 20), "it was not sent again"
        code, output = await command(gateway, "dead-letters", "replay", letter["message_id"], log=tmp_path / "no.txt")
        assert code == 1, "it can be sent again twice"
        await settled(connection, 20)
        statuses = await connection.fetch("SELECT status FROM message WHERE author = 'bot' ORDER BY position")
    assert [row["status"] for row in statuses] == ["sent", "failed", "sent", "sent"]
