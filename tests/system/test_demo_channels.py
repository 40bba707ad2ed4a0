"""``tertulia demo`` has a phone for every channel with a sandbox, and the bot answers on all of them."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from demo_process import API, PATIENCE_S, DemoProcess
from test_commands import home, trained  # noqa: F401 - fixtures

from channels.sandboxes import with_sandbox

pytestmark = pytest.mark.system


def phones_of(demo: DemoProcess) -> dict[str, dict[str, object]]:
    start = json.loads(demo.get(f"{API}/start")[1])
    return {phone["name"]: phone["skin"] for phone in start["phones"]}


def ask_everywhere(demo: DemoProcess, question: str) -> dict[str, dict[str, object]]:
    """Ask on every phone; the lines of the question, by conversation, once all of them have their answer sent."""
    phones = phones_of(demo)
    for name in phones:
        demo.act(f"/phones/{name}/writes", {"text": question})
    deadline = time.monotonic() + PATIENCE_S
    while True:
        lines = [line for line in demo.lines() if line["text"] == question]
        sent = [line for line in lines if any(step["name"] == "sent" for step in line["steps"])]  # type: ignore[attr-defined]
        if len(sent) >= len(phones):
            return {str(line["conversation"]): line for line in sent}
        assert time.monotonic() < deadline, f"{len(sent)} of {len(phones)} were answered:\n{lines}"
        time.sleep(0.05)


def test_the_same_bot_answers_on_every_channel_with_a_sandbox_and_goes_on_next_time(home: Path) -> None:  # noqa: F811
    demo = DemoProcess(home)
    try:
        phones = phones_of(demo)
        embedded = {"webchat"}
        assert {name.partition("-")[0] for name in phones} | embedded == set(with_sandbox())
        apps = [str(skin["app"]) for skin in phones.values()]
        assert apps == sorted(apps, key=str.casefold)
        assert len(set(apps)) == len(apps), "two phones cannot be told apart"
        first = ask_everywhere(demo, "¿cuál es mi saldo?")
        assert len(first) == len(phones)
        assert {line["decision"]["intent"] for line in first.values()} == {"balance"}  # type: ignore[index]
        assert demo.end() == 0
        assert demo.errors.read_text() == ""
        demo = DemoProcess(home)
        assert set(ask_everywhere(demo, "gracias")) == set(first)
        assert demo.end() == 0
    finally:
        demo.kill()


def test_one_channel_alone_can_be_asked_for(home: Path) -> None:  # noqa: F811
    demo = DemoProcess(home, "--channel", "telegram")
    try:
        assert list(phones_of(demo)) == ["telegram"]
        assert demo.end() == 0
    finally:
        demo.kill()
