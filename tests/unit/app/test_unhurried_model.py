"""A model with sentence vectors is asked in a thread, so that a turn that waits for it holds up no other."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.app.models import UnhurriedModel
from gateway.core.metrics import Metrics


class Answers:
    """A loaded version that waits until the event loop has gone on."""

    def __init__(self, encoder: str) -> None:
        self.manifest = SimpleNamespace(encoder=encoder)
        self.threads: list[int] = []
        self.may_end = threading.Event()

    def predict(self, texts: Sequence[str]) -> list[str]:
        self.threads.append(threading.get_ident())
        assert self.may_end.wait(10)
        return [text.upper() for text in texts]


def live(loaded: Any) -> Any:
    return UnhurriedModel(loaded, Metrics())


async def test_while_vectors_are_computed_the_loop_goes_on_and_texts_keep_their_order() -> None:
    loaded = Answers("minilm")
    asked = asyncio.gather(*map(live(loaded), ("a", "b", "c")))
    while not loaded.threads:
        await asyncio.sleep(0)
    loaded.may_end.set()  # reached only because the loop is free
    assert await asked == ["A", "B", "C"]
    assert threading.get_ident() not in loaded.threads


async def test_a_version_without_vectors_is_asked_at_once() -> None:
    loaded = Answers("")
    loaded.may_end.set()
    assert await live(loaded)("a") == "A"
    assert loaded.threads == [threading.get_ident()]


async def test_a_version_that_fails_fails_for_whoever_asked() -> None:
    loaded = Answers("minilm")
    loaded.predict = lambda _texts: 1 / 0  # type: ignore[assignment]
    with pytest.raises(ZeroDivisionError):
        await live(loaded)("a")
