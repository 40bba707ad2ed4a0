"""The embedded PostgreSQL outlives kills of its own and of its users, and stops with its last user."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from gateway.core.errors import Misconfigured
from gateway.store.embedded import EmbeddedPostgres

pytestmark = pytest.mark.system

START_AND_WAIT = """
import sys
from pathlib import Path
from gateway.store.embedded import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
server.start_blocking()
print(server.dsn(), flush=True)
sys.stdin.readline()
server.stop_blocking()
"""
ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path, so that the socket fits into the folder; whatever still runs in it at the end is stopped."""
    parent = Path(tempfile.mkdtemp(prefix="tert-"))
    yield parent / "postgres"
    pid = postmaster_pid(parent / "postgres")
    if pid is not None and psutil.pid_exists(pid) and "postgres" in psutil.Process(pid).name():
        os.kill(pid, signal.SIGQUIT)
        psutil.Process(pid).wait(20)
    shutil.rmtree(parent, ignore_errors=True)


def postmaster_pid(folder: Path) -> int | None:
    path = folder / "postmaster.pid"
    return int(path.read_text().splitlines()[0]) if path.exists() else None


async def ask(dsn: str, statement: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def another_process(folder: Path) -> subprocess.Popen[str]:
    """Another user of the same folder; its first line is the address."""
    command = [sys.executable, "-c", START_AND_WAIT, str(folder)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("postgresql://")
    return process


def end(process: subprocess.Popen[str]) -> None:
    """Let it stop in order."""
    process.communicate("\n", timeout=60)
    assert process.returncode == 0


async def test_data_is_there_after_stop_and_start_and_fsync_is_on(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    dsn = await server.start()
    await ask(dsn, "CREATE TABLE t AS SELECT 42 AS x")
    assert await ask(dsn, "SHOW fsync") == "on"
    await server.stop()
    assert not server.is_running()
    assert postmaster_pid(folder) is None
    assert await ask(await server.start(), "SELECT x FROM t") == 42
    await server.stop()


async def test_server_that_was_killed_is_started_again_with_its_data(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    dsn = await server.start()
    await ask(dsn, "CREATE TABLE t AS SELECT 42 AS x")
    pid = postmaster_pid(folder)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert await ask(await server.start(), "SELECT x FROM t") == 42
    assert postmaster_pid(folder) != pid
    await server.stop()


async def test_stale_pid_file_of_a_living_stranger_does_not_keep_it_from_starting(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    await server.start()
    await server.stop()
    (folder / "postmaster.pid").write_text(f"{os.getppid()}\n{folder}\n1\n5432\n{folder}\n\n1 1\nready\n")
    assert await ask(await server.start(), "SELECT 1") == 1
    await server.stop()


async def test_killed_user_leaves_the_server_running_and_the_next_one_takes_it_over_and_stops_it(folder: Path) -> None:
    process = another_process(folder)
    pid = postmaster_pid(folder)
    process.kill()
    process.communicate()
    server = EmbeddedPostgres(folder)
    assert await ask(await server.start(), "SELECT 1") == 1
    assert postmaster_pid(folder) == pid
    await server.stop()
    assert not server.is_running()


async def test_only_the_last_user_stops_the_server(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    dsn = await server.start()
    process = another_process(folder)
    await server.stop()
    assert await ask(dsn, "SELECT 1") == 1
    end(process)
    assert not server.is_running()


async def test_interrupted_creation_leaves_nothing_half_done(folder: Path) -> None:
    draft = folder.with_name("postgres.new")
    draft.mkdir(parents=True)
    (draft / "rubbish").write_text("from a start that was killed")
    server = EmbeddedPostgres(folder)
    assert await ask(await server.start(), "SELECT 1") == 1
    assert not draft.exists()
    await server.stop()


async def test_folder_with_something_else_in_it_is_refused_and_left_alone(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "thesis.txt").write_text("mine")
    with pytest.raises(Misconfigured, match="holds no PostgreSQL data"):
        await EmbeddedPostgres(folder).start()
    assert (folder / "thesis.txt").read_text() == "mine"


async def test_folder_too_deep_for_a_socket_works(folder: Path) -> None:
    deep = folder.parent / ("d" * 60) / ("e" * 60) / "postgres"
    server = EmbeddedPostgres(deep)
    assert await ask(await server.start(), "SELECT 1") == 1
    await server.stop()


async def test_nobody_listens_on_the_network_and_the_socket_is_closed_to_others(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    dsn = await server.start()
    assert await ask(dsn, "SHOW listen_addresses") == ""
    assert (folder / ".s.PGSQL.5432").stat().st_mode & 0o077 == 0
    await server.stop()


async def test_two_that_start_at_once_share_one_server(folder: Path) -> None:
    one, other = EmbeddedPostgres(folder), EmbeddedPostgres(folder)
    await asyncio.gather(one.start(), other.start())
    assert await ask(one.dsn(), "SELECT 1") == 1
    await one.stop()
    assert other.is_running()
    await other.stop()
    assert not other.is_running()


def as_ordinary_user(command: list[str]) -> list[str]:
    """As root the child becomes nobody, who may still read the interpreter wherever it lies."""
    if os.geteuid() != 0:
        return command
    may_read = ["--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search"]
    return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *may_read, *command]


async def test_ordinary_user_can_run_it(folder: Path) -> None:
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    home = folder.parent / "home"
    home.mkdir()
    if os.geteuid() == 0:
        folder.parent.chmod(0o755)
        os.chown(home, user.pw_uid, user.pw_gid)
    process = subprocess.Popen(
        as_ordinary_user([sys.executable, "-c", START_AND_WAIT, str(home / "data" / "postgres")]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("postgresql://")
    pid = postmaster_pid(home / "data" / "postgres")
    assert pid is not None
    assert psutil.Process(pid).uids().real == user.pw_uid
    end(process)
