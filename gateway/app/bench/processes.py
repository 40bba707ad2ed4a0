"""Child processes of a measurement: started, watched, paused, killed, and asked what they cost.

Only what was started here is ever touched, by its own id. Costs are read from ``/proc`` and are 0 where there is none.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from gateway.core.errors import Unavailable

_PROC = Path("/proc")


class ChildFailed(Exception):
    """A process ended, or never became ready. The message ends with the last lines that it wrote."""


class Child:
    """One process of ours, its output in a file. Leaving the context stops it, whatever happened."""

    def __init__(self, name: str, argv: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None) -> None:
        self.name = name
        self._argv = tuple(argv)
        self._log = log
        self._env = dict(os.environ) | dict(env or {})
        self._process: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def pid(self) -> int:
        if self._process is None:
            raise ChildFailed(f"{self.name} was not started")
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def returncode(self) -> int | None:
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603  # our own program
                self._argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=self._env
            )

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; a process that has ended does not mind."""
        if self._process is not None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """End it at once, as a power failure would, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    async def stop(self, patience_s: float = 25.0) -> int | None:
        """SIGTERM, and SIGKILL when that does not help in time. Returns the exit code."""
        if self._process is None:
            return None
        if self.is_running:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
        if not await self.ended(patience_s):
            self.kill()
        return self._process.returncode

    async def ended(self, patience_s: float) -> bool:
        """Wait until it has ended by itself; false when it has not in time."""
        give_up = time.monotonic() + patience_s
        while self.is_running:
            if time.monotonic() > give_up:
                return False
            await asyncio.sleep(0.01)
        return True

    def output(self, last_lines: int = 30) -> str:
        """The end of what it wrote."""
        if not self._log.exists():
            return ""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-last_lines:])

    async def answers(self, port: int, path: str = "", patience_s: float = 60.0) -> None:
        """Wait until it takes connections, and answers *path* with 200. Raises ``ChildFailed``."""
        give_up = time.monotonic() + patience_s
        while not await is_answered(port, path):
            if not self.is_running:
                raise ChildFailed(f"{self.name} ended with {self.returncode}:\n{self.output()}")
            if time.monotonic() > give_up:
                raise ChildFailed(f"{self.name} was not ready after {patience_s:.0f} s:\n{self.output()}")
            await asyncio.sleep(0.05)


async def is_answered(port: int, path: str, timeout_s: float = 2.0) -> bool:
    """Whether something listens on a loopback port, and answers GET *path* with 200 (empty: listening is enough)."""
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                if not path:
                    return True
                writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
                return b" 200 " in await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False


class PipedChild:
    """A child that answers each line on its standard input with a line on its output."""

    def __init__(self, name: str, argv: Sequence[str]) -> None:
        self.name = name
        self._argv = tuple(argv)
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *self._argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=2**20
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        await process.wait()

    @property
    def pid(self) -> int:
        if self._process is None:
            raise ChildFailed(f"{self.name} was not started")
        return self._process.pid

    async def read_line(self, patience_s: float) -> bytes:
        """Its next line. Raises ``ChildFailed`` when it ends or takes too long."""
        if self._process is None or self._process.stdout is None:
            raise ChildFailed(f"{self.name} was not started")
        try:
            line = await asyncio.wait_for(self._process.stdout.readline(), patience_s)
        except TimeoutError:
            raise ChildFailed(f"{self.name} did not answer in {patience_s:.0f} s") from None
        if not line:
            raise ChildFailed(f"{self.name} ended")
        return line

    async def ask(self, line: bytes, patience_s: float) -> bytes:
        """Its answer to *line*."""
        if self._process is None or self._process.stdin is None:
            raise ChildFailed(f"{self.name} was not started")
        self._process.stdin.write(line + b"\n")
        await self._process.stdin.drain()
        return await self.read_line(patience_s)


class Cost(msgspec.Struct, frozen=True):
    """What a process and all its descendants have used since they began."""

    cpu_s: float
    rss_mb: float

    def since(self, earlier: Cost) -> float:
        """Seconds of CPU since *earlier*."""
        return max(0.0, self.cpu_s - earlier.cpu_s)


def cost_of(pids: Iterable[int]) -> Cost:
    """The cost of these processes and their descendants, those that have ended included."""
    roots = set(pids)
    family = _family(roots)
    ticks = sum(_cpu_ticks(pid) for pid in family)
    pages = sum(_resident_pages(pid) for pid in family)
    return Cost(ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE") / 2**20)


def _family(roots: set[int]) -> set[int]:
    parents = {int(entry.name): _parent(int(entry.name)) for entry in _PROC.glob("[0-9]*")}
    family = set(roots)
    while grown := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= grown
    return family


def _stat(pid: int) -> list[str]:
    """Fields of ``/proc/<pid>/stat`` from the third on; empty when the process is gone."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (OSError, UnicodeDecodeError):
        return []


def _parent(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[1]) if fields else 0


def _cpu_ticks(pid: int) -> int:
    return sum(int(field) for field in _stat(pid)[11:15])


def _resident_pages(pid: int) -> int:
    try:
        return int((_PROC / str(pid) / "statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def python(module: str, *arguments: str) -> tuple[str, ...]:
    """The command line that runs one of our modules with this interpreter."""
    return (sys.executable, "-m", module, *arguments)


def tertulia(*arguments: str) -> tuple[str, ...]:
    """The command line of the product itself, of this same installation."""
    return (sys.executable, "-m", "gateway.app.cli", *arguments)


async def wait_until_gone(pid: int, patience_s: float) -> None:
    """Wait for a process that is not our child. Raises ``Unavailable`` when it stays."""
    give_up = time.monotonic() + patience_s
    while (_PROC / str(pid)).exists():
        if time.monotonic() > give_up:
            raise Unavailable(f"process {pid} has not ended after {patience_s:.0f} s")
        await asyncio.sleep(0.02)
