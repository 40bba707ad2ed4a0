"""Files that customers send: fetched apart from their message, once, and explained when they cannot be had."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import msgspec
from paper_provider import PaperClient, said
from pipeline_process import Process, StartProcess

from gateway.core.channel import RemoteFile
from gateway.core.errors import Retry
from gateway.core.messages import Media, Text, decode_parts
from gateway.core.news import News
from gateway.router.media import MediaFetcher, MediaSettings
from gateway.store.blobs import Blobs


def fetcher(process: Process, folder: Path, *, max_bytes: int = 100) -> MediaFetcher:
    settings = MediaSettings(max_bytes=max_bytes, max_attempts=2, timeout_s=5, at_once=4)
    return MediaFetcher(settings, process.database, process.endpoints, Blobs(str(folder)), News())


async def photo(process: Process) -> None:
    parts = (Text("look"), Media(kind="image", provider_ref="file-9", caption="receipt"))
    await process.accept(msgspec.structs.replace(said("ana", 1), parts=parts))
    await process.finish()


async def test_a_file_is_fetched_and_its_part_names_it(
    start: StartProcess, sql: asyncpg.Connection, tmp_path: Path
) -> None:
    one = await start()
    one.client.files["file-9"] = b"picture"
    await photo(one)
    media = fetcher(one, tmp_path)
    await media.step()
    await media.step()
    parts = decode_parts(await sql.fetchval("SELECT parts::text FROM message WHERE seq = 1"))
    assert isinstance(parts[1], Media)
    assert (parts[1].caption, parts[1].provider_ref, parts[1].size_bytes) == ("receipt", "file-9", 7)
    assert b"".join([chunk async for chunk in Blobs(str(tmp_path)).read(parts[1].blob)]) == b"picture"
    assert await sql.fetchval("SELECT count(*) FROM media_job") == 0


async def test_a_file_that_is_too_large_leaves_nothing_behind_and_is_explained(
    start: StartProcess, sql: asyncpg.Connection, tmp_path: Path
) -> None:
    one = await start()
    one.client.files["file-9"] = b"x" * 101
    await photo(one)
    await fetcher(one, tmp_path).step()
    assert "too_large" in await sql.fetchval("SELECT failed_reason FROM media_job")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert one.client.calls[0] == ("ana", "re: look"), "the answer did not wait for the file"


async def test_a_file_is_tried_again_and_then_given_up(
    start: StartProcess, sql: asyncpg.Connection, tmp_path: Path
) -> None:
    class Flaky(PaperClient):
        async def fetch(self, account: str, provider_ref: str) -> RemoteFile:
            raise Retry("busy", after_s=0.001)

    one = await start(client=Flaky())
    await photo(one)
    media = fetcher(one, tmp_path)
    for _ in range(3):
        await sql.execute("UPDATE media_job SET due_at = now()")
        await media.step()
    assert await sql.fetchval("SELECT attempts FROM media_job") == 2
    assert "tried 2 times" in await sql.fetchval("SELECT failed_reason FROM media_job")


async def test_the_same_bytes_are_stored_once(tmp_path: Path) -> None:
    blobs = Blobs(str(tmp_path))

    async def chunks() -> object:
        for chunk in (b"ab", b"cd"):
            yield chunk

    first = await blobs.put(chunks(), max_bytes=10)  # type: ignore[arg-type]
    again = await blobs.put(chunks(), max_bytes=10)  # type: ignore[arg-type]
    assert first == again
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1
