"""A ``tertulia demo`` as somebody starts it, and what its pages are told."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from shared_models import shared_models
from test_commands import TERTULIA, environment

API = "/sandbox/api"
PATIENCE_S = 60.0


class DemoProcess:
    """Started when made; ``origin`` and ``token`` are what it printed."""

    def __init__(self, home: Path, *arguments: str, **more: str) -> None:
        self.errors = home / "demo.err"
        shared = {"TERTULIA__SERVER__PORT": "0", "TERTULIA__MODELS__URL": shared_models()}
        env = environment(home, **(shared | more))
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [*TERTULIA, "demo", *arguments], stdout=subprocess.PIPE, stderr=errors, text=True, env=env, cwd=home
            )
        self.printed = ""
        self.origin, self.token = self._address()

    def _address(self) -> tuple[str, str]:
        assert self.process.stdout is not None
        while line := self.process.stdout.readline():
            self.printed += line
            found = re.search(r"(http://[^/\s]+)/sandbox\?token=(\S+)", line)
            if found:
                return found[1], found[2]
        raise AssertionError(f"no address came:\n{self.printed}\n{self.errors.read_text()}")

    @property
    def page(self) -> str:
        return f"{self.origin}/sandbox?token={self.token}"

    def get(self, path: str, *, token: str | None = None) -> tuple[int, str]:
        """Status and body. *token* ``None``: the right one."""
        headers = {"Authorization": f"Bearer {self.token if token is None else token}"}
        return self._ask(urllib.request.Request(self.origin + path, headers=headers))

    def act(self, path: str, body: object) -> None:
        """Do something on a phone."""
        headers = {"Authorization": f"Bearer {self.token}"}
        status, answer = self._ask(
            urllib.request.Request(f"{self.origin}{API}{path}", json.dumps(body).encode(), headers)
        )
        assert status == 200, answer

    def lines(self) -> list[dict[str, object]]:
        """The pipeline panel's lines, newest first."""
        status, body = self.get(f"{API}/trail?after=0")
        assert status == 200, body
        lines: list[dict[str, object]] = json.loads(body)["lines"]
        return lines

    def line_that_was_sent(self, text: str) -> dict[str, object]:
        """The line of that message, once its answer is sent."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            for line in self.lines():
                steps = {step["name"]: step for step in line["steps"]}  # type: ignore[attr-defined]
                if line["text"] == text and steps.get("sent", {}).get("ms") is not None:
                    return line
            time.sleep(0.05)
        raise AssertionError(f"{text!r} was not answered:\n{self.lines()}")

    def end(self) -> int:
        """Ctrl-C; returns the exit code and keeps what was printed meanwhile."""
        self.process.send_signal(signal.SIGINT)
        rest, _ = self.process.communicate(timeout=PATIENCE_S)
        self.printed += rest
        return self.process.returncode

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()

    @staticmethod
    def _ask(request: urllib.request.Request) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return int(answer.status), answer.read().decode()
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.read().decode()
