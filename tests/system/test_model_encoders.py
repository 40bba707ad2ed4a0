"""Models that read sentence vectors of a service: they classify files, and no turn ever waits for them."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from typer.testing import CliRunner

from config.settings import Settings, load_settings
from gateway.app.bench.processes import tertulia
from gateway.app.cli import app
from gateway.app.live_model import LiveModel, ModelFollower, ShadowSlot
from gateway.app.model_place import ENCODER_KEY
from gateway.app.model_start import Examples, ModelStart, open_registry
from gateway.core.clock import ManualClock
from gateway.core.errors import Misconfigured
from gateway.core.metrics import Metrics
from gateway.store.database import Database
from gateway.store.models import ModelPointers
from nlp.models import process
from nlp.models.examples import examples_of
from nlp.models.process import Order
from nlp.models.registry import ModelRegistry
from nlp.models.versions import Manifest, ModelPlace

pytestmark = pytest.mark.system

PLACE = ModelPlace("shop")
SAID = {
    "hello": ("hello there", "good morning", "hi friend", "hey you", "greetings to all", "hello again"),
    "bye": ("goodbye now", "see you later", "farewell", "until tomorrow", "bye bye", "so long"),
}


@pytest.fixture
def bot(tmp_path: Path) -> Path:
    folder = tmp_path / "bot"
    for name in ("nlu", "replies"):
        (folder / name).mkdir(parents=True)
    (folder / "bot.yaml").write_text("name: shop\nlanguages: [en]\nchain: [intents]\n")
    texts = "".join(f"  utter_{name}:\n  - text: x\n" for name in (*SAID, "default", "media_received"))
    (folder / "replies/replies.yml").write_text(f"responses:\n{texts}")
    rows = "".join(f"{text},{intent}\n" for intent, texts in SAID.items() for text in texts)
    (folder / "nlu/nlu.csv").write_text(f"text,intent\n{rows}")
    return folder


class Service:
    """Embeddings after OpenAI's reference: a direction for what sounds like a farewell."""

    def __init__(self) -> None:
        self.keys: set[str] = set()
        self.asked = 0
        self.fails_after = 1_000_000
        application = web.Application()
        application.router.add_post("/v1/embeddings", self._embed)
        self.server = TestServer(application)

    async def _embed(self, request: web.Request) -> web.Response:
        self.keys.add(request.headers.get("Authorization", ""))
        self.asked += 1
        texts = (await request.json())["input"]
        if self.asked > self.fails_after:
            return web.Response(status=503)
        rows = [[1.0, 0.1] if {"bye", "later", "farewell"} & set(text.split()) else [0.1, 1.0] for text in texts]
        return web.json_response({"data": [{"index": i, "embedding": row} for i, row in enumerate(rows)]})

    @property
    def encoder(self) -> str:
        return f"openai:{self.server.make_url('/v1')}#small"


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    opened = Service()
    await opened.server.start_server()
    yield opened
    await opened.server.close()


@pytest.fixture
def settings(tmp_path: Path, bot: Path) -> Settings:
    return load_settings(env={"TERTULIA__DATA_DIR": str(tmp_path / "data"), "TERTULIA__BOT__PATH": str(bot)})


@pytest.fixture
async def registry(settings: Settings, dsn: str) -> AsyncIterator[ModelRegistry]:
    database = Database(dsn)
    yield open_registry(settings, database, PLACE)
    await database.close()


async def learn(settings: Settings, registry: ModelRegistry, encoder: str) -> Manifest:
    order = Order(
        url=registry.versions.url, bot_folder=str(settings.bot.folder), place=PLACE, by="t", is_quick=True,
        encoder=encoder,
    )  # fmt: skip
    return await asyncio.to_thread(process.train, order)


def start(settings: Settings, registry: ModelRegistry) -> ModelStart:
    folder = settings.bot.folder
    return ModelStart(settings, registry, Examples(folder, examples_of(folder, "intent").fingerprint), trainer=trainer)


async def trainer(order: Order, report) -> Manifest:
    return await asyncio.to_thread(process.train, order, report)


async def started(arguments: tuple[object, ...], env: dict[str, str]) -> tuple[int | None, str, str]:
    """A command in a process of its own: this one takes signals and starts workers."""
    command = tertulia(*(str(each) for each in arguments))
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(*command, env={**os.environ, **env}, stdout=pipe, stderr=pipe)
    output, complaint = await child.communicate()
    return child.returncode, output.decode(), complaint.decode()


async def test_what_asks_a_service_is_compared_but_never_serves(
    settings: Settings, registry: ModelRegistry, service: Service
) -> None:
    first = await start(settings, registry).first()
    remote = await learn(settings, registry, service.encoder)
    assert remote.about.settings["dense_size"] == 2
    for is_forced in (False, True):
        with pytest.raises(Misconfigured, match="a turn does not wait for the network"):
            await registry.promote(remote.version, [], by="t", why="", is_forced=is_forced)
    assert (await registry.examine(remote.version, [])).candidate == remote.version
    await service.server.close()
    await registry.pointers.promote(remote.version, expected="v0001", by="t", why="by hand", is_forced=True)
    live = LiveModel(first, Metrics())
    follower = ModelFollower(registry, live, ShadowSlot(), Metrics(), ManualClock())
    await follower.step()
    assert (await live("hello there")).model == "v0001"
    assert (await start(settings, registry).first()).version == "v0001"


async def test_a_task_that_no_turn_asks_may_use_a_service_and_be_live(
    settings: Settings, registry: ModelRegistry, service: Service
) -> None:
    remote = await learn(settings, registry, service.encoder)
    _, files = registry.versions.read(PLACE, remote.version)
    topic = ModelPlace("shop", "topic")
    registry.versions.put(topic, files, remote.about)
    database = registry.pointers._database
    await open_registry(settings, database, topic).promote("v0001", [], by="t", why="")
    assert (await ModelPointers(database, "shop", "topic").read()).version == "v0001"


async def test_a_start_with_a_service_in_the_settings_trains_without_it_and_asks_nobody(
    settings: Settings, registry: ModelRegistry, service: Service
) -> None:
    await learn(settings, registry, service.encoder)
    asked = service.asked
    models = settings.models.model_copy(update={"encoder": service.encoder})
    loaded = await start(settings.model_copy(update={"models": models}), registry).first()
    assert (loaded.version, loaded.manifest.encoder) == ("v0002", "")
    assert service.asked == asked


async def test_commands_train_and_classify_with_the_service_and_its_key(
    tmp_path: Path, bot: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENCODER_KEY, "")  # is put back at the end, whatever a command leaves
    env = {
        "TERTULIA__DATA_DIR": str(tmp_path / "data"),
        "TERTULIA__BOT__PATH": str(bot),
        "TERTULIA__MODELS__ENCODER": service.encoder,
        ENCODER_KEY: "paper-key",
    }
    (tmp_path / "in.csv").write_text("text\nsee you later friend\nhello hello\n")

    async def run(*arguments: str) -> str:
        done = await asyncio.to_thread(
            lambda: CliRunner().invoke(app, [str(each) for each in arguments], env=env, catch_exceptions=False)
        )
        assert done.exit_code == 0, done.output
        return done.stdout

    assert json.loads(await run("train", "--quick", "--json"))["encoder"] == service.encoder
    said = json.loads(await run("models", "explain", "see you later", "--version", "v0001", "--json"))
    assert said["candidates"][0]["label"] == "bye"
    asked = service.asked
    assert service.keys == {"Bearer paper-key"}
    order = ("classify", tmp_path / "in.csv", tmp_path / "out", "--format", "csv", "--workers", "1", "--json")
    manifest = json.loads((await started(order, env))[1])
    assert manifest["tasks"]["intent"]["model"] == "v0001"
    assert service.asked > asked
    assert service.keys == {"Bearer paper-key"}
    service.fails_after = service.asked + 1  # it is there when the worker begins
    code, _, said = await started(("classify", tmp_path / "in.csv", tmp_path / "other", "--workers", "1"), env)
    assert code == 2
    assert "answered with status 503" in said
    assert not (tmp_path / "other/_SUCCESS").exists()
    service.fails_after = 1_000_000
    code, _, _ = await started(("classify", tmp_path / "in.csv", tmp_path / "other", "--resume"), env)
    assert code == 0
