"""Where files lie: folders, globs and buckets through fsspec, with its errors said in words."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, cast

import fsspec
import msgspec

from gateway.core.errors import Misconfigured
from nlp.batch.job import Kind, Source

KINDS: dict[str, Kind] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
_BLOCK_BYTES = 1 << 20
_MAGIC = "*?["


class Found(msgspec.Struct, frozen=True):
    """The input files in the order of their names, and those that were passed over because of their names."""

    sources: tuple[Source, ...]
    ignored: tuple[str, ...]


@contextmanager
def storage_errors(what: str, place: str) -> Iterator[None]:
    """Turn what the file system or the bucket says into ``Misconfigured`` with *what* as its key."""
    try:
        yield
    except Misconfigured:
        raise
    except ImportError as error:
        raise Misconfigured(
            what, f"{place} needs a package that is not installed: pip install 'tertulia[s3]' ({error})"
        ) from error
    except FileNotFoundError as error:
        raise Misconfigured(what, f"there is no file or folder {place}") from error
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise Misconfigured(what, f"{place}: {getattr(error, 'strerror', None) or error}") from error
    except Exception as error:
        if not type(error).__module__.startswith(("botocore", "aiobotocore")):
            raise
        raise Misconfigured(what, f"{place}: {error}") from error


class Place:
    """A folder that is written to, local or not."""

    def __init__(self, url: str) -> None:
        with storage_errors("OUT", url):
            self._files, self._root = fsspec.core.url_to_fs(url)
        self.is_local = "file" in _protocols(self._files)
        self.url = url

    @property
    def root(self) -> str:
        """The folder's own path, without the protocol."""
        return str(self._root)

    def path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def prepare(self, *folders: str) -> None:
        """Make the folder and those below it. Buckets have none, and are not made because of a slip in a name."""
        if not self.is_local:
            return
        with storage_errors("OUT", self.url):
            for folder in ("", *folders):
                self._files.makedirs(self.path(folder).rstrip("/"), exist_ok=True)

    def names(self) -> list[str]:
        """What lies directly in the folder; empty when there is no such folder."""
        with storage_errors("OUT", self.url):
            self._files.invalidate_cache()
            if not self._files.exists(self._root):
                return []
            if not self._files.isdir(self._root):
                raise Misconfigured("OUT", f"{self.url} is a file; name a folder")
            return sorted(
                name
                for path in self._files.ls(self._root, detail=False)
                if (name := str(path).rstrip("/").rsplit("/", 1)[-1])
            )

    def names_in(self, folder: str) -> list[str]:
        """The files of a folder below."""
        with storage_errors("OUT", self.url):
            if not self._files.exists(self.path(folder)):
                return []
            return sorted(str(path).rsplit("/", 1)[-1] for path in self._files.ls(self.path(folder), detail=False))

    def read(self, name: str) -> bytes:
        """Raises ``FileNotFoundError``."""
        content: bytes = self._files.cat_file(self.path(name))
        return content

    def write(self, name: str, content: bytes) -> None:
        """All of it or nothing: aside first, then in place of whatever is there."""
        with storage_errors("OUT", self.path(name)):
            aside = self.aside(name)
            with self._files.open(self.path(aside), "wb") as file:
                file.write(content)
                flush(file)
            self.move(aside, name)

    def aside(self, name: str) -> str:
        """Where a file of that name is written before it is moved; of this process alone. Buckets write at once."""
        return f"_aside/{name.replace('/', '-')}.{os.getpid()}" if self.is_local else name

    def open(self, name: str) -> IO[bytes]:
        """A new file, for writing."""
        opened: IO[bytes] = self._files.open(self.path(name), "wb")
        return opened

    def move(self, name: str, target: str) -> None:
        """Put a file in its place at once."""
        if name != target:
            os.replace(self.path(name), self.path(target))  # noqa: PTH105  # both are plain strings of fsspec

    def remove(self, name: str) -> None:
        """A file or a folder with all that it holds; one that is not there is fine."""
        with storage_errors("OUT", self.path(name)):
            if self._files.exists(self.path(name)):
                self._files.rm(self.path(name), recursive=True)

    def checksum(self, name: str) -> tuple[int, str]:
        """Size and SHA-256 of a file; ``(-1, "")`` when there is none."""
        try:
            with self._files.open(self.path(name), "rb") as file:
                return digest(file)
        except FileNotFoundError:
            return -1, ""


def flush(file: IO[bytes]) -> None:
    """Onto the disk, where there is one."""
    file.flush()
    try:
        os.fsync(file.fileno())
    except (AttributeError, OSError):  # a bucket's file: it is stored when it is closed
        return


def state_of(url: str) -> str:
    """Differs when a file was written again; cheap. Raises as :func:`storage_errors` says."""
    with storage_errors("IN", url):
        files, path = fsspec.core.url_to_fs(url)
        return str(files.ukey(path))


def digest(file: IO[bytes]) -> tuple[int, str]:
    """Size and SHA-256 of what is left to read."""
    hashed, size = hashlib.sha256(), 0
    while block := file.read(_BLOCK_BYTES):
        hashed.update(block)
        size += len(block)
    return size, hashed.hexdigest()


def absolute(url: str) -> str:
    """The address with its protocol, or the absolute path of a local one."""
    with storage_errors("OUT", url):
        files, root = fsspec.core.url_to_fs(url)
    return str(root).rstrip("/") if "file" in _protocols(files) else str(files.unstrip_protocol(root)).rstrip("/")


def find_sources(url: str) -> Found:
    """The files that *url* means: one file, a folder with all below it, or a glob.

    Names with ``_`` or ``.`` in front are never input (the results of another run lie in such). Raises
    ``Misconfigured`` when there is nothing to read.
    """
    with storage_errors("IN", url):
        files, root = fsspec.core.url_to_fs(url)
        paths, base = _paths(files, root, url)
        wanted = [path for path in paths if kind_of(path) is not None]
        ignored = tuple(_relative(path, base) for path in paths if kind_of(path) is None)
        if not wanted:
            raise Misconfigured("IN", _nothing(url, ignored))
        return Found(tuple(_source(files, path, base) for path in wanted), ignored)


def _paths(files: fsspec.AbstractFileSystem, root: str, url: str) -> tuple[list[str], str]:
    """All files that are meant, sorted, and what their names are relative to."""
    if files.isfile(root):
        return [root], root.rpartition("/")[0]
    if files.isdir(root):
        return sorted(path for path in files.find(root) if _is_visible(path, root)), root
    if not any(sign in url for sign in _MAGIC):
        raise FileNotFoundError(url)
    base = root[: min(root.index(sign) for sign in _MAGIC if sign in root)].rpartition("/")[0]
    return sorted(path for path in files.glob(root) if files.isfile(path) and _is_visible(path, base)), base


def _is_visible(path: str, base: str) -> bool:
    return not any(part.startswith(("_", ".")) for part in _relative(path, base).split("/"))


def _relative(path: str, base: str) -> str:
    return path.removeprefix(base).lstrip("/")


def _nothing(url: str, ignored: tuple[str, ...]) -> str:
    known = ", ".join(KINDS)
    seen = f" (there is {', '.join(ignored[:3])}{' …' if len(ignored) > 3 else ''})" if ignored else ""
    return f"{url} holds no file to read{seen}: {known} are read, all but Parquet also with .gz after it"


def _source(files: fsspec.AbstractFileSystem, path: str, base: str) -> Source:
    kind = kind_of(path)
    assert kind is not None  # noqa: S101  # asked before
    return Source(
        url=files.unstrip_protocol(path),
        name=_relative(path, base),
        kind=kind,
        is_gzipped=path.lower().endswith(".gz"),
        size_bytes=int(files.size(path) or 0),
    )


def kind_of(path: str) -> Kind | None:
    """By the name's ending; ``None`` when it is none of ours."""
    name = path.rsplit("/", 1)[-1].lower()
    plain = name.removesuffix(".gz")
    kind = KINDS.get(f".{plain.rpartition('.')[2]}") if "." in plain else None
    return None if kind == "parquet" and plain != name else kind


@contextmanager
def opened(url: str, *, is_gzipped: bool) -> Iterator[IO[bytes]]:
    """A file for reading, unzipped."""
    files, path = fsspec.core.url_to_fs(url)
    with files.open(path, "rb") as raw:
        if not is_gzipped:
            yield cast("IO[bytes]", raw)
            return
        with gzip.GzipFile(fileobj=raw, mode="rb") as unzipped:
            yield cast("IO[bytes]", io.BufferedReader(unzipped))


def _protocols(files: fsspec.AbstractFileSystem) -> tuple[str, ...]:
    protocol = files.protocol
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)
