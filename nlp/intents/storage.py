"""A model as files: ``model.json`` and ``weights.npz``. Nothing is pickled, and nothing is believed unread.

Where they are kept is the business of :mod:`nlp.models`.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.core.errors import Misconfigured
from nlp.intents.machine import Machine
from nlp.intents.model import Model, ModelInfo, Weights
from nlp.intents.network import Network

FORMAT = 2
_WEIGHTS = "weights.npz"
_MODEL = "model.json"


class _Stored(msgspec.Struct, frozen=True):
    """The content of ``model.json``."""

    format: int
    weights_sha256: str
    info: ModelInfo


class _FormatOnly(msgspec.Struct, frozen=True):
    format: int


def pack(info: ModelInfo, weights: Weights) -> dict[str, bytes]:
    """A model as files, by name: what :func:`unpack` reads, wherever they were kept."""
    packed = _pack(weights)
    stored = _Stored(FORMAT, hashlib.sha256(packed).hexdigest(), info)
    return {_MODEL: msgspec.json.format(msgspec.json.encode(stored)), _WEIGHTS: packed}


def unpack(files: Mapping[str, bytes]) -> Model:
    """The model that these files are. Raises ``Misconfigured`` when one is missing, damaged or of another format."""
    if missing := sorted({_MODEL, _WEIGHTS} - set(files)):
        raise _broken(f"{', '.join(missing)}: not there")
    stored = _decode(files[_MODEL])
    if hashlib.sha256(files[_WEIGHTS]).hexdigest() != stored.weights_sha256:
        raise _broken(f"{_WEIGHTS} is not the file that was written (checksum differs)")
    return Model(stored.info, _unpack(files[_WEIGHTS], stored.info))


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


def _unpack(packed: bytes, info: ModelInfo) -> Weights:
    try:
        with np.load(io.BytesIO(packed), allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
        weights = _weights(found)
    except (KeyError, ValueError, IndexError, EOFError, zipfile.BadZipFile, UnicodeDecodeError) as error:
        raise _broken(f"{_WEIGHTS} cannot be read: {error}") from error
    if not _belong_together(weights, info):
        raise _broken(f"{_WEIGHTS} and {_MODEL} do not belong together")
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


def _decode(described: bytes) -> _Stored:
    try:
        made_by = msgspec.json.decode(described, type=_FormatOnly).format
        if made_by != FORMAT:
            raise _broken(f"has format {made_by}, this release reads format {FORMAT}")
        return msgspec.json.decode(described, type=_Stored)
    except msgspec.MsgspecError as error:
        raise _broken(f"{_MODEL} is not understood: {error}") from error


def _joined(ngrams: Sequence[str]) -> NDArray[np.uint8]:
    """N-grams hold no line breaks (blanks were normalised away), so a line each will do."""
    return np.frombuffer("\n".join(ngrams).encode("utf-8", "surrogatepass"), dtype=np.uint8)


def _split(joined: NDArray[np.uint8]) -> list[str]:
    text = joined.tobytes().decode("utf-8", "surrogatepass")
    return text.split("\n") if text else []


def _broken(detail: str) -> Misconfigured:
    return Misconfigured("models", f"{detail}; train again with `tertulia train`, or name another version")
