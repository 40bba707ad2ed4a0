"""Which model a task means, and how it is opened: the one place where batch knows how models are kept."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from gateway.core.errors import Misconfigured
from nlp.batch.job import ModelRef
from nlp.intents import Model
from nlp.models.serving import load
from nlp.models.versions import INTENT, Manifest, ModelPlace, ModelVersions

if TYPE_CHECKING:
    from nlp.entities.tagger import Tagger


def locate(versions: ModelVersions, place: ModelPlace, version: str = "") -> ModelRef:
    """The model of a place, the newest when *version* is empty. Raises ``Misconfigured`` when there is none."""
    names = versions.names(place)
    if not names or (version and version not in names):
        option = "" if place.task == INTENT else f" --task {place.task}"
        named = f"version {version}" if version else "model"
        raise Misconfigured(
            "--task", f"there is no {named} of '{place.task}' in {versions.url}: `tertulia train{option}`"
        )
    manifest = versions.manifest(place, version or names[-1])
    return ModelRef(place.task, versions.url, place.bot, manifest.version, _fingerprint(manifest))


def open_model(ref: ModelRef) -> Model:
    """The model itself, every file checked. Raises ``Misconfigured`` when it is not the one that was located."""
    loaded = load(ModelVersions(ref.url), ModelPlace(ref.bot, ref.task), ref.version)
    if _fingerprint(loaded.manifest) != ref.fingerprint:
        raise Misconfigured("--model", f"{ref.bot}/{ref.task}/{ref.version} is not what it was when the job began")
    return loaded.model


def open_tagger(refs: Sequence[ModelRef]) -> Tagger | None:
    """What finds annotated entities, kept with the intents' model; ``None`` where there is none among *refs*."""
    from nlp.entities.storage import unpack

    for ref in refs:
        if ref.task == INTENT:
            _, files = ModelVersions(ref.url).read(ModelPlace(ref.bot, ref.task), ref.version)
            return unpack(files)
    return None


def _fingerprint(manifest: Manifest) -> str:
    """The hash of a version's files with their names."""
    files = {name: file.sha256 for name, file in manifest.files.items()}
    return hashlib.sha256(msgspec.json.encode(files, order="deterministic")).hexdigest()[:16]
