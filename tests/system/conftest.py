"""What every system test gets: one embedded PostgreSQL for the session, a database of its own, a fake provider."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from fault_harness import SECRET

from gateway.app.bench.subjects import Gateway, ProviderProcess
from gateway.store.embedded import EmbeddedPostgres

GatewayMaker = Callable[..., Gateway]


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A server for all tests that do not stop it."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres") / "pg")
    server.start_blocking()
    yield server
    server.stop_blocking()


@pytest.fixture
async def database_url(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """A fresh, empty database."""
    name = f"t_{secrets.token_hex(6)}"
    admin = await asyncpg.connect(postgres.dsn())
    await admin.execute(f"CREATE DATABASE {name}")
    yield urlsplit(postgres.dsn())._replace(path=f"/{name}").geturl()
    await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    await admin.close()


@pytest.fixture
async def provider() -> AsyncIterator[ProviderProcess]:
    async with ProviderProcess() as running:
        yield running


@pytest.fixture
def make_gateway(tmp_path: Path, provider: ProviderProcess, database_url: str) -> Iterator[GatewayMaker]:
    """Makes gateways on the test's database and provider; whatever still runs at the end is killed."""
    made: list[Gateway] = []

    def make(**settings: str | float | bool) -> Gateway:
        folder = tmp_path / f"gateway{len(made)}"
        url, redis_url = str(settings.pop("database_url", database_url)), str(settings.pop("redis_url", ""))
        gateway = Gateway(
            folder,
            provider_url=provider.url,
            database_url=url,
            redis_url=redis_url,
            secret=SECRET,
            data_dir=tmp_path / "data",
            settings={key.replace("__", "."): value for key, value in settings.items()},
        )
        made.append(gateway)
        return gateway

    yield make
    for gateway in made:
        gateway.child.kill()
