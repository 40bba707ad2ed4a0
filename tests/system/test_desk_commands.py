"""``tertulia desk``: the counter in the terminal does what the page does."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from desk_world import world_of
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.app.bench.processes import tertulia
from gateway.store import notes
from gateway.store.database import Database


@asynccontextmanager
async def open_notes(dsn: str) -> AsyncIterator[AsyncConnection]:
    database = Database(dsn)
    async with database.begin() as connection:
        yield connection
    await database.close()


async def test_a_case_is_listed_taken_answered_and_given_back_with_the_authors_words(dsn: str, tmp_path: Path) -> None:
    async def desk(*arguments: str, code: int = 0) -> str:
        environment = {**os.environ, "TERTULIA__DATABASE__URL": dsn, "TERTULIA__DATA_DIR": str(tmp_path)}
        child = await asyncio.create_subprocess_exec(
            *tertulia("desk", *arguments),
            env=environment,
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(60):
            output, _ = await child.communicate()
        assert child.returncode == code, output.decode()
        return output.decode()

    async with world_of(dsn) as world:
        case = await world.conversation("Marta Ríos")
        await world.says(case, "¿hay alguien?")
        [listed] = msgspec.json.decode(await desk("list", "--json"))
        assert (listed["id"], listed["contact_name"]) == (str(case.handoff), "Marta Ríos")
        assert "Berta" in await desk("take", str(case.handoff), "--agent", "Berta")
        await desk("answer", str(case.handoff), "Ya lo miro", "--agent", "Berta")
        await desk("give-back", str(case.handoff))
        assert "over" in await desk("give-back", str(case.handoff), code=1)
        async with open_notes(dsn) as connection:
            await notes.add(connection, case.conversation, agent="Leo", text="Es [b]VIP[/b]", key="a-note-of-leo")
        shown = await desk("show", str(case.handoff))
        assert "Ya lo miro" in shown
        assert "Leo: Es [b]VIP[/b]" in shown
        said = await world.connection.fetch(
            "SELECT author, parts -> 0 ->> 'text' AS text FROM message ORDER BY position"
        )
    assert [tuple(row) for row in said] == [
        ("customer", "¿hay alguien?"),
        ("system", "Ahora hablas con Berta."),
        ("agent", "Ya lo miro"),
        ("system", "Berta dejó la conversación."),
    ]


async def test_an_answer_that_the_rules_forbid_is_refused_with_the_reason_and_changes_nothing(
    dsn: str, tmp_path: Path
) -> None:
    environment = {
        **os.environ,
        "TERTULIA__DATABASE__URL": dsn,
        "TERTULIA__DATA_DIR": str(tmp_path),
        "TERTULIA__CHANNELS__TELEGRAM__MAIN__TOKEN": "1:nobody",
        "TERTULIA__CHANNELS__TELEGRAM__MAIN__SECRET_TOKEN": "nobody-knows-it",
    }
    async with world_of(dsn) as world:
        case = await world.conversation("Marta Ríos")
        await world.says(case, "stop")
        await world.connection.execute("UPDATE account SET channel = 'telegram', name = 'bot'")
        await world.connection.execute("UPDATE conversation SET is_opted_out = true")
        child = await asyncio.create_subprocess_exec(
            *tertulia("desk", "answer", str(case.handoff), "¿sigues ahí?", "--agent", "Berta"),
            env=environment,
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(60):
            output, _ = await child.communicate()
        assert child.returncode == 1, output.decode()
        assert "This person asked not to hear from us" in output.decode()
        assert await world.connection.fetchval("SELECT count(*) FROM message") == 1
        assert await world.connection.fetchval("SELECT control FROM conversation") == "queued"
