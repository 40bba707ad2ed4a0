"""What every running command needs around it: a migrated database, signals that stop it, a bounded end."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

from config.settings import Settings
from gateway.core.errors import TertuliaError
from gateway.store.embedded import EmbeddedPostgres

WATCH_EVERY_S = 1.0


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[str]:
    """The database's address. An embedded server is started, kept alive, and stopped at the end."""
    if not settings.database.is_embedded:
        yield settings.database.url.get_secret_value()
        return
    server = EmbeddedPostgres(settings.data_dir / "postgres")
    dsn = await server.start()
    watcher = asyncio.create_task(_keep_alive(server))
    try:
        yield dsn
    finally:
        watcher.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watcher
        await server.stop()


async def migrate_at_start(settings: Settings, dsn: str) -> None:
    """Bring the tables up to date: always in a database of our own, elsewhere unless the settings forbid it."""
    if settings.database.is_embedded or settings.database.migrate_at_start:
        from gateway.store.migrate import migrate

        await migrate(dsn)


async def _keep_alive(server: EmbeddedPostgres) -> None:
    """Start the server again whenever it is gone, killed by whomever."""
    log = structlog.get_logger(__name__)
    while True:
        await asyncio.sleep(WATCH_EVERY_S)
        if await asyncio.to_thread(server.is_running):
            continue
        log.warning("embedded_postgres_gone")
        try:
            await server.start()
        except TertuliaError:
            log.exception("embedded_postgres_not_started")
        else:
            log.info("embedded_postgres_restarted")


def allow_open_files() -> None:
    """Raise the limit of open files as far as the system lets this process: each visitor's socket is one.

    What a shell or a service manager starts usually may open 1,024, and many more when it asks.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set. A second signal changes nothing: the end is bounded by itself."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


async def run_until_stopped(work: Callable[[], Awaitable[None]], stop: asyncio.Event, drain_s: float) -> bool:
    """Run *work*, which ends by itself when *stop* is set; cancel it when that takes longer than *drain_s*.

    Returns whether it ended by itself. Errors of *work* are raised.
    """
    task = asyncio.ensure_future(work())
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        done, _ = await asyncio.wait({task}, timeout=drain_s)
        if not done:
            structlog.get_logger(__name__).warning("drain_cut_short", drain_s=drain_s)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            return False
        await task
    finally:
        stopped.cancel()
        if not task.done():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
    return True
