"""Databases to measure on: fresh ones, on the given server or on an embedded one, and gone afterwards."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import msgspec

from gateway.app.bench.processes import Cost, cost_of
from gateway.store.embedded import EmbeddedPostgres


class Server(msgspec.Struct, frozen=True):
    """A running PostgreSQL. ``pid`` is 0 when it is not on this machine's account."""

    url: str
    version: str
    pid: int

    def cost(self) -> Cost:
        """What it has used; nothing when it runs elsewhere."""
        return cost_of([self.pid]) if self.pid else Cost(0.0, 0.0)


@asynccontextmanager
async def database_server(url: str, folder: Path) -> AsyncIterator[Server]:
    """The server at *url*; with an empty one, an embedded server in *folder* that ends with the bench."""
    if url:
        yield await _described(url, 0)
        return
    embedded = EmbeddedPostgres(folder / "pg")
    await embedded.start()
    try:
        pid = int((folder / "pg" / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0])
        yield await _described(embedded.dsn(), pid)
    finally:
        await embedded.stop()


@asynccontextmanager
async def database(server: Server, purpose: str) -> AsyncIterator[str]:
    """The address of a fresh database, which is dropped at the end."""
    name = f"tertulia_bench_{purpose}_{os.getpid()}"
    admin = await asyncpg.connect(server.url)
    try:
        await admin.execute(f"CREATE DATABASE {name}")
        try:
            yield urlsplit(server.url)._replace(path=f"/{name}").geturl()
        finally:
            await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    finally:
        await admin.close()


async def _described(url: str, pid: int) -> Server:
    connection = await asyncpg.connect(url)
    try:
        return Server(url, str(await connection.fetchval("SHOW server_version")), pid)
    finally:
        await connection.close()
