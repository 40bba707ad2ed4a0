"""What every fault test gets: a database of its own, a fake provider, and gateways between the two."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from fault_harness import ECHO_BOT, SECRET
from shared_models import shared_models

from gateway.app.bench.processes import Child, free_port
from gateway.app.bench.subjects import Gateway, ProviderProcess

GatewayMaker = Callable[..., Gateway]


@pytest.fixture
def database_url(dsn: str) -> str:
    """A migrated database of the test's own."""
    return dsn


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
        settings = {"bot__path": str(ECHO_BOT), **settings}
        gateway = Gateway(
            folder,
            provider_url=provider.url,
            database_url=url,
            redis_url=redis_url,
            workers=int(settings.pop("workers", 1)),
            secret=SECRET,
            data_dir=tmp_path / "data",
            models_url=shared_models(),
            settings={key.replace("__", "."): value for key, value in settings.items()},
        )
        made.append(gateway)
        return gateway

    yield make
    for gateway in made:
        gateway.child.kill()


@pytest.fixture
async def redis_url(tmp_path: Path) -> AsyncIterator[str]:
    port = free_port()
    argv = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(tmp_path)]
    async with Child("redis-server", argv, log=tmp_path / "redis.log") as server:
        await server.answers(port)
        yield f"redis://127.0.0.1:{port}/0"
