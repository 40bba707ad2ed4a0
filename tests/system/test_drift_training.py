"""A drift trains at most a candidate in the shadow: the live model is what it was."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from config.settings import Settings, load_settings
from gateway.app.drift_training import ShadowTrainer
from gateway.core.errors import GiveUp
from gateway.core.ids import new_id
from gateway.store.database import Database
from gateway.store.models import ModelPointers
from nlp.models.process import Order, Report
from nlp.models.versions import Description, Manifest, ModelPlace, ModelVersions

pytestmark = pytest.mark.system

PLACE = ModelPlace("taller", "intent")


class Stored:
    """A trainer that stores a version without training anything, and counts."""

    def __init__(self) -> None:
        self.orders: list[Order] = []

    async def __call__(self, order: Order, report: Report) -> Manifest:
        report("learning")
        self.orders.append(order)
        return put(ModelVersions(order.url), "new")


class Dies:
    async def __call__(self, _order: Order, _report: Report) -> Manifest:
        raise GiveUp("refused", "the training process ended with -9 and no result")


def put(versions: ModelVersions, fingerprint: str, effort: str = "full") -> Manifest:
    about = Description(
        fingerprint=fingerprint,
        trained_at=datetime.now(UTC).isoformat(),
        labels=("bill", "hours"),
        metrics={},
        settings={"effort": effort},
        libraries={},
        by="tests",
    )
    return versions.put(PLACE, {"model.json": b"{}"}, about)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(env={}, overrides={"data_dir": str(tmp_path)})


@pytest.fixture
def versions(tmp_path: Path) -> ModelVersions:
    return ModelVersions(str(tmp_path / "models"))


@pytest.fixture
async def pointers(database: Database) -> ModelPointers:
    return ModelPointers(database, PLACE.bot, PLACE.task)


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    opened = Database(dsn)
    yield opened
    await opened.close()


async def make_live(pointers: ModelPointers, version: str) -> None:
    await pointers.promote(version, expected="", by="tests", why="first", is_forced=False)


async def test_a_candidate_runs_in_the_shadow_and_nothing_is_promoted(
    settings: Settings, database: Database, pointers: ModelPointers, versions: ModelVersions
) -> None:
    live = put(versions, "old").version
    await make_live(pointers, live)
    trainer = Stored()
    shadow = ShadowTrainer(settings, database, PLACE, lambda: "new", trainer)
    await shadow.train_and_shadow("drift: stability")
    pointer = await pointers.read()
    assert (pointer.version, pointer.shadow) == (live, "v0002")
    assert (trainer.orders[0].by, trainer.orders[0].is_quick) == ("drift", False)
    await shadow.train_and_shadow("drift: confidence")
    assert len(trainer.orders) == 1
    assert await pointers.claim_training(new_id(), 1.0)


async def test_a_model_that_knows_all_examples_is_not_trained_again(
    settings: Settings, database: Database, pointers: ModelPointers, versions: ModelVersions
) -> None:
    await make_live(pointers, put(versions, "same").version)
    trainer = Stored()
    await ShadowTrainer(settings, database, PLACE, lambda: "same", trainer).train_and_shadow("drift")
    assert trainer.orders == []


async def test_a_model_of_a_quick_training_is_trained_with_all_effort(
    settings: Settings, database: Database, pointers: ModelPointers, versions: ModelVersions
) -> None:
    await make_live(pointers, put(versions, "same", effort="quick").version)
    trainer = Stored()
    await ShadowTrainer(settings, database, PLACE, lambda: "same", trainer).train_and_shadow("drift")
    assert (await pointers.read()).shadow == "v0002"


async def test_while_somebody_trains_nothing_is_trained_and_a_death_harms_nobody(
    settings: Settings, database: Database, pointers: ModelPointers, versions: ModelVersions
) -> None:
    live = put(versions, "old").version
    await make_live(pointers, live)
    other = new_id()
    assert await pointers.claim_training(other, 60.0)
    trainer = Stored()
    await ShadowTrainer(settings, database, PLACE, lambda: "new", trainer).train_and_shadow("drift")
    assert trainer.orders == []
    await pointers.give_back_training(other)
    await ShadowTrainer(settings, database, PLACE, lambda: "new", Dies()).train_and_shadow("drift")
    pointer = await pointers.read()
    assert (pointer.version, pointer.shadow) == (live, "")
    assert await pointers.claim_training(new_id(), 1.0)
