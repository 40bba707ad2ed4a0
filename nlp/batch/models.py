"""Which model a task means, and how it is opened: the one place where batch knows how models are kept."""

from __future__ import annotations

import hashlib
from pathlib import Path

from gateway.core.errors import Misconfigured
from nlp.batch.job import ModelRef
from nlp.intents import Model, latest_version, load

INTENT = "intent"


def locate(models: Path, task: str, version: str = "") -> ModelRef:
    """The model of a *task* (empty *version*: the one that serves). Raises ``Misconfigured`` when there is none."""
    folder = _folder(models, task)
    version = version or latest_version(folder)
    place = folder / version
    if not version or not place.is_dir():
        named = f"version {version}" if version else "a model"
        raise Misconfigured("--task", f"there is no {named} of '{task}' in {folder}: run `{_how(task)}`")
    return ModelRef(task, str(folder), version, _fingerprint(place))


def open_model(ref: ModelRef) -> Model:
    """The model itself. Raises ``Misconfigured`` when its files are not those that were located."""
    folder = Path(ref.folder)
    if _fingerprint(folder / ref.version) != ref.fingerprint:
        raise Misconfigured("--model", f"{folder / ref.version} is not what it was when the job began")
    return load(folder, ref.version)


def _folder(models: Path, task: str) -> Path:
    own = models / task
    return models if task == INTENT and not own.is_dir() else own


def _how(task: str) -> str:
    return "tertulia train" if task == INTENT else f"tertulia train --task {task}"


def _fingerprint(place: Path) -> str:
    """The hash of a version's files with their names; empty when there are none."""
    try:
        files = sorted(path for path in place.iterdir() if path.is_file())
        hashed = hashlib.sha256()
        for path in files:
            hashed.update(f"{path.name} {path.stat().st_size}\n".encode())
            hashed.update(path.read_bytes())
    except OSError:
        return ""
    return hashed.hexdigest()[:16] if files else ""
