"""The whole way: a key from the command line, a real gateway, the provider's stand-in, and contacts that are one."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import asyncpg
import msgspec
import pytest
from desk_world import world_of
from fault_harness import Replies, Sender, connected

from gateway.app.bench.audit import settled
from gateway.app.bench.processes import tertulia
from gateway.app.bench.subjects import ProviderProcess
from gateway.app.bench.updates import updates

pytestmark = pytest.mark.system


async def command(dsn: str, folder: Path, *words: str, code: int = 0) -> str:
    environment = {**os.environ, "TERTULIA__DATABASE__URL": dsn, "TERTULIA__DATA_DIR": str(folder), "COLUMNS": "300"}
    child = await asyncio.create_subprocess_exec(
        *tertulia(*words), env=environment, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(60):
        output, _ = await child.communicate()
    assert child.returncode == code, output.decode()
    return output.decode()


async def _account(connection: asyncpg.Connection) -> str:
    return str(await connection.fetchval("SELECT channel || '.' || endpoint || '.' || name FROM account"))


async def test_a_companys_system_writes_through_a_real_gateway_and_follows_its_message(
    make_gateway: Any, provider: ProviderProcess, database_url: str, tmp_path: Path
) -> None:
    gateway = make_gateway()
    await gateway.start()
    async with connected(database_url) as connection, Replies(provider) as replies, Sender([gateway]) as sender:
        await sender.deliver(next(updates(first=1, count=1, people=1, first_chat=77)))
        await settled(connection, 20)
        account = await _account(connection)
        made = await command(database_url, tmp_path, "keys", "create", "shop", "--account", account)
        (token,) = re.findall(r"tk_[0-9a-f]{32}_[\w-]{43}", made)
        url = f"http://127.0.0.1:{gateway.port}/api/v1/messages"
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "order-1"}
        body = {"account": account, "to": {"kind": "chat", "value": "77"}, "text": "Tu pedido salió"}
        async with aiohttp.ClientSession(headers=headers) as session:
            for _ in range(2):
                async with session.post(url, json=body) as answer:
                    assert answer.status == 202, await answer.text()
                    taken = await answer.json()
            await settled(connection, 20)
            async with session.get(f"{url}/{taken['id']}") as answer:
                assert (await answer.json())["status"] == "sent"
            async with session.get(f"http://127.0.0.1:{gateway.port}/api/v1/openapi.json") as answer:
                assert (await answer.json())["openapi"] == "3.1.0"
            async with session.get(f"http://127.0.0.1:{gateway.port}/api/v1/nothing") as answer:
                assert answer.status == 404
        await replies.catch_up()
        said = await connection.fetch("SELECT author, agent FROM message WHERE reply_key = 'api'")
        assert [tuple(row) for row in said] == [("system", "shop")]
        (listed,) = msgspec.json.decode(await command(database_url, tmp_path, "keys", "list", "--json"))
        assert (listed["name"], listed["accounts"], listed["revoked_at"]) == ("shop", [account], None)
        assert token.rpartition("_")[2] not in str(listed)
        await command(database_url, tmp_path, "keys", "revoke", listed["id"])
        async with aiohttp.ClientSession(headers=headers) as session, session.post(url, json=body) as answer:
            assert answer.status == 401


async def test_keys_for_what_does_not_exist_are_not_made(dsn: str, tmp_path: Path) -> None:
    assert "no scope" in await command(dsn, tmp_path, "keys", "create", "x", "--scope", "all", code=1)
    assert "no account" in await command(dsn, tmp_path, "keys", "create", "x", "--account", "a.b.c", code=1)
    assert "there is no key" in await command(dsn, tmp_path, "keys", "revoke", str(os.urandom(16).hex()), code=1)


async def test_contacts_are_merged_shown_and_taken_apart_from_the_terminal(dsn: str, tmp_path: Path) -> None:
    async with world_of(dsn) as world:
        await world.conversation("Marta Ríos")
        await world.conversation("Marta R.")
        before = await world.connection.fetch("SELECT id, contact_id FROM address ORDER BY id")
        kept, merged = [str(row["contact_id"]) for row in before]
        told = await command(dsn, tmp_path, "contacts", "merge", kept, merged, "--by", "Berta", "--proof", "passport")
        (merge,) = re.findall(r"unmerge ([0-9a-f-]{36})", told)
        shown = msgspec.json.decode(await command(dsn, tmp_path, "contacts", "show", kept, "--json"))
        assert len(shown["addresses"]) == 2
        assert (shown["merges"][0]["by"], shown["merges"][0]["detail"]) == ("Berta", "passport")
        assert "one contact already" in await command(
            dsn, tmp_path, "contacts", "merge", merged, kept, "--by", "Berta", "--proof", "passport", code=1
        )
        await command(dsn, tmp_path, "contacts", "unmerge", merge, "--by", "Berta")
        assert await world.connection.fetch("SELECT id, contact_id FROM address ORDER BY id") == before
        assert "taken back before" in await command(
            dsn, tmp_path, "contacts", "unmerge", merge, "--by", "Berta", code=1
        )
        assert "part of" not in await command(dsn, tmp_path, "contacts", "show", merged)
        assert "no contact" in await command(dsn, tmp_path, "contacts", "show", merge, code=1)


async def test_what_a_contact_said_of_learning_is_set_and_shown_from_the_terminal(dsn: str, tmp_path: Path) -> None:
    async with world_of(dsn) as world:
        await world.conversation("Marta Ríos")
        contact = str(await world.connection.fetchval("SELECT contact_id FROM address"))
        shown = await command(dsn, tmp_path, "contacts", "show", contact)
        assert "learning from their texts: they never said" in shown
        assert "time zone: unknown" in shown
        learning = ("contacts", "learning", contact, "--by", "Berta", "--evidence")
        await command(dsn, tmp_path, *learning, "form 7")
        assert "learning from their texts: yes" in await command(dsn, tmp_path, "contacts", "show", contact)
        assert "is gone" in await command(dsn, tmp_path, *learning, "call of May 2", "--refuse")
        found = msgspec.json.decode(await command(dsn, tmp_path, "contacts", "show", contact, "--json"))
        word = found["learning"]
        assert (word["is_given"], word["source"], word["evidence"]) == (False, "command, Berta", "call of May 2")
        assert "no contact" in await command(
            dsn, tmp_path, "contacts", "learning", str(UUID(int=7)), "--by", "B", "--evidence", "x", code=1
        )
