"""A tagger as files, for whoever keeps them: ``entities.json`` (names and figures) and ``entities.npz`` (weights)."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping

import msgspec
import numpy as np

from gateway.core.errors import Misconfigured
from nlp.entities.tagger import Tag, Tagger, TaggerInfo, TaggerWeights

FORMAT = 1
INFO_FILE, WEIGHTS_FILE = "entities.json", "entities.npz"
MOST_BYTES = 200_000_000
"""A file of weights that unfolds to more is not one of ours."""


class _Stored(msgspec.Struct, frozen=True):
    """The content of ``entities.json``."""

    format: int
    weights_sha256: str
    info: TaggerInfo


class _FormatOnly(msgspec.Struct, frozen=True):
    format: int


def pack(tagger: Tagger | None) -> dict[str, bytes]:
    """File name to content; nothing where there is no tagger."""
    if tagger is None:
        return {}
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        emissions=tagger.weights.emissions.astype(np.float16),
        transitions=tagger.weights.transitions.astype(np.float32),
    )
    weights = buffer.getvalue()
    stored = _Stored(FORMAT, hashlib.sha256(weights).hexdigest(), tagger.info)
    return {INFO_FILE: msgspec.json.encode(stored), WEIGHTS_FILE: weights}


def unpack(files: Mapping[str, bytes]) -> Tagger | None:
    """The tagger; ``None`` where none was packed. Raises ``Misconfigured`` when a file is missing or not ours."""
    described, packed = files.get(INFO_FILE), files.get(WEIGHTS_FILE)
    if described is None and packed is None:
        return None
    if described is None or packed is None:
        missing = INFO_FILE if described is None else WEIGHTS_FILE
        raise _broken(missing, "is missing")
    stored = _decoded(described)
    if hashlib.sha256(packed).hexdigest() != stored.weights_sha256:
        raise _broken(WEIGHTS_FILE, "is not the file that was written (checksum differs)")
    info = stored.info
    if Tag() not in info.tags or len(set(info.tags)) != len(info.tags):
        raise _broken(INFO_FILE, "names its tags wrongly")
    return Tagger(info, _weights(packed, (len(info.features), len(info.tags))))


def _decoded(described: bytes) -> _Stored:
    try:
        found = msgspec.json.decode(described, type=_FormatOnly).format
        if found != FORMAT:
            raise _broken(INFO_FILE, f"has format {found}, this version reads {FORMAT}: train again")
        return msgspec.json.decode(described, type=_Stored)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _broken(INFO_FILE, f"is not understood: {error}") from error


def _weights(packed: bytes, shape: tuple[int, int]) -> TaggerWeights:
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            if sum(member.file_size for member in archive.infolist()) > MOST_BYTES:
                raise _broken(WEIGHTS_FILE, "unfolds to more than a tagger can be")
        with np.load(io.BytesIO(packed), allow_pickle=False) as arrays:
            weights = TaggerWeights(arrays["emissions"].astype(np.float32), arrays["transitions"].astype(np.float32))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise _broken(WEIGHTS_FILE, f"is not understood: {error}") from error
    if weights.emissions.shape != shape or weights.transitions.shape != (shape[1], shape[1]):
        raise _broken(WEIGHTS_FILE, "does not fit its names")
    if not (np.isfinite(weights.emissions).all() and np.isfinite(weights.transitions).all()):
        raise _broken(WEIGHTS_FILE, "holds what is no number")
    return weights


def _broken(file: str, what: str) -> Misconfigured:
    return Misconfigured("models", f"{file} {what}")
