"""Brings over the models of earlier releases: one folder, and in it a file ``latest`` that named the live one."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path

import msgspec
import structlog

from gateway.core.errors import Misconfigured
from nlp.models.versions import INTENT, MANIFEST, Description, ModelPlace, ModelVersions

log = structlog.get_logger(__name__)

_VERSION = re.compile(r"v\d{4,9}")
_LATEST = "latest"
_FILES = ("model.json", "weights.npz")


class _Info(msgspec.Struct, frozen=True):
    fingerprint: str = ""
    trained_at: str = ""
    intents: tuple[str, ...] = ()
    metrics: dict[str, float] = {}
    settings: dict[str, str | float] = {}
    libraries: dict[str, str] = {}


class _Model(msgspec.Struct, frozen=True):
    weights_sha256: str
    info: _Info


def has_old_models(folder: Path) -> bool:
    """Whether there is anything of an earlier release in *folder*."""
    return (folder / _LATEST).is_file() or bool(_old(folder))


def adopt(folder: Path, versions: ModelVersions, place: ModelPlace) -> str:
    """Move each model of *folder* into *versions* under its own number; returns the one that ``latest`` named, if any.

    A folder goes only when its copy is whole. What cannot be read stays where it is and is logged. Repeating it,
    after a kill for instance, does no harm.
    """
    if place.task != INTENT:
        return ""
    adopted: list[str] = []
    for old in _old(folder):
        try:
            files = {name: (old / name).read_bytes() for name in _FILES}
            model = msgspec.json.decode(files["model.json"], type=_Model)
        except (OSError, msgspec.MsgspecError) as error:
            log.warning("old_model_left", folder=str(old), reason=type(error).__name__)
            continue
        if hashlib.sha256(files["weights.npz"]).hexdigest() != model.weights_sha256:
            log.warning("old_model_left", folder=str(old), reason="checksum differs")
            continue
        if old.name not in versions.names(place):
            versions.put_as(place, old.name, files, _about(model.info))
        versions.read(place, old.name)
        shutil.rmtree(old)
        adopted.append(old.name)
        log.info("old_model_adopted", version=old.name)
    return _latest(folder, versions, place)


def _old(folder: Path) -> list[Path]:
    """Folders of versions that stand in the root itself, and are not of the present form."""
    if not folder.is_dir():
        return []
    found = (path for path in folder.iterdir() if _VERSION.fullmatch(path.name) and path.is_dir())
    return sorted(path for path in found if (path / "model.json").is_file() and not (path / MANIFEST).exists())


def _latest(folder: Path, versions: ModelVersions, place: ModelPlace) -> str:
    """What the file names, if that is there now; then the file is not needed any more."""
    try:
        version = (folder / _LATEST).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
    try:
        versions.manifest(place, version)
    except Misconfigured:
        log.warning("old_latest_left", named=version[:20])
        return ""
    (folder / _LATEST).unlink(missing_ok=True)
    return version


def _about(info: _Info) -> Description:
    return Description(
        fingerprint=info.fingerprint,
        trained_at=info.trained_at,
        labels=info.intents,
        metrics=info.metrics,
        settings=info.settings,
        libraries=info.libraries,
        by="an earlier release",
    )
