"""One pipeline over a real database: processes are played by several of them in one event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import asyncpg
import pytest
from paper_provider import PaperClient
from pipeline_process import Echo, Process, StartProcess, process


@pytest.fixture
async def start(dsn: str) -> AsyncIterator[StartProcess]:
    async with AsyncExitStack() as stack:

        async def begin(
            name: str = "one", *, client: PaperClient | None = None, bot: Echo | None = None, **changed: object
        ) -> Process:
            return await stack.enter_async_context(process(dsn, name, client, bot, changed))

        yield begin


@pytest.fixture
async def sql(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()
