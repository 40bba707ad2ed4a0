"""``tertulia demo`` as a newcomer starts it: one address, everything behind it, and an end in order."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from demo_process import API, DemoProcess
from test_commands import TERTULIA, environment, home, trained  # noqa: F401 - fixtures

pytestmark = pytest.mark.system

StartDemo = Callable[..., DemoProcess]


@pytest.fixture
def start(home: Path) -> Iterator[StartDemo]:  # noqa: F811 - a fixture by its name
    started: list[DemoProcess] = []

    def make(*arguments: str, **more: str) -> DemoProcess:
        started.append(DemoProcess(home, *arguments, **more))
        return started[-1]

    yield make
    for demo in started:
        demo.kill()


def test_demo_prints_one_address_behind_which_everything_is_and_goes_on_next_time(start: StartDemo, home: Path) -> None:  # noqa: F811
    demo = start()
    assert demo.get("/sandbox")[0] == 200
    assert demo.get("/sandbox", token="wrong")[0] == 401
    assert demo.get(f"{API}/trail", token="")[0] == 401
    assert '<script src="/widget.js"' in demo.get("/sandbox/site")[1]
    for path in ("/sandbox/files/sandbox.js", "/sandbox/files/site.css", "/ui/tokens.css", "/widget.js", "/desk"):
        assert demo.get(path)[0] == 200, path
    phone = next(one for one in json.loads(demo.get(f"{API}/start")[1])["phones"] if one["name"] == "telegram")
    assert demo.lines() == []

    demo.act(f"/phones/{phone['name']}/writes", {"text": "¿cuál es mi saldo?"})
    line = demo.line_that_was_sent("¿cuál es mi saldo?")
    decision = line["decision"]
    assert isinstance(decision, dict)
    assert (decision["outcome"], decision["intent"], decision["language"]) == ("answered", "balance", "es")
    assert (line["contact"], line["kind"]) == ("Ana", "customer")
    assert demo.end() == 0
    assert "Hasta luego" in demo.printed
    assert demo.errors.read_text() == ""
    assert not (home / "data" / "postgres" / "postmaster.pid").exists()
    assert list((home / "data" / "run").iterdir()) == []
    assert demo.token not in (home / "data" / "demo.log").read_text()

    again = start()
    assert again.token == demo.token
    again.line_that_was_sent("¿cuál es mi saldo?")
    again.act(f"/phones/{phone['name']}/writes", {"text": "gracias"})
    again.line_that_was_sent("gracias")
    assert len({line["conversation"] for line in again.lines()}) == 1
    assert again.end() == 0


def demo_command(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:  # noqa: F811
    """One that is expected to end by itself."""
    return subprocess.run(
        [*TERTULIA, "demo", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
        env=environment(home, TERTULIA__SERVER__PORT="0"),
    )


def test_demo_takes_the_next_port_when_its_own_is_taken_and_there_is_one_at_a_time(
    start: StartDemo,
    home: Path,  # noqa: F811
) -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        taken = stranger.getsockname()[1]
        demo = start("--language", "en", TERTULIA__SERVER__PORT=str(taken))
        assert f"Port {taken} is taken" in demo.printed
        assert not demo.origin.endswith(f":{taken}")
        assert demo.get("/healthz")[0] == 200
        second = demo_command(home)
        assert second.returncode == 2
        assert "a demo runs on" in second.stderr
        assert demo.get("/healthz")[0] == 200
        assert demo.end() == 0


def test_the_sandbox_is_not_there_without_the_demo(home: Path) -> None:  # noqa: F811
    from test_commands import Running

    running = Running(home, 1)
    try:
        for path in ("/sandbox", "/sandbox/site", f"{API}/start"):
            with pytest.raises(Exception, match="404"):
                running.get(path)
    finally:
        assert running.stop() == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--bot", "nowhere"), "nowhere"),
        (("--channel", "fax"), "channels.fax: has no sandbox"),
        (("--terminal", "--channel", "webchat"), "leave --terminal out"),
    ],
)
def test_what_cannot_be_shown_is_said_in_one_line(home: Path, arguments: tuple[str, ...], words: str) -> None:  # noqa: F811
    done = demo_command(home, *arguments)
    assert done.returncode in (1, 2)
    assert words in done.stderr
    assert "Traceback" not in done.stderr
