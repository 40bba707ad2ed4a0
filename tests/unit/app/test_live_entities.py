"""The tagger goes with the model: what is swapped in finds its entities, what is broken changes nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import config
from config.bot import load_bot
from gateway.app.live_entities import LiveEntities
from gateway.app.live_model import LiveModel
from nlp.entities.storage import pack
from nlp.entities.training import fit
from nlp.training_data import EntityMark, Example, TrainingData

AT = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


def taught() -> TrainingData:
    """Forty flights between cities, of which none is *Arequipa*."""
    cities = ("Lima", "Quito", "Cali", "Cusco", "Madrid")
    examples = []
    for number in range(40):
        city = cities[number % 5]
        begun = f"{('vuelo a', 'viajo a', 'un pasaje a')[number % 3]} "
        mark = EntityMark("city", city, city, len(begun), len(begun) + len(city))
        examples.append(Example(f"{begun}{city}{('', ' mañana')[number % 2]}", "fly", "es", (mark,)))
    return TrainingData(tuple(examples))


def loaded(version: str, besides: dict[str, bytes]) -> Any:
    return SimpleNamespace(version=version, besides=besides)


def test_another_version_brings_its_tagger_and_a_broken_one_leaves_the_one_before() -> None:
    bot = load_bot(Path(config.__file__).parent / "bots" / "telecom")
    model = SimpleNamespace(loaded=loaded("v0001", {}))
    find = LiveEntities(bot, taught(), cast("LiveModel", model))

    def cities() -> list[object]:
        found = find("un pasaje a arequipa mañana", "es", AT, "UTC")
        return [entity.value for entity in found if entity.kind == "city"]

    assert cities() == []
    files = pack(fit(taught(), AT))
    model.loaded = loaded("v0002", files)
    assert cities() == ["arequipa"]
    model.loaded = loaded("v0003", {**files, "entities.npz": b"harmed"})
    assert cities() == ["arequipa"]
    model.loaded = loaded("v0004", {})
    assert cities() == []
