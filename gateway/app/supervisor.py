"""Several identical workers on one machine, behind one port: started, watched, started again, stopped in order."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

import msgspec
import structlog

from config.settings import Settings
from gateway.app.nodes import release_dead_nodes
from gateway.app.worker import READY_LINE, Orders
from gateway.core.errors import Misconfigured, TertuliaError

KILL_AFTER_DRAIN_S = 5.0
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 30.0
HEALTHY_AFTER_S = 30.0
"""A worker that lived this long was well: the next pause is the first again."""
MAX_FAILED_STARTS = 5
READY_WITHIN_S = 60.0
ENDS_WITHIN_S = 1.0
"""From closing its output to its end, of a worker that ends by itself."""


class WorkersKeepDying(TertuliaError):
    """A worker died again and again before it was ready: the reason is in its log, waiting will not help."""


class Release(Protocol):
    """Frees the leases of a dead node."""

    def __call__(self, node: str, /) -> Awaitable[object]: ...


class Supervisor:
    """Keeps ``count`` workers alive until it is told to stop."""

    def __init__(
        self,
        count: int,
        orders: Orders,
        *,
        run_dir: Path,
        drain_s: float,
        release: Release,
        command: tuple[str, ...] = (sys.executable, "-m", "gateway.app.worker"),
    ) -> None:
        self._count = count
        self._orders = msgspec.json.encode(orders) + b"\n"
        self._run_dir = run_dir
        self._drain_s = drain_s
        self._release = release
        self._command = command
        self._log = structlog.get_logger(__name__)
        self._not_ready = set(range(count))
        self.pids: dict[int, int] = {}

    async def run(self, stop: asyncio.Event, ready: Callable[[], None]) -> None:
        """Run until *stop*; *ready* is called once, when every worker was ready for the first time.

        Raises ``WorkersKeepDying``; then the others have been stopped.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for slot in range(self._count):
                    group.create_task(self._keep(slot, stop, ready))
        except* WorkersKeepDying as group_error:
            raise group_error.exceptions[0] from None

    async def _keep(self, slot: int, stop: asyncio.Event, ready: Callable[[], None]) -> None:
        """Start the worker of this slot, again and again, with a growing pause."""
        failed_starts = 0
        pause_s = FIRST_PAUSE_S
        clock = asyncio.get_running_loop().time
        while not stop.is_set():
            began = clock()
            was_ready = await self._live(slot, stop, ready)
            if stop.is_set():
                return
            failed_starts = 0 if was_ready else failed_starts + 1
            if failed_starts >= MAX_FAILED_STARTS:
                raise WorkersKeepDying(f"a worker failed to start {failed_starts} times; its log says why")
            await release_dead_nodes(self._run_dir, self._release)
            pause_s = FIRST_PAUSE_S if clock() - began > HEALTHY_AFTER_S else pause_s
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause_s)
            pause_s = min(LONGEST_PAUSE_S, pause_s * 2)

    async def _live(self, slot: int, stop: asyncio.Event, ready: Callable[[], None]) -> bool:
        """One life of a worker; returns whether it ever became ready. It is gone when this returns."""
        process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C reaches us; we tell the workers
        )
        self.pids[slot] = process.pid
        try:
            was_ready = await self._until_ready(process, stop)
            if was_ready:
                self._mark_ready(slot, ready)
                await _first_of(process.wait(), stop.wait())
        finally:
            await self._end(process)
            del self.pids[slot]
        if not stop.is_set():
            self._log.error("worker_died", slot=slot, pid=process.pid, exit_code=process.returncode)
        return was_ready

    async def _until_ready(self, process: asyncio.subprocess.Process, stop: asyncio.Event) -> bool:
        assert process.stdin is not None  # noqa: S101 - both are pipes, see above
        assert process.stdout is not None  # noqa: S101
        with contextlib.suppress(ConnectionError):
            process.stdin.write(self._orders)
            await process.stdin.drain()
        line = asyncio.ensure_future(process.stdout.readline())
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                await _first_of(asyncio.shield(line), stop.wait())
        except TimeoutError:
            self._log.exception("worker_not_ready", pid=process.pid, waited_s=READY_WITHIN_S)
        finally:
            if not line.done():
                line.cancel()
        return line.done() and not line.cancelled() and line.result() == READY_LINE

    def _mark_ready(self, slot: int, ready: Callable[[], None]) -> None:
        if slot in self._not_ready:
            self._not_ready.remove(slot)
            if not self._not_ready:
                ready()

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        """SIGTERM, the time to drain, SIGKILL. One that is ending already is left alone: its exit code says why."""
        if process.stdout is not None and process.stdout.at_eof():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), ENDS_WITHIN_S)
        if process.returncode is None:
            _signal(process, signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), self._drain_s + KILL_AFTER_DRAIN_S)
            except TimeoutError:
                self._log.exception("worker_killed", pid=process.pid)
                _signal(process, signal.SIGKILL)
                await process.wait()
        if process.stdin is not None:
            process.stdin.close()


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)


async def _first_of(*waits: Awaitable[object]) -> None:
    """Return when the first of these is done; the others are cancelled."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def claim_port(settings: Settings) -> int:
    """A port that nobody else listens on, to be shared by the workers. Raises ``Misconfigured``.

    Sharing is a licence for our own workers only: a stranger on the port is found here, before they start.
    """
    server = settings.server
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((server.host, server.port))
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise Misconfigured("server.port", f"cannot listen on {server.host}:{server.port} ({reason})") from error
        return int(probe.getsockname()[1])
