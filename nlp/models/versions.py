"""Where models lie: ``<bot>/<task>/v0007/`` in a folder or a bucket, each whole or invisible.

A version's number is claimed first, then its files are written, and its manifest last: without a manifest that
names them with their checksums, nothing is there. So a writer that is killed leaves nothing that could be loaded,
on any storage that fsspec knows.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

import fsspec
import msgspec
from fsspec.implementations.local import LocalFileSystem

from gateway.core.errors import Misconfigured, Unavailable
from nlp.encoder_names import asks_a_service

FORMAT = 1
INTENT = "intent"
SENTIMENT = "sentiment"
MANIFEST = "manifest.json"

_CLAIM = "claim"
_REMOVED = "removed"
_VERSION = re.compile(r"v(\d{4,9})")
_TASK = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_UNFINISHED_AFTER = timedelta(days=1)
_MOST_CLAIMS = 1_000


class ModelPlace(msgspec.Struct, frozen=True):
    """One bot and one task: what has its own versions and its own pointer."""

    bot: str
    task: str = INTENT

    def __str__(self) -> str:
        return f"{self.bot}/{self.task}"


class StoredFile(msgspec.Struct, frozen=True):
    sha256: str
    size_bytes: int


class Description(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known about a version besides its files.

    ``fingerprint`` names the examples that it was learnt from. ``metrics`` were measured out of fold; ``confusions``
    are (meant, understood, how often). ``by`` is who had it trained.
    """

    fingerprint: str
    trained_at: str
    labels: tuple[str, ...] = ()
    metrics: Mapping[str, float] = {}
    settings: Mapping[str, str | float | bool | None] = {}
    libraries: Mapping[str, str] = {}
    confusions: tuple[tuple[str, str, int], ...] = ()
    by: str = ""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The last file of a version to be written, and the first to be read."""

    format: int
    version: str
    place: ModelPlace
    about: Description
    files: Mapping[str, StoredFile]

    @property
    def number(self) -> int:
        return version_number(self.version)

    @property
    def encoder(self) -> str:
        """The sentence vectors that it reads beside the words; empty: none."""
        return str(self.about.settings.get("encoder", ""))

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files.values())


class _FormatOnly(msgspec.Struct, frozen=True):
    format: int


def holds_up_turns(task: str, encoder: str) -> bool:
    """Whether a model of *task* that reads vectors of *encoder* would make customers' turns wait for the network."""
    return task in {INTENT, SENTIMENT} and asks_a_service(encoder)


def place_of(bot_name: str, task: str = INTENT) -> ModelPlace:
    """The place of a bot's task. Raises ``Misconfigured`` for a task that could not be a folder's name."""
    if not _TASK.fullmatch(task):
        raise Misconfigured("task", f"{task!r} is no task: use a-z, 0-9, _ and -, at most 64 of them")
    return ModelPlace(_folder_name(bot_name), task)


def version_number(version: str) -> int:
    """7 of ``v0007``. Raises ``Misconfigured`` for anything else."""
    match = _VERSION.fullmatch(version)
    if match is None:
        raise Misconfigured("models", f"{version[:20]!r} is no version; `tertulia models list` shows them")
    return int(match[1])


class ModelVersions:
    """Stores and reads versions. Every call blocks, and raises ``Unavailable`` when the storage is away."""

    def __init__(self, url: str) -> None:
        """*url* is a folder or anything fsspec knows (``s3://bucket/prefix``). Raises ``Misconfigured``."""
        self.url = url
        try:
            self._files, self._root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise Misconfigured("models.url", f"cannot be opened: {error}") from error

    def names(self, place: ModelPlace) -> list[str]:
        """The whole versions of a place, oldest first, without reading them."""
        return [name for name in self._numbered(place) if self._exists(f"{self._path(place)}/{name}/{MANIFEST}")]

    def manifests(self, place: ModelPlace) -> list[Manifest]:
        """Every version that can be read, oldest first; those of another format are left out."""
        found: list[Manifest] = []
        for name in self.names(place):
            try:
                found.append(self.manifest(place, name))
            except Misconfigured:
                continue
        return found

    def manifest(self, place: ModelPlace, version: str) -> Manifest:
        """What is known about a version. Raises ``Misconfigured`` when it is not there, or not ours to read."""
        version_number(version)
        where = f"{place}/{version}"
        raw = self._read(f"{self._path(place)}/{version}/{MANIFEST}", where)
        try:
            made_by = msgspec.json.decode(raw, type=_FormatOnly).format
            if made_by != FORMAT:
                raise _broken(where, f"has format {made_by}, this release reads format {FORMAT}")
            manifest = msgspec.json.decode(raw, type=Manifest)
        except msgspec.MsgspecError as error:
            raise _broken(where, f"{MANIFEST} is not understood: {error}") from error
        if manifest.version != version or manifest.place.task != place.task:
            raise _broken(where, f"{MANIFEST} belongs to {manifest.place}/{manifest.version}")
        return manifest

    def read(self, place: ModelPlace, version: str) -> tuple[Manifest, dict[str, bytes]]:
        """A version with the content of its files, every one checked. Raises ``Misconfigured`` as ``manifest``."""
        manifest = self.manifest(place, version)
        where = f"{place}/{version}"
        files: dict[str, bytes] = {}
        for name, stored in manifest.files.items():
            if not _FILE.fullmatch(name):
                raise _broken(where, f"{MANIFEST} names a file {name[:40]!r}")
            content = self._read(f"{self._path(place)}/{version}/{name}", f"{where}/{name}")
            if len(content) != stored.size_bytes or _digest(content) != stored.sha256:
                raise _broken(where, f"{name} is not the file that was written (checksum differs)")
            files[name] = content
        return manifest, files

    def put(self, place: ModelPlace, files: Mapping[str, bytes], about: Description, *, after: int = 0) -> Manifest:
        """Store a new version under the next free number above *after*; it is there as a whole, or not at all."""
        version = self._claim(place, after)
        return self.put_as(place, version, files, about)

    def put_as(self, place: ModelPlace, version: str, files: Mapping[str, bytes], about: Description) -> Manifest:
        """Store a version under a name that is the caller's own. Files that were there without manifest are lost."""
        stored = {
            name: StoredFile(hashlib.sha256(content).hexdigest(), len(content)) for name, content in files.items()
        }
        manifest = Manifest(format=FORMAT, version=version, place=place, about=about, files=stored)
        folder = f"{self._path(place)}/{version}"
        with self._storage():
            self._files.makedirs(folder, exist_ok=True)
            for name, content in files.items():
                if not _FILE.fullmatch(name) or name in {MANIFEST, _CLAIM, _REMOVED}:
                    raise ValueError(f"no file of a model may be called {name!r}")
                self._write(f"{folder}/{name}", content)
            self._write(f"{folder}/{MANIFEST}", msgspec.json.format(msgspec.json.encode(manifest)))
            if self._files.exists(f"{folder}/{_CLAIM}"):
                self._files.rm_file(f"{folder}/{_CLAIM}")
        self._sweep(place)
        return manifest

    def remove(self, place: ModelPlace, version: str) -> None:
        """Remove a version for good: its manifest first, so that nobody begins to read it; what reads it fails clearly.

        Its number is never given again. Raises ``Misconfigured`` when it is not there.
        """
        version_number(version)
        folder = f"{self._path(place)}/{version}"
        if not self._exists(f"{folder}/{MANIFEST}"):
            raise _broken(f"{place}/{version}", f"{MANIFEST} is not there")
        with self._storage():
            self._files.pipe_file(f"{folder}/{_REMOVED}", b"")
            self._files.rm_file(f"{folder}/{MANIFEST}")
            self._files.invalidate_cache()
            for path in self._files.ls(folder, detail=False):
                if PurePosixPath(path).name != _REMOVED:
                    self._files.rm_file(path)
            if version != self._numbered(place)[-1]:
                self._files.rm(folder, recursive=True)  # a higher number keeps this one from being given again

    def by_fingerprint(self, place: ModelPlace, fingerprint: str) -> Manifest | None:
        """The newest version that was learnt from exactly these examples, of those that can serve."""
        found = (m for m in reversed(self.manifests(place)) if m.about.fingerprint == fingerprint)
        return next((each for each in found if not holds_up_turns(place.task, each.encoder)), None)

    def _claim(self, place: ModelPlace, after: int) -> str:
        """A number that nobody else gets: whoever creates the claim first has it."""
        taken = max((version_number(name) for name in self._numbered(place)), default=0)
        number = max(taken, after) + 1
        for candidate in range(number, number + _MOST_CLAIMS):
            version = f"v{candidate:04d}"
            if self._create(f"{self._path(place)}/{version}", _CLAIM):
                return version
        raise Unavailable(f"no version number is free in {self.url}")

    def _create(self, folder: str, name: str) -> bool:
        with self._storage():
            self._files.makedirs(folder, exist_ok=True)
            try:
                if isinstance(self._files, LocalFileSystem):
                    os.close(os.open(f"{folder}/{name}", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
                else:
                    self._files.pipe_file(f"{folder}/{name}", b"claimed", mode="create")
            except FileExistsError:
                return False
            return not self._files.exists(f"{folder}/{MANIFEST}")

    def _write(self, path: str, content: bytes) -> None:
        if not isinstance(self._files, LocalFileSystem):
            self._files.pipe_file(path, content)  # an object appears as a whole
            return
        partial = f"{path}.part"
        with Path(partial).open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(partial).replace(path)

    def _sweep(self, place: ModelPlace) -> None:
        """Remove what was begun a day ago and never became a version, and what is left of removed ones. Best effort.

        Called when there is a higher number.
        """
        for name in self._numbered(place)[:-1]:
            folder = f"{self._path(place)}/{name}"
            try:
                claim = f"{folder}/{_CLAIM}"
                if self._files.exists(f"{folder}/{MANIFEST}"):
                    continue
                if self._files.exists(f"{folder}/{_REMOVED}"):
                    self._files.rm(folder, recursive=True)
                    continue
                if not self._files.exists(claim):
                    continue
                if datetime.now(UTC) - _aware(self._files.modified(claim)) > _UNFINISHED_AFTER:
                    self._files.rm(folder, recursive=True)
            except (OSError, NotImplementedError):
                continue

    def _numbered(self, place: ModelPlace) -> list[str]:
        with self._storage():
            self._files.invalidate_cache()
            try:
                listed = self._files.ls(self._path(place), detail=False)
            except (FileNotFoundError, NotADirectoryError):
                return []
        names = {PurePosixPath(path).name for path in listed}
        return sorted((name for name in names if _VERSION.fullmatch(name)), key=version_number)

    def _path(self, place: ModelPlace) -> str:
        return f"{self._root}/{place.bot}/{place.task}"

    def _exists(self, path: str) -> bool:
        with self._storage():
            return bool(self._files.exists(path))

    def _read(self, path: str, where: str) -> bytes:
        with self._storage():
            try:
                return bytes(self._files.cat_file(path))
            except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
                raise _broken(where, f"{PurePosixPath(path).name} is not there") from None

    @contextmanager
    def _storage(self) -> Iterator[None]:
        try:
            yield
        except PermissionError as error:
            raise Misconfigured("models.url", f"{self.url}: {error.strerror or error}") from error
        except OSError as error:
            raise Unavailable(f"the models in {self.url} cannot be reached ({type(error).__name__})") from error


def _folder_name(name: str) -> str:
    """A name as a folder: plain letters and hyphens, and where that loses too much, a hash that keeps it apart."""
    plain = unicodedata.normalize("NFKD", name.lower()).encode("ascii", "ignore").decode()
    words = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:48]
    letters = sum(character.isalnum() for character in name)
    if words and len(words.replace("-", "")) == min(letters, 48):
        return words
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{words}-{digest}" if words else f"bot-{digest}"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _broken(where: str, detail: str) -> Misconfigured:
    return Misconfigured("models", f"{where}: {detail}; train again with `tertulia train`, or name another version")
