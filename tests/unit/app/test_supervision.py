"""The supervisor starts workers again, says which one died, gives up on hopeless ones, and stops all of them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from config.settings import load_settings
from gateway.app import supervisor as supervision
from gateway.app.nodes import NodeMark, new_node_name, release_dead_nodes
from gateway.app.supervisor import Supervisor, WorkersKeepDying, claim_port
from gateway.app.worker import Orders
from gateway.core.errors import Misconfigured, Unavailable

CHILD = Path(__file__).with_name("supervised_child.py")


class Bench:
    """A supervisor over children of the test, and what became of them."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder = folder
        self.released: list[str] = []
        self.ready = asyncio.Event()
        self.stop = asyncio.Event()
        self.supervisor = Supervisor(
            count,
            Orders(str(folder), {}, "postgresql://"),
            run_dir=folder / "run",
            drain_s=5,
            release=self._release,
            command=(sys.executable, "-S", str(CHILD)),
        )

    async def _release(self, node: str) -> None:
        self.released.append(node)

    @property
    def starts(self) -> list[int]:
        return [int(line) for line in (self.folder / "starts").read_text().split()]

    async def run(self) -> None:
        await self.supervisor.run(self.stop, self.ready.set)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.run())
        try:
            async with asyncio.timeout(20):
                await self.ready.wait()
                yield
                self.stop.set()
                await task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def restarted(bench: Bench, slot: int, was: int) -> None:
    async with asyncio.timeout(10):
        while bench.supervisor.pids.get(slot, was) == was or len(bench.starts) < 3:
            await asyncio.sleep(0.01)


async def test_all_workers_are_ready_before_anybody_is_told(tmp_path: Path) -> None:
    bench = Bench(tmp_path, 2)
    async with bench.running():
        assert sorted(bench.supervisor.pids) == [0, 1]
        assert sorted(bench.starts) == sorted(bench.supervisor.pids.values())


async def test_worker_that_is_killed_is_started_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path, 2)
    async with bench.running():
        first = dict(bench.supervisor.pids)
        os.kill(first[0], signal.SIGKILL)
        await restarted(bench, 0, first[0])
        assert bench.supervisor.pids[1] == first[1]
    assert bench.supervisor.pids == {}


async def test_leases_of_a_dead_node_are_released_when_a_worker_dies(tmp_path: Path) -> None:
    bench = Bench(tmp_path, 2)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "somebody.node").touch()
    async with bench.running():
        was = bench.supervisor.pids[0]
        os.kill(was, signal.SIGKILL)
        await restarted(bench, 0, was)
    assert bench.released == ["somebody"]


async def test_workers_that_never_become_ready_end_the_supervisor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(supervision, "LONGEST_PAUSE_S", 0.001)
    (tmp_path / "refuse").touch()
    bench = Bench(tmp_path, 1)
    with pytest.raises(WorkersKeepDying):
        await bench.run()
    assert len(bench.starts) == supervision.MAX_FAILED_STARTS


async def test_worker_notices_that_its_supervisor_is_gone(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-S", str(CHILD), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    process.stdin.write(b'{"config": "%s"}\n' % str(tmp_path).encode())
    process.stdin.close()
    assert await asyncio.wait_for(process.wait(), 10) == 0
    assert (tmp_path / "ended-by-lifeline").exists()


async def test_mark_of_a_living_process_is_left_alone(tmp_path: Path) -> None:
    released: list[str] = []

    async def release(node: str) -> None:
        released.append(node)

    mark = NodeMark.set(tmp_path, "alive")
    assert await release_dead_nodes(tmp_path, release) == []
    mark._lock.close()  # what the system does when the process dies
    assert await release_dead_nodes(tmp_path, release) == ["alive"] == released
    assert await release_dead_nodes(tmp_path, release) == []


async def test_mark_stays_while_the_database_is_away(tmp_path: Path) -> None:
    async def release(_node: str) -> None:
        raise Unavailable("db")

    (tmp_path / "dead.node").touch()
    assert await release_dead_nodes(tmp_path, release) == []
    assert (tmp_path / "dead.node").exists()


async def test_process_that_stopped_in_order_leaves_no_mark(tmp_path: Path) -> None:
    NodeMark.set(tmp_path, "tidy").remove()
    assert list(tmp_path.iterdir()) == []


def test_node_names_never_repeat() -> None:
    assert len({new_node_name() for _ in range(100)}) == 100


async def test_port_that_somebody_else_holds_is_refused_with_its_key() -> None:
    stranger = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    port = stranger.sockets[0].getsockname()[1]
    settings = load_settings(None, {"TERTULIA__SERVER__PORT": str(port)})
    with pytest.raises(Misconfigured, match=r"server\.port: cannot listen on 127\.0\.0\.1"):
        claim_port(settings)
    stranger.close()
    await stranger.wait_closed()


def test_port_zero_becomes_a_real_one() -> None:
    assert claim_port(load_settings(None, {"TERTULIA__SERVER__PORT": "0"})) > 0
