"""Pointer, gate and claim on a real database: two at once, chains of rollbacks, starts of many processes."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import msgspec
import pytest

from config.settings import Settings, load_settings
from gateway.app.live_model import RETRY_S, LiveModel, ModelFollower, ShadowSlot
from gateway.app.model_start import Examples, ModelStart, open_registry
from gateway.app.shadow import Shadow
from gateway.core.clock import ManualClock
from gateway.core.errors import Misconfigured, Unavailable
from gateway.core.ids import ConversationId, MessageId, TurnId, new_id
from gateway.core.messages import Text, encode_parts
from gateway.core.metrics import Metrics
from gateway.core.turns import CustomerSaid, Resolution, TurnInput, TurnOutcome
from gateway.router.wakes import MODELS
from gateway.store.database import Database
from gateway.store.models import SAMPLES_OF_A_PAIR, Difference, ModelPointers, PointerMoved
from gateway.store.redis import RedisBus, wake_once
from nlp.models import process
from nlp.models.examples import examples_of
from nlp.models.gate import TestText
from nlp.models.process import Order
from nlp.models.registry import ModelRegistry, NotPromoted
from nlp.models.versions import Manifest, ModelPlace

pytestmark = pytest.mark.system

PLACE = ModelPlace("shop")
HELLO = ("hello there", "good morning", "hi friend", "hey you", "greetings to all", "hello again", "hi hi", "good day")
BYE = ("goodbye now", "see you later", "farewell", "until tomorrow", "bye bye", "so long", "take care", "goodbye all")
MONEY = ("what do I owe", "send my bill", "the invoice please", "how much is it", "pay my bill", "my last invoice")


def write_bot(folder: Path, **intents: tuple[str, ...]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "nlu").mkdir(exist_ok=True)
    (folder / "replies").mkdir(exist_ok=True)
    (folder / "bot.yaml").write_text("name: shop\nlanguages: [en]\nchain: [intents]\n")
    texts = "".join(f"  utter_{name}:\n  - text: {name}\n" for name in (*intents, "default", "media_received"))
    (folder / "replies/replies.yml").write_text(f"responses:\n{texts}")
    examples = "".join(
        f"- intent: {name}\n  examples: |\n" + "".join(f"    - {text}\n" for text in said)
        for name, said in intents.items()
    )
    (folder / "nlu/nlu.yml").write_text(f"nlu:\n{examples}")
    return folder


@pytest.fixture(scope="session")
def teach(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Manifest]:
    """Puts a version of these intents into a folder of models; each kind is trained once."""
    kept: dict[str, Path] = {}

    def put(registry: ModelRegistry, **intents: tuple[str, ...]) -> Manifest:
        key = repr(intents)
        if key not in kept:
            bot = write_bot(tmp_path_factory.mktemp("bot"), **intents)
            kept[key] = tmp_path_factory.mktemp("models")
            process.train(Order(url=str(kept[key]), bot_folder=str(bot), place=PLACE, by="t", is_quick=True))
        folder = next((kept[key] / "shop/intent").iterdir())
        manifest = msgspec.json.decode((folder / "manifest.json").read_bytes(), type=Manifest)
        files = {name: (folder / name).read_bytes() for name in manifest.files}
        return registry.versions.put(PLACE, files, manifest.about)

    return put


@pytest.fixture
def bot(tmp_path: Path) -> Path:
    return write_bot(tmp_path / "bot", hello=HELLO, bye=BYE)


@pytest.fixture
def settings(tmp_path: Path, bot: Path) -> Settings:
    return load_settings(env={"TERTULIA__DATA_DIR": str(tmp_path / "data"), "TERTULIA__BOT__PATH": str(bot)})


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    opened = Database(dsn)
    yield opened
    await opened.close()


@pytest.fixture
def registry(settings: Settings, database: Database) -> ModelRegistry:
    return open_registry(settings, database, PLACE)


@pytest.fixture
def pointers(database: Database) -> ModelPointers:
    return ModelPointers(database, "shop", "intent")


async def promote(pointers: ModelPointers, version: str, expected: str) -> None:
    await pointers.promote(version, expected=expected, by="t", why="", is_forced=False)


# --- the pointer ------------------------------------------------------------------------------------------------------


async def test_of_two_promotions_at_once_one_finds_out_that_it_came_second(pointers: ModelPointers) -> None:
    await promote(pointers, "v0001", "")
    results = await asyncio.gather(
        *(promote(pointers, version, "v0001") for version in ("v0002", "v0003", "v0004")), return_exceptions=True
    )
    losers = [result for result in results if isinstance(result, PointerMoved)]
    assert len(losers) == 2
    live = (await pointers.read()).version
    assert {loser.live for loser in losers} == {live}
    assert [each.version for each in await pointers.history()] == [live, "v0001"]


async def test_two_first_promotions_at_once_leave_one(pointers: ModelPointers) -> None:
    results = await asyncio.gather(
        promote(pointers, "v0001", ""), promote(pointers, "v0002", ""), return_exceptions=True
    )
    assert sum(isinstance(result, PointerMoved) for result in results) == 1


async def test_rollbacks_go_back_one_by_one_and_say_when_there_is_nothing_more(pointers: ModelPointers) -> None:
    for version, before in (("v0001", ""), ("v0002", "v0001"), ("v0003", "v0002")):
        await promote(pointers, version, before)
    assert (await pointers.roll_back(by="ana", why="bad")).version == "v0002"
    assert (await pointers.roll_back(by="ana", why="worse")).version == "v0001"
    with pytest.raises(LookupError, match="nothing to roll back to"):
        await pointers.roll_back(by="ana", why="")
    assert (await pointers.read()).version == "v0001"
    history = await pointers.history()
    assert [(each.version, each.undone_by, each.undone_why) for each in history] == [
        ("v0003", "ana", "bad"), ("v0002", "ana", "worse"), ("v0001", "", "")
    ]  # fmt: skip
    await promote(pointers, "v0004", "v0001")
    assert (await pointers.roll_back(by="ana", why="")).version == "v0001"
    assert await pointers.was_undone("v0003")
    assert not await pointers.was_undone("v0001")


async def test_of_two_rollbacks_at_once_only_one_happens(pointers: ModelPointers) -> None:
    for version, before in (("v0001", ""), ("v0002", "v0001"), ("v0003", "v0002")):
        await promote(pointers, version, before)
    results = await asyncio.gather(
        *(pointers.roll_back(by="t", why="", expected="v0003") for _ in range(2)), return_exceptions=True
    )
    assert sum(isinstance(result, PointerMoved) for result in results) == 1
    assert (await pointers.read()).version == "v0002"


async def test_every_change_of_the_pointer_is_counted(pointers: ModelPointers) -> None:
    await promote(pointers, "v0001", "")
    await pointers.set_shadow("v0002")
    await promote(pointers, "v0001", "v0001")
    assert (await pointers.read()).changes == 2
    await promote(pointers, "v0002", "v0001")
    after = await pointers.read()
    assert (after.version, after.shadow, after.shadow_since) == ("v0002", "", None)


async def test_a_claim_to_train_is_one_s_own_until_it_is_given_back_or_runs_out(pointers: ModelPointers) -> None:
    one, other = new_id(), new_id()
    claims = await asyncio.gather(*(pointers.claim_training(owner, 30) for owner in (one, other)))
    assert sorted(claims) == [False, True]
    owner, loser = (one, other) if claims[0] else (other, one)
    assert await pointers.claim_training(owner, 30)
    await pointers.give_back_training(loser)
    assert not await pointers.claim_training(loser, 30)
    await pointers.give_back_training(owner)
    assert await pointers.claim_training(loser, 0)
    assert await pointers.claim_training(owner, 30)


async def test_recent_texts_are_what_customers_wrote_lately_newest_first(pointers: ModelPointers, dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    said = [("customer", "one", ""), ("bot", "no", ""), ("customer", "stop", "out"), ("customer", "two", "")]
    try:
        for position, (author, text, consent) in enumerate(said):
            conversation, message = new_id(), new_id()
            await connection.execute(
                "INSERT INTO message (conversation_id, position, id, author, status, parts, consent)"
                " VALUES ($1, $2, $3, $4, 'received', $5, $6)",
                conversation, position, message, author, encode_parts((Text(text),)).decode(), consent,
            )  # fmt: skip
            await connection.execute(
                "INSERT INTO event (id, kind, conversation_id, subject) VALUES ($1, 'message_received', $2, $3)",
                new_id(), conversation, message,
            )  # fmt: skip
    finally:
        await connection.close()
    now = datetime.now(UTC)
    assert await pointers.recent_texts(now - timedelta(days=1), 10) == ["two", "one"]
    assert await pointers.recent_texts(now - timedelta(days=1), 1) == ["two"]
    assert await pointers.recent_texts(now + timedelta(days=1), 10) == []


# --- the gate ---------------------------------------------------------------------------------------------------------

TESTS = [TestText("hello friend", "hello"), TestText("goodbye friend", "bye"), TestText("my bill please", "bill")]


async def test_a_worse_candidate_is_refused_with_figures_unless_it_is_forced(
    registry: ModelRegistry, teach: Callable[..., Manifest]
) -> None:
    good, bad = teach(registry, hello=HELLO, bye=BYE, bill=MONEY), teach(registry, hello=BYE, bye=HELLO)
    await registry.promote(good.version, TESTS, by="t", why="first")
    with pytest.raises(NotPromoted, match="is worse on the 3 fixed tests") as refused:
        await registry.promote(bad.version, TESTS, by="t", why="oops")
    assert (refused.value.comparison.live, refused.value.comparison.candidate) == (good.version, bad.version)
    assert (await registry.pointers.read()).version == good.version
    await registry.promote(bad.version, TESTS, by="t", why="oops", is_forced=True)
    newest = (await registry.pointers.history())[0]
    assert (newest.version, newest.is_forced) == (bad.version, True)
    assert b"is worse" in bytes(newest.figures)
    assert (await registry.roll_back(by="t", why="")).version == good.version


async def test_nobody_is_sent_to_a_version_that_cannot_be_loaded(
    registry: ModelRegistry, teach: Callable[..., Manifest], settings: Settings
) -> None:
    one, two = (teach(registry, hello=HELLO, bye=BYE) for _ in range(2))
    with pytest.raises(Misconfigured, match="is not there"):
        await registry.promote("v0009", [], by="t", why="")
    await registry.promote(one.version, [], by="t", why="")
    await registry.promote(two.version, [], by="t", why="")
    shutil.rmtree(settings.data_dir / "models/shop/intent" / one.version)
    with pytest.raises(Misconfigured, match="is not there"):
        await registry.roll_back(by="t", why="")
    assert (await registry.pointers.read()).version == two.version


# --- following the pointer --------------------------------------------------------------------------------------------


class Follower:
    """One process' view of the models."""

    def __init__(self, registry: ModelRegistry, live: LiveModel, metrics: Metrics) -> None:
        self.clock = ManualClock()
        self.live = live
        self.slot = ShadowSlot()
        self.metrics = metrics
        self.follower = ModelFollower(registry, live, self.slot, metrics, self.clock)
        self.shadow = Shadow(registry, live, self.slot, metrics, limit=5)

    def loads(self, outcome: str) -> float:
        return self.metrics.registry.get_sample_value(
            "tertulia_model_loads_total", {"task": "intent", "outcome": outcome}
        ) or 0.0  # fmt: skip


@pytest.fixture
async def follower(registry: ModelRegistry, teach: Callable[..., Manifest]) -> Follower:
    first = teach(registry, hello=HELLO, bye=BYE)
    await registry.promote(first.version, [], by="t", why="")
    metrics = Metrics()
    return Follower(registry, LiveModel(await registry.load(first.version), metrics), metrics)


async def test_another_live_version_is_served_from_the_next_look_on_and_named(
    follower: Follower, registry: ModelRegistry, teach: Callable[..., Manifest]
) -> None:
    assert (await follower.live("hello there")).model == "v0001"
    teach(registry, hello=HELLO, bye=BYE, bill=MONEY)
    await registry.promote("v0002", [], by="t", why="", is_forced=True)
    assert (await follower.live("send my bill")).candidates[0].intent != "bill"
    await follower.follower.step()
    prediction = await follower.live("send my bill")
    assert (prediction.model, prediction.candidates[0].intent) == ("v0002", "bill")
    assert (follower.loads("swapped"), follower.loads("failed")) == (1, 0)


async def test_a_swap_in_the_middle_of_a_hundred_predictions_fails_none(
    follower: Follower, registry: ModelRegistry, teach: Callable[..., Manifest]
) -> None:
    teach(registry, hello=HELLO, bye=BYE, bill=MONEY)
    await registry.promote("v0002", [], by="t", why="", is_forced=True)

    async def ask() -> set[str]:
        return {(await follower.live("hello there")).model for _ in range(30)}

    asked = [asyncio.create_task(ask()) for _ in range(20)]
    await follower.follower.step()
    served = set[str]().union(*await asyncio.gather(*asked), await ask())
    assert served <= {"v0001", "v0002"}
    assert (await follower.live("hello there")).model == "v0002"


@pytest.mark.parametrize("trouble", ["missing", "corrupt", "truncated", "other format"])
async def test_a_version_that_cannot_be_loaded_leaves_the_old_one_serving(
    follower: Follower, registry: ModelRegistry, teach: Callable[..., Manifest], settings: Settings, trouble: str
) -> None:
    second = teach(registry, hello=HELLO, bye=BYE)
    folder = settings.data_dir / "models/shop/intent/v0002"
    kept = folder.with_name("kept")
    shutil.copytree(folder, kept)
    match trouble:
        case "missing":
            shutil.rmtree(folder)
        case "corrupt":
            (folder / "weights.npz").write_bytes(b"x" * second.files["weights.npz"].size_bytes)
        case "truncated":
            (folder / "manifest.json").write_bytes((folder / "manifest.json").read_bytes()[:50])
        case _:
            (folder / "manifest.json").write_bytes(b'{"format": 99}')
    await promote(registry.pointers, "v0002", "v0001")
    await follower.follower.step()
    await follower.follower.step()
    assert (await follower.live("hello there")).model == "v0001"
    report = msgspec.to_builtins(follower.follower.details()["models"])["intent"]
    assert (report["serving"], report["live"], report["not_loaded"]) == ("v0001", "v0002", "v0002")
    assert report["reason"]
    assert follower.loads("failed") == 1
    shutil.rmtree(folder, ignore_errors=True)
    kept.rename(folder)
    await follower.clock.advance(RETRY_S + 1)
    await follower.follower.step()
    assert (await follower.live("hello there")).model == "v0002"
    assert "not_loaded" not in msgspec.to_builtins(follower.follower.details()["models"])["intent"]


async def test_while_the_database_is_away_the_model_goes_on_serving(follower: Follower, dsn: str) -> None:
    away = Database(dsn.replace("test_", "gone_"))
    gone = ModelPointers(away, "shop", "intent")
    follower.follower._registry.pointers = gone
    with pytest.raises(Unavailable):
        await follower.follower.step()
    assert (await follower.live("hello there")).model == "v0001"
    await away.close()


# --- the shadow -------------------------------------------------------------------------------------------------------


def turn(text: str) -> TurnInput:
    said = CustomerSaid(1, datetime.now(UTC), MessageId(new_id()), (Text(text),))
    return TurnInput(
        turn_id=TurnId(new_id()), conversation_id=ConversationId(new_id()), channel="", app="", entries=(said,),
        state=b"", language="", name="", now=said.at,
    )  # fmt: skip


ASKED = TurnOutcome(resolution=Resolution(link="intents", model="v0001"))
NOT_ASKED = TurnOutcome(resolution=Resolution(link="commands"))


async def test_a_shadow_is_asked_after_the_answer_and_only_ids_are_kept(
    follower: Follower, registry: ModelRegistry, teach: Callable[..., Manifest], dsn: str
) -> None:
    teach(registry, hello=BYE, bye=HELLO)
    await registry.pointers.set_shadow("v0002")
    await follower.follower.step()
    turns = [turn("hello there"), turn("goodbye now"), turn("hi friend")]
    for each in turns:
        follower.shadow.offer(each, ASKED)
    follower.shadow.offer(turn("hello there"), NOT_ASKED)
    assert len(follower.shadow) == 3
    await follower.shadow.step()
    report = await registry.pointers.shadow_report("v0002")
    assert [(count.live, count.compared, count.differed, count.dropped) for count in report.counts] == [
        ("v0001", 3, 3, 0)
    ]
    assert {(pair.live_label, pair.shadow_label, pair.times) for pair in report.pairs} == {
        ("hello", "bye", 2), ("bye", "hello", 1)
    }  # fmt: skip
    said = {entry.message_id for each in turns for entry in each.entries if isinstance(entry, CustomerSaid)}
    assert {sample.message_id for sample in report.samples} == said
    connection = await asyncpg.connect(dsn)
    rows = await connection.fetch("SELECT * FROM model_shadow_sample")
    await connection.close()
    assert not any("hello there" in str(value) for row in rows for value in row.values())


async def test_what_does_not_fit_the_shadow_s_queue_is_counted_and_let_go(
    follower: Follower, registry: ModelRegistry, teach: Callable[..., Manifest]
) -> None:
    follower.shadow.offer(turn("nobody listens"), ASKED)
    assert len(follower.shadow) == 0
    teach(registry, hello=HELLO, bye=BYE)
    await registry.pointers.set_shadow("v0002")
    await follower.follower.step()
    for _ in range(12):
        follower.shadow.offer(turn("hello there"), ASKED)
    await follower.shadow.step()
    count = (await registry.pointers.shadow_report("v0002")).counts[0]
    assert (count.compared, count.differed, count.dropped) == (5, 0, 7)
    await registry.pointers.set_shadow("")
    await follower.follower.step()
    assert follower.slot.loaded is None


async def test_examples_of_a_pair_are_bounded(pointers: ModelPointers) -> None:
    def difference() -> Difference:
        return Difference(MessageId(new_id()), ConversationId(new_id()), "a", 0.5, "b", 0.6)

    for size in (SAMPLES_OF_A_PAIR - 3, 10, 1):
        await pointers.note_shadow("v0002", "v0001", [difference() for _ in range(size)], compared=size, dropped=0)
    report = await pointers.shadow_report("v0002", limit=1_000)
    assert len(report.samples) == SAMPLES_OF_A_PAIR
    assert report.pairs[0].times == SAMPLES_OF_A_PAIR + 8


# --- the start --------------------------------------------------------------------------------------------------------


class Trainer:
    """Trains in this process, and counts."""

    def __init__(self) -> None:
        self.orders: list[Order] = []

    async def __call__(self, order: Order, report: Callable[[str], None]) -> Manifest:
        self.orders.append(order)
        return await asyncio.to_thread(process.train, order, report)


def start(settings: Settings, registry: ModelRegistry, trainer: Trainer) -> ModelStart:
    folder = settings.bot.folder
    examples = Examples(folder, examples_of(folder, "intent").fingerprint)
    return ModelStart(settings, registry, examples, trainer=trainer)


async def test_of_many_processes_that_start_without_a_model_one_trains_it(
    settings: Settings, registry: ModelRegistry
) -> None:
    trainer = Trainer()
    loaded = await asyncio.gather(*(start(settings, registry, trainer).first() for _ in range(5)))
    assert {each.version for each in loaded} == {"v0001"}
    assert len(trainer.orders) == 1
    assert [each.why for each in await registry.pointers.history()] == ["the first model"]


async def test_a_trainer_that_died_is_replaced(settings: Settings, registry: ModelRegistry) -> None:
    await registry.pointers.claim_training(new_id(), 0.3)
    trainer = Trainer()
    assert (await start(settings, registry, trainer).first()).version == "v0001"


async def test_changed_examples_are_followed_once_and_what_was_taken_back_is_left_alone(
    settings: Settings, registry: ModelRegistry, bot: Path
) -> None:
    trainer = Trainer()
    first = await start(settings, registry, trainer).first()
    await start(settings, registry, trainer).follow(first)
    assert len(trainer.orders) == 1
    write_bot(bot, hello=HELLO, bye=BYE, bill=MONEY)
    await asyncio.gather(*(start(settings, registry, trainer).follow(first) for _ in range(3)))
    assert (len(trainer.orders), (await registry.pointers.read()).version) == (2, "v0002")
    await registry.roll_back(by="ana", why="bad")
    await start(settings, registry, trainer).follow(first)
    assert (len(trainer.orders), (await registry.pointers.read()).version) == (2, "v0001")


async def test_a_start_does_not_promote_what_the_gate_refuses(
    settings: Settings, registry: ModelRegistry, bot: Path
) -> None:
    (bot / "tests").mkdir()
    (bot / "tests/nlu.jsonl").write_text('{"text": "hi friend", "intent": "hello"}\n')
    trainer = Trainer()
    first = await start(settings, registry, trainer).first()
    write_bot(bot, hello=BYE, bye=HELLO)
    await start(settings, registry, trainer).follow(first)
    assert (await registry.pointers.read()).version == "v0001"
    assert registry.versions.names(PLACE) == ["v0001", "v0002"]
    await start(settings, registry, trainer).follow(first)
    assert len(trainer.orders) == 2


async def test_examples_are_not_followed_where_the_settings_say_so(
    settings: Settings, registry: ModelRegistry, bot: Path
) -> None:
    trainer = Trainer()
    settings = settings.model_copy(update={"models": settings.models.model_copy(update={"follow_examples": False})})
    first = await start(settings, registry, trainer).first()
    write_bot(bot, hello=HELLO, bye=BYE, bill=MONEY)
    await start(settings, registry, trainer).follow(first)
    assert (len(trainer.orders), (await registry.pointers.read()).version) == (1, "v0001")


async def test_a_live_version_that_is_damaged_is_stood_in_for_by_the_newest_that_is_not(
    settings: Settings, registry: ModelRegistry, teach: Callable[..., Manifest]
) -> None:
    for _ in range(3):
        teach(registry, hello=HELLO, bye=BYE)
    await promote(registry.pointers, "v0003", "")
    (settings.data_dir / "models/shop/intent/v0003/weights.npz").write_bytes(b"")
    trainer = Trainer()
    assert (await start(settings, registry, trainer).first()).version == "v0002"
    assert (trainer.orders, (await registry.pointers.read()).version) == ([], "v0003")


async def test_where_nothing_can_be_read_a_new_model_takes_the_place(
    settings: Settings, registry: ModelRegistry, teach: Callable[..., Manifest]
) -> None:
    teach(registry, hello=HELLO, bye=BYE)
    await promote(registry.pointers, "v0001", "")
    (settings.data_dir / "models/shop/intent/v0001/manifest.json").write_bytes(b'{"format": 0}')
    assert (await start(settings, registry, Trainer()).first()).version == "v0002"
    newest = (await registry.pointers.history())[0]
    assert (newest.version, newest.why) == ("v0002", "v0001 cannot be read by this release")


async def test_a_live_version_that_lies_on_another_machine_is_not_replaced(
    settings: Settings, registry: ModelRegistry
) -> None:
    await promote(registry.pointers, "v0007", "")
    assert (await start(settings, registry, Trainer()).first()).version == "v0008"
    assert (await registry.pointers.read()).version == "v0007"


async def test_models_of_an_earlier_release_are_brought_over_with_the_live_one(
    settings: Settings, registry: ModelRegistry, teach: Callable[..., Manifest]
) -> None:
    for _ in range(2):
        teach(registry, hello=HELLO, bye=BYE)
    root = settings.data_dir / "models"
    for version in ("v0001", "v0002"):
        (root / "shop/intent" / version).rename(root / version)
        (root / version / "manifest.json").unlink()
    (root / "v0003").mkdir()
    (root / "v0003/model.json").write_text("{")
    (root / "latest").write_text("v0001\n")
    trainer = Trainer()
    assert (await start(settings, registry, trainer).first()).version == "v0001"
    assert trainer.orders == []
    assert registry.versions.names(PLACE) == ["v0001", "v0002"]
    assert sorted(path.name for path in root.iterdir()) == ["shop", "v0003"]
    assert (await registry.pointers.history())[0].why == "was live in an earlier release"
    assert (await start(settings, registry, trainer).first()).version == "v0001"


async def test_examples_that_cannot_be_learnt_from_are_named_and_the_old_model_goes_on(
    settings: Settings, registry: ModelRegistry, bot: Path
) -> None:
    trainer = Trainer()
    first = await start(settings, registry, trainer).first()
    begun = start(settings, registry, trainer)
    begun._examples = Examples(bot, "other")
    (bot / "nlu/nlu.yml").write_text("nlu:\n- intent: hello\n  examples: |\n    - hi\n")
    await begun.follow(first)
    assert (await registry.pointers.read()).version == "v0001"


async def test_a_promotion_by_hand_is_told_to_processes_at_once(redis_url: str) -> None:
    bus, heard = RedisBus(redis_url), asyncio.Event()
    bus.on_topic(lambda topic: heard.set() if topic == MODELS else None)
    listening = asyncio.create_task(bus.listen())
    try:
        async with asyncio.timeout(20):
            while not heard.is_set():
                await wake_once(redis_url, MODELS)
                await asyncio.sleep(0.05)
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await bus.close()


async def test_a_promotion_counts_though_nobody_can_be_told() -> None:
    await wake_once("redis://127.0.0.1:1/0", MODELS)
