"""The sentiment's model comes while the process serves, is kept as a version, and is off where nobody asked for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from fault_harness import Sender, connected

import config
from config.settings import Settings, load_settings
from gateway.app import feelings
from gateway.app.bench.subjects import Gateway
from gateway.app.bench.updates import Update
from gateway.app.bots import read_bot
from gateway.app.feelings import Feelings, open_feelings
from gateway.app.model_place import models_url
from gateway.core.clock import SystemClock
from gateway.core.errors import Unavailable
from gateway.core.metrics import Metrics
from gateway.store.database import Database
from nlp.models.versions import SENTIMENT, ModelVersions, place_of
from nlp.sentiment import NEGATIVE

pytestmark = pytest.mark.system

TELECOM = Path(config.__file__).parent / "bots" / "telecom"
BOT = "name: shop\nlanguages: [en]\nchain: [intents]\nsentiment: {is_on}\n"
NLU = (
    "nlu:\n- intent: hello\n  examples: |\n    - hello\n    - hi\n"
    "- intent: bye\n  examples: |\n    - bye\n    - later\n"
)
REPLIES = "responses:\n" + "".join(
    f"  utter_{name}:\n  - text: {name}\n" for name in ("hello", "bye", "default", "media_received")
)


def settings_of(folder: Path, *, is_on: bool) -> Settings:
    for name, content in (
        ("bot.yaml", BOT.format(is_on=str(is_on).lower())),
        ("nlu/en.yml", NLU),
        ("replies/en.yml", REPLIES),
    ):
        path = folder / "bot" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return load_settings(env={"TERTULIA__DATA_DIR": str(folder / "data"), "TERTULIA__BOT__PATH": str(folder / "bot")})


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    opened = Database(dsn)
    yield opened
    await opened.close()


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feelings, "SETTLE_S", 0.0)
    monkeypatch.setattr(feelings, "RETRY_S", 0.05)


async def opened(settings: Settings, database: Database, stack: AsyncExitStack) -> Feelings | None:
    return await open_feelings(settings, read_bot(settings), database, Metrics(), SystemClock(), stack)


async def until(ask: Callable[[], Awaitable[object]]) -> object:
    """The first answer that says something."""
    async with asyncio.timeout(90):
        while not (answer := await ask()):
            await asyncio.sleep(0.05)
    return answer


async def felt(feel: Feelings) -> str:
    async with asyncio.timeout(60):
        while (feeling := await feel("this is terrible, worst service ever!!!")) is None:
            await asyncio.sleep(0.02)
    return feeling.label


async def test_it_is_trained_beside_serving_and_found_at_the_next_start(tmp_path: Path, database: Database) -> None:
    settings = settings_of(tmp_path, is_on=True)
    for _ in range(2):
        async with AsyncExitStack() as stack:
            feel = await opened(settings, database, stack)
            assert feel is not None
            assert await felt(feel) == NEGATIVE
            assert await feel.step() is False
    versions = ModelVersions(models_url(settings))
    assert versions.names(place_of("shop", SENTIMENT)) == ["v0001"]


async def test_while_it_is_not_there_nothing_is_felt_and_nobody_waits(tmp_path: Path, database: Database) -> None:
    async with AsyncExitStack() as stack:
        feel = await opened(settings_of(tmp_path, is_on=True), database, stack)
        assert feel is not None
        assert await feel("terrible") is None
        assert await feel.step() is False


async def test_where_the_author_does_not_want_it_nothing_runs(tmp_path: Path, database: Database) -> None:
    async with AsyncExitStack() as stack:
        assert await opened(settings_of(tmp_path, is_on=False), database, stack) is None


async def test_a_database_that_is_away_is_tried_again(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[int] = []

    async def away(*_: object) -> object:
        tries.append(1)
        raise Unavailable("away")

    monkeypatch.setattr(feelings, "_start", away)
    async with AsyncExitStack() as stack:
        await opened(settings_of(tmp_path, is_on=True), database, stack)
        async with asyncio.timeout(5):
            while len(tries) < 3:
                await asyncio.sleep(0.01)


async def test_a_served_turn_tells_how_it_sounded_and_the_rule_asks_for_a_person(
    make_gateway: Callable[..., Gateway], database_url: str
) -> None:
    gateway = make_gateway(bot__path=str(TELECOM))
    await gateway.start()
    async with connected(database_url) as connection, Sender([gateway]) as sender:
        live = "SELECT version FROM model_pointer WHERE task = 'sentiment' AND version <> ''"
        await until(lambda: connection.fetchval(live))
        kept = "SELECT (resolution ->> 'sentiment') FROM turn ORDER BY from_seq"
        for number in range(1, 30):  # until the process has loaded what the database names
            await sender.deliver(Update(number, 7, number, "cuál es mi saldo"))
            await until(lambda number=number: connection.fetchval("SELECT count(*) >= $1 FROM turn", number))
            if (await connection.fetch(kept))[-1][0]:
                break
            await asyncio.sleep(0.2)
        for number in range(101, 104):
            await sender.deliver(Update(number, 7, number, f"PÉSIMO SERVICIO, una estafa, nadie responde!!! {number}"))
        handed = "SELECT reason FROM handoff"
        assert await until(lambda: connection.fetchval(handed)) == "sentiment"
        assert (await connection.fetch(kept))[-1][0] == NEGATIVE
