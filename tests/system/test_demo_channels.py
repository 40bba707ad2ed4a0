"""``tertulia demo`` has a phone for every channel with a sandbox, and the bot answers on all of them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from demo_process import API, PATIENCE_S, DemoProcess
from test_commands import home, trained  # noqa: F401 - fixtures

from channels.sandboxes import with_sandbox

pytestmark = pytest.mark.system

QUESTION = "¿cuál es mi saldo?"


@pytest.fixture
def demo(home: Path) -> Iterator[DemoProcess]:  # noqa: F811 - a fixture by its name
    demo = DemoProcess(home)
    yield demo
    demo.kill()


def phones_of(demo: DemoProcess) -> dict[str, dict[str, object]]:
    start = json.loads(demo.get(f"{API}/start")[1])
    return {phone["name"]: phone["skin"] for phone in start["phones"]}


def answered_lines(demo: DemoProcess, count: int) -> list[dict[str, object]]:
    """The lines of the question, once so many of them have their answer sent."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        lines = [line for line in demo.lines() if line["text"] == QUESTION]
        sent = [line for line in lines if any(step["name"] == "sent" for step in line["steps"])]  # type: ignore[attr-defined]
        if len(sent) >= count:
            return sent
        assert time.monotonic() < deadline, f"{len(sent)} of {count} were answered:\n{lines}"
        time.sleep(0.05)


def test_every_channel_with_a_sandbox_is_on_the_page_and_the_same_bot_answers_on_each(demo: DemoProcess) -> None:
    phones = phones_of(demo)
    shown = {name.partition("-")[0] for name in phones}
    embedded = {"webchat"}
    assert shown | embedded == set(with_sandbox())
    apps = [str(skin["app"]) for skin in phones.values()]
    assert apps == sorted(apps, key=str.casefold)
    assert len(set(apps)) == len(apps), "two phones cannot be told apart"
    for name in phones:
        demo.act(f"/phones/{name}/writes", {"text": QUESTION})
    lines = answered_lines(demo, len(phones))
    assert len({line["conversation"] for line in lines}) == len(phones)
    assert {line["decision"]["intent"] for line in lines} == {"balance"}  # type: ignore[index]
    assert demo.end() == 0
    assert demo.errors.read_text() == ""


def test_one_channel_alone_can_be_asked_for(home: Path) -> None:  # noqa: F811
    demo = DemoProcess(home, "--channel", "telegram")
    try:
        assert list(phones_of(demo)) == ["telegram"]
        assert demo.end() == 0
    finally:
        demo.kill()
