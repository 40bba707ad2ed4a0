"""Models as versioned folders: ``v0001/`` with ``weights.npz`` and ``model.json``, and a ``latest`` that names one.

A version is written aside and moved into place, so that a reader sees all of it or nothing; nothing is pickled.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.core.errors import Misconfigured
from nlp.intents.machine import Machine
from nlp.intents.model import Model, ModelInfo, Weights
from nlp.intents.network import Network
from nlp.intents.options import DEFAULTS, FitOptions
from nlp.training_data import TrainingData

FORMAT = 2
_LATEST = "latest"
_WEIGHTS = "weights.npz"
_MODEL = "model.json"
_VERSION = re.compile(r"v(\d{4,})")


class _Stored(msgspec.Struct, frozen=True):
    """The content of ``model.json``."""

    format: int
    weights_sha256: str
    info: ModelInfo


class _FormatOnly(msgspec.Struct, frozen=True):
    format: int


def train(
    data: TrainingData,
    folder: Path,
    *,
    trained_at: datetime | None = None,
    report: Callable[[str], None] = lambda _line: None,
    options: FitOptions = DEFAULTS,
) -> Model:
    """Train on *data*, store the model as the next version in *folder*, and make it the latest.

    Takes seconds of one core (docs/benchmarks.md, Understanding). Raises ``Misconfigured``.
    """
    from nlp.intents.training import fit

    info, weights = fit(data, trained_at or datetime.now(UTC), report, options)
    model = keep(folder, info, weights)
    report(f"{model.info.version}: accuracy {info.metrics['accuracy']:.1%} on texts it had not seen")
    return model


def keep(folder: Path, info: ModelInfo, weights: Weights) -> Model:
    """Store what was fitted as the next version in *folder*, and make it the latest."""
    version = _write(folder, info, weights)
    point_latest(folder, version)
    return Model(msgspec.structs.replace(info, version=version), weights)


def load(folder: Path, version: str = "") -> Model:
    """The model of a *version* (empty: the latest). Raises ``Misconfigured`` when it is not there or not whole."""
    version = version or latest_version(folder)
    if not version:
        raise Misconfigured("models", f"no model in {folder}: run `tertulia train`")
    place = folder / version
    try:
        described = (place / _MODEL).read_bytes()
        packed = (place / _WEIGHTS).read_bytes()
    except OSError as error:
        raise _broken(place, f"{error.filename}: {error.strerror}") from error
    stored = _decode(place, described)
    if hashlib.sha256(packed).hexdigest() != stored.weights_sha256:
        raise _broken(place, f"{_WEIGHTS} is not the file that was written (checksum differs)")
    return Model(msgspec.structs.replace(stored.info, version=version), _unpack(place, packed, stored.info))


def pack(info: ModelInfo, weights: Weights) -> dict[str, bytes]:
    """A model as files, by name: what :func:`unpack` reads, wherever they were kept."""
    packed = _pack(weights)
    stored = _Stored(FORMAT, hashlib.sha256(packed).hexdigest(), info)
    return {_MODEL: msgspec.json.format(msgspec.json.encode(stored)), _WEIGHTS: packed}


def unpack(files: Mapping[str, bytes]) -> Model:
    """The model that these files are. Raises ``Misconfigured`` when one is missing, damaged or of another format."""
    place = Path("model")
    if missing := sorted({_MODEL, _WEIGHTS} - set(files)):
        raise _broken(place, f"{', '.join(missing)}: not there")
    stored = _decode(place, files[_MODEL])
    if hashlib.sha256(files[_WEIGHTS]).hexdigest() != stored.weights_sha256:
        raise _broken(place, f"{_WEIGHTS} is not the file that was written (checksum differs)")
    return Model(stored.info, _unpack(place, files[_WEIGHTS], stored.info))


def load_or_train(data: TrainingData, folder: Path, options: FitOptions = DEFAULTS) -> Model:
    """The latest model when it was learnt from exactly this *data*, else a new one."""
    if latest_version(folder):
        model = load(folder)
        if model.info.fingerprint == data.fingerprint:
            return model
    return train(data, folder, options=options)


def latest_version(folder: Path) -> str:
    """The version that ``latest`` names; empty when there is none. Raises ``Misconfigured`` when it names nonsense."""
    try:
        version = (folder / _LATEST).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise _broken(folder / _LATEST, str(error)) from error
    if not _VERSION.fullmatch(version):
        raise _broken(folder / _LATEST, f"does not name a version: {version[:20]!r}")
    return version


def point_latest(folder: Path, version: str) -> None:
    """Make *version* the one that ``load`` takes, at once for every reader."""
    handle, name = tempfile.mkstemp(dir=folder, prefix=".latest-")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(version + "\n")
        file.flush()
        os.fsync(file.fileno())
    Path(name).replace(folder / _LATEST)


def _write(folder: Path, info: ModelInfo, weights: Weights) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    packed = _pack(weights)
    described = msgspec.json.format(msgspec.json.encode(_Stored(FORMAT, hashlib.sha256(packed).hexdigest(), info)))
    aside = Path(tempfile.mkdtemp(dir=folder, prefix=".training-"))
    try:
        for name, content in ((_WEIGHTS, packed), (_MODEL, described)):
            with (aside / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        aside.chmod(0o755)
        return _move_into_place(folder, aside)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _move_into_place(folder: Path, aside: Path) -> str:
    """The next free version; another trainer may take a number first, then the one after it is tried."""
    numbers = [int(match[1]) for path in folder.iterdir() if (match := _VERSION.fullmatch(path.name))]
    number = max(numbers, default=0) + 1
    while True:
        version = f"v{number:04d}"
        try:
            aside.rename(folder / version)
        except OSError:
            if not (folder / version).exists():
                raise
            number += 1
        else:
            return version


def _pack(weights: Weights) -> bytes:
    machine, network = weights.machine, weights.machine.network
    arrays: dict[str, NDArray[np.generic]] = {
        "words": _joined(weights.words),
        "grams": _joined(weights.grams),
        "idf": weights.idf,
        "linear": machine.linear.astype(np.float16),
        "bias": machine.bias,
        "texts": _joined([text.replace("\n", " ") for text in weights.texts]),
        "labels": weights.labels.astype(np.int32),
    }
    if network is not None:
        arrays |= {
            "columns": machine.columns.astype(np.int32),
            "first": network.first.astype(np.float16),
            "first_bias": network.first_bias,
            "second": network.second.astype(np.float16),
            "second_bias": network.second_bias,
            "kept": machine.kept.astype(np.uint8),
        }
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _unpack(place: Path, packed: bytes, info: ModelInfo) -> Weights:
    try:
        with np.load(io.BytesIO(packed), allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
        weights = _weights(found)
    except (KeyError, ValueError, IndexError, EOFError, zipfile.BadZipFile, UnicodeDecodeError) as error:
        raise _broken(place, f"{_WEIGHTS} cannot be read: {error}") from error
    if not _belong_together(weights, info):
        raise _broken(place, f"{_WEIGHTS} and {_MODEL} do not belong together")
    return weights


def _weights(found: Mapping[str, NDArray[np.generic]]) -> Weights:
    def floats(name: str) -> NDArray[np.float32]:
        return found[name].astype(np.float32)

    network = columns = kept = None
    if "first" in found:
        network = Network(floats("first"), floats("first_bias"), floats("second"), floats("second_bias"))
        columns, kept = found["columns"].astype(np.int64), floats("kept")
    machine = Machine(floats("linear"), floats("bias"), network, columns, kept)
    texts, labels = _split(found["texts"].astype(np.uint8)), found["labels"].astype(np.int64)
    words, grams = (_split(found[name].astype(np.uint8)) for name in ("words", "grams"))
    return Weights(words, grams, floats("idf"), machine, texts, labels)


def _belong_together(weights: Weights, info: ModelInfo) -> bool:
    machine, network = weights.machine, weights.machine.network
    n_features, n_labels = len(weights.words) + len(weights.grams), len(info.intents)
    head = info.calibration.head
    is_head_whole = len({len(part) for part in (head.names, head.means, head.spreads, head.weights)}) == 1
    if network is not None:
        n_columns, n_hidden = network.first.shape
        is_network_whole = (
            len(machine.columns) == n_columns
            and network.first_bias.shape == (n_hidden,)
            and network.second.shape == (n_hidden, n_labels)
            and network.second_bias.shape == (n_labels,)
            and machine.kept.shape[1:] == (n_hidden,)
        )
    return (
        (network is None or is_network_whole)
        and is_head_whole
        and head.names == machine.signal_names
        and weights.idf.shape == (n_features,)
        and machine.linear.shape[1:] == (n_labels,)
        and len(machine.linear) - n_features == _dense_columns(info)
        and machine.bias.shape == (n_labels,)
        and len(weights.texts) == len(weights.labels)
        and bool((weights.labels < n_labels).all())
    )


def _dense_columns(info: ModelInfo) -> int:
    """How many columns of sentence vectors the model reads after its n-grams."""
    return int(info.settings.get("dense_size", 0))


def _decode(place: Path, described: bytes) -> _Stored:
    try:
        made_by = msgspec.json.decode(described, type=_FormatOnly).format
        if made_by != FORMAT:
            raise _broken(place, f"has format {made_by}, this release reads format {FORMAT}")
        return msgspec.json.decode(described, type=_Stored)
    except msgspec.MsgspecError as error:
        raise _broken(place, f"{_MODEL} is not understood: {error}") from error


def _joined(ngrams: Sequence[str]) -> NDArray[np.uint8]:
    """N-grams hold no line breaks (blanks were normalised away), so a line each will do."""
    return np.frombuffer("\n".join(ngrams).encode("utf-8", "surrogatepass"), dtype=np.uint8)


def _split(joined: NDArray[np.uint8]) -> list[str]:
    text = joined.tobytes().decode("utf-8", "surrogatepass")
    return text.split("\n") if text else []


def _broken(place: Path, detail: str) -> Misconfigured:
    return Misconfigured("models", f"{place}: {detail}; train again with `tertulia train`, or name another version")
