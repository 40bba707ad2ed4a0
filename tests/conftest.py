"""What every test may ask for: a real PostgreSQL for the session, and a migrated database for each test."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import hypothesis
import pytest
import structlog
from shared_models import drop_shared_models, make_shared_models

from gateway.store.embedded import EmbeddedPostgres
from gateway.store.migrate import migrate

TEMPLATE = "template_tertulia"


def pytest_configure(config: pytest.Config) -> None:
    """What is right on any machine, however busy it is.

    Stacks as plain text: drawn with all their variables, one takes seconds, in which nothing else runs. Hypothesis
    looks at no clock.
    """
    models = make_shared_models()
    if models is not None:
        config.add_cleanup(lambda: drop_shared_models(models))
    hypothesis.settings.register_profile(
        "tertulia", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
    )
    hypothesis.settings.load_profile("tertulia")
    plain = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[structlog.processors.add_log_level, plain])


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """One server for the whole session; it may forget on a power cut, which no test performs on it."""
    folder = Path(tempfile.mkdtemp(prefix="tertulia-tests-"))
    server = EmbeddedPostgres(folder / "postgres", {"fsync": "off", "full_page_writes": "off"})
    server.start_blocking()
    yield server
    server.stop_blocking()
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def template_database(postgres: EmbeddedPostgres) -> str:
    """The name of a database that was migrated once, to be cloned."""
    asyncio.run(_execute(postgres.dsn("postgres"), f"CREATE DATABASE {TEMPLATE}"))
    asyncio.run(migrate(postgres.dsn(TEMPLATE)))
    return TEMPLATE


@pytest.fixture(scope="session")
def database_numbers() -> Iterator[int]:
    return itertools.count(1)


@pytest.fixture
def dsn(postgres: EmbeddedPostgres, template_database: str, database_numbers: Iterator[int]) -> Iterator[str]:
    """The address of a fresh, migrated database, dropped after the test."""
    name = f"test_{next(database_numbers)}"
    admin = postgres.dsn("postgres")
    asyncio.run(_execute(admin, f"CREATE DATABASE {name} TEMPLATE {template_database} STRATEGY FILE_COPY"))
    yield postgres.dsn(name)
    asyncio.run(_execute(admin, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def empty_dsn(postgres: EmbeddedPostgres, database_numbers: Iterator[int]) -> Iterator[str]:
    """The address of a fresh database without any table, dropped after the test."""
    name = f"test_{next(database_numbers)}"
    admin = postgres.dsn("postgres")
    asyncio.run(_execute(admin, f"CREATE DATABASE {name}"))
    yield postgres.dsn(name)
    asyncio.run(_execute(admin, f"DROP DATABASE {name} WITH (FORCE)"))


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
