"""Where the sandbox's account is kept between two runs of the demo."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import structlog

from handoff.desks.zendesk.sandbox_account import Account, Files
from handoff.desks.zendesk.sandbox_world import World

REST_S = 1.0
"""Changes that follow one another this quickly are written once."""


class Memory:
    """A folder for one account: ``account.msgpack``, and a file for the content of each attachment."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written: set[str] = set()

    def recalled(self) -> tuple[Account | None, Files]:
        """What was kept; ``None`` where nothing was, or nothing that can be read any more."""
        files = Files()
        try:
            account = msgspec.msgpack.decode((self._folder / "account.msgpack").read_bytes(), type=Account)
        except FileNotFoundError:
            return None, files
        except (msgspec.DecodeError, OSError):
            structlog.get_logger(__name__).warning("sandbox_account_unreadable", folder=str(self._folder))
            return None, files
        for path in sorted(self._folder.glob("*.file"), key=lambda one: one.stat().st_mtime):
            files.add(path.stem, path.read_bytes())
            self._written.add(path.stem)
        return account, files

    @asynccontextmanager
    async def keeping(self, world: World) -> AsyncIterator[None]:
        """Keep every change while the context is open, a moment after it happened; the last ones at its end."""
        stirred = asyncio.Event()
        unlisten = world.listen(stirred.set)
        task = asyncio.create_task(self._follow(world, stirred))
        try:
            yield
        finally:
            unlisten()
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            self._keep(world)

    async def _follow(self, world: World, stirred: asyncio.Event) -> None:
        while True:
            await stirred.wait()
            await asyncio.sleep(REST_S)
            stirred.clear()
            self._keep(world)

    def _keep(self, world: World) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        contents = dict(world.files.items())
        for secret in contents.keys() - self._written:
            _write(self._path(secret), contents[secret])
        for secret in self._written - contents.keys():
            self._path(secret).unlink(missing_ok=True)
        self._written = set(contents)
        _write(self._folder / "account.msgpack", msgspec.msgpack.encode(world.account))

    def _path(self, secret: str) -> Path:
        return self._folder / f"{secret}.file"


def _write(path: Path, content: bytes) -> None:
    """All of it or nothing, readable by its owner only."""
    draft = path.with_name(f".{path.name}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    draft.replace(path)
