"""What a person types, line by line, without holding up the event loop or its end."""

from __future__ import annotations

import asyncio
import os
import sys
import threading


class TypedLines:
    """Lines of standard input, from a terminal, a pipe or a file; ``None`` at the end.

    A thread does the waiting. It reads the descriptor itself, so that nothing is locked when the process ends
    while it still waits.
    """

    def __init__(self) -> None:
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._descriptor = sys.stdin.fileno()
        threading.Thread(target=self._read, name="typed-lines", daemon=True).start()

    @property
    def is_terminal(self) -> bool:
        return os.isatty(self._descriptor)

    async def next(self) -> str | None:
        """The next line without its end; ``None`` when there are no more."""
        return await self._lines.get()

    def _read(self) -> None:
        rest = b""
        while chunk := os.read(self._descriptor, 65_536):
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                self._put(line)
        if rest:
            self._put(rest)
        self._tell(None)

    def _put(self, line: bytes) -> None:
        self._tell(line.decode("utf-8", errors="replace").rstrip("\r"))

    def _tell(self, line: str | None) -> None:
        try:
            self._loop.call_soon_threadsafe(self._lines.put_nowait, line)
        except RuntimeError:  # the loop has ended: nobody listens any more
            return
