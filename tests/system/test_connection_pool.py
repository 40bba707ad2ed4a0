"""The pool of connections for what is not hot."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from gateway.core.errors import Unavailable
from gateway.store.database import Database

pytestmark = pytest.mark.system


async def test_the_pool_grows_as_far_as_set_and_then_says_that_it_is_used_up(dsn: str) -> None:
    database = Database(dsn, engine_size=1, engine_most=3, timeout_s=0.5)
    try:
        async with AsyncExitStack() as stack:
            for _ in range(3):
                await stack.enter_async_context(database.begin())
            with pytest.raises(Unavailable, match="pool_max"):
                await stack.enter_async_context(database.begin())
        await database.ping()
    finally:
        await database.close()
