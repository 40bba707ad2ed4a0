"""Files by the hash of their content, in a folder or a bucket: what fsspec can open."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator
from typing import IO

import fsspec
import msgspec

from gateway.core.errors import GiveUp

CHUNK_BYTES = 256 * 1024


class Blob(msgspec.Struct, frozen=True):
    key: str
    size_bytes: int


class Blobs:
    """``url`` is a folder or anything fsspec knows (``s3://bucket/prefix``)."""

    def __init__(self, url: str) -> None:
        self._files, self._root = fsspec.core.url_to_fs(url)

    async def put(self, chunks: AsyncIterator[bytes], *, max_bytes: int) -> Blob:
        """Store a stream under the hash of its bytes; the same bytes twice are stored once.

        Raises ``GiveUp`` when there are more than *max_bytes*; then nothing is stored.
        """
        digest, size = hashlib.sha256(), 0
        with tempfile.SpooledTemporaryFile(max_size=4 * CHUNK_BYTES) as spool:
            async for chunk in chunks:
                size += len(chunk)
                if size > max_bytes:
                    raise GiveUp("too_large", f"the file has more than {max_bytes} bytes")
                digest.update(chunk)
                await asyncio.to_thread(spool.write, chunk)
            name = digest.hexdigest()
            key = f"{name[:2]}/{name[2:]}"
            spool.seek(0)
            await asyncio.to_thread(self._store, key, spool)
        return Blob(key, size)

    async def read(self, key: str, *, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """The bytes of a blob, or those from *start* up to *stop*. Raises ``LookupError`` when there is none."""
        file = await asyncio.to_thread(self._open, key)
        try:
            if start:
                await asyncio.to_thread(file.seek, start)
            left = CHUNK_BYTES if stop is None else stop - start
            while chunk := await asyncio.to_thread(file.read, min(CHUNK_BYTES, left)):
                yield chunk
                if stop is not None:
                    left -= len(chunk)
        finally:
            await asyncio.to_thread(file.close)

    async def size(self, key: str) -> int:
        """How many bytes a blob has. Raises ``LookupError`` when there is none."""
        try:
            return int(await asyncio.to_thread(self._files.size, f"{self._root}/{key}"))
        except FileNotFoundError:
            raise LookupError(f"no blob {key}") from None

    def _store(self, key: str, spool: IO[bytes]) -> None:
        path = f"{self._root}/{key}"
        if self._files.exists(path):
            return
        self._files.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
        # Written beside its place and moved there, so that nobody ever reads half a file.
        partial = f"{path}.{id(spool):x}.part"
        with self._files.open(partial, "wb") as target:
            while chunk := spool.read(CHUNK_BYTES):
                target.write(chunk)
        self._files.mv(partial, path)

    def _open(self, key: str) -> IO[bytes]:
        try:
            opened: IO[bytes] = self._files.open(f"{self._root}/{key}", "rb")
        except FileNotFoundError:
            raise LookupError(f"no blob {key}") from None
        return opened
