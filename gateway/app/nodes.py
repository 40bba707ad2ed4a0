"""The name of a process among its siblings, and the knowledge of which siblings are dead.

Each process holds a lock on a file that bears its name. The system drops the lock when the process dies, however
it dies, and never while it is merely stopped: whoever can take the lock knows that the owner is gone for good.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import BinaryIO, Self

import structlog

from gateway.core.errors import Unavailable

SUFFIX = ".node"


def new_node_name() -> str:
    """Unique for ever: the host's name, the process, and chance."""
    host = re.sub(r"[^a-z0-9-]", "-", socket.gethostname().lower())[:20] or "host"
    return f"{host}-{os.getpid()}-{secrets.token_hex(8)}"


class NodeMark:
    """This process' mark in ``run_dir``; it stands until ``remove`` or the process' death."""

    def __init__(self, path: Path, lock: BinaryIO) -> None:
        self._path = path
        self._lock = lock

    @classmethod
    def set(cls, run_dir: Path, node: str) -> Self:
        """Set the mark: it is locked before it can be seen."""
        run_dir.mkdir(parents=True, exist_ok=True)
        draft = run_dir / f".{node}"
        lock = draft.open("wb")
        fcntl.flock(lock, fcntl.LOCK_EX)
        path = run_dir / f"{node}{SUFFIX}"
        draft.rename(path)
        return cls(path, lock)

    def remove(self) -> None:
        """The process gave everything back by itself: nothing is left to release."""
        self._path.unlink(missing_ok=True)
        self._lock.close()


async def release_dead_nodes(run_dir: Path, release: Callable[[str], Awaitable[object]]) -> list[str]:
    """Call *release* with the name of every dead process of this folder; returns the names.

    One that cannot be released now (``Unavailable``) keeps its mark for the next time: its leases run out anyway.
    """
    log = structlog.get_logger(__name__)
    released: list[str] = []
    for path in _dead_marks(run_dir):
        try:
            await release(path.stem)
        except Unavailable:
            log.warning("dead_node_not_released", dead=path.stem)
            continue
        path.unlink(missing_ok=True)
        released.append(path.stem)
        log.info("dead_node_released", dead=path.stem)
    return released


def _dead_marks(run_dir: Path) -> list[Path]:
    return [path for path in sorted(run_dir.glob(f"*{SUFFIX}")) if _is_dead(path)]


def _is_dead(path: Path) -> bool:
    try:
        with path.open("rb") as mark:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, FileNotFoundError):
        return False
    return True
