"""Sentence vectors of Amazon Titan on Bedrock (InvokeModel; user guide, "Amazon Titan Text Embeddings", 2025)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec
import numpy as np

from gateway.core.errors import Misconfigured, Unavailable
from nlp.intents.endpoint import MOST_BYTES, EncoderFailed, Floats, Rest, readable, unit_rows

if TYPE_CHECKING:
    from botocore.client import BaseClient

DIMENSIONS = (256, 512, 1_024)
AT_ONCE = 8
_TIMEOUT_S = 10.0
_CONNECT_S = 3.0
_TRIES = 3
_HOW = "write titan:MODEL?dimensions=512&normalize=true&region=us-east-1; what stands after the ? may be left out"
_INSTALL = "install the extra: pip install 'tertulia[bedrock]'"


class TitanModel(msgspec.Struct, frozen=True):
    """What is asked of Bedrock. An empty ``region`` is found as by every AWS tool."""

    model: str
    dimensions: int = 1_024
    normalize: bool = True
    region: str = ""


class _Answer(msgspec.Struct):
    embedding: list[float]


def titan_model(written: str) -> TitanModel:
    """``amazon.titan-embed-text-v2:0?dimensions=256`` as values. Raises ``Misconfigured``."""
    model, _, options = written.partition("?")
    try:
        given = dict(parse_qsl(options, strict_parsing=True)) if options else {}
        known = msgspec.convert({**given, "model": model}, _Strict, strict=False)
    except (ValueError, msgspec.ValidationError) as error:
        raise Misconfigured("models", f"encoder 'titan:{written[:80]}': {error}; {_HOW}") from error
    if not model or known.dimensions not in DIMENSIONS:
        wrong = f"dimensions are {', '.join(map(str, DIMENSIONS))}" if model else "which model?"
        raise Misconfigured("models", f"encoder 'titan:{written[:80]}': {wrong}; {_HOW}")
    return TitanModel(known.model, known.dimensions, known.normalize, known.region)


class _Strict(TitanModel, frozen=True, forbid_unknown_fields=True):
    """As it is written: an option that does not exist is a slip."""


class TitanEncoder:
    """One text a request, eight requests at once, three tries each; then it rests for half a minute, failing at once.

    ``encode`` waits for the network. Credentials and region are found as by every AWS tool.
    """

    def __init__(self, name: str, asked: TitanModel, *, timeout_s: float = _TIMEOUT_S) -> None:
        """Asks for one vector. Raises ``Misconfigured`` when there is none to be had."""
        self.name = name
        self.size = 0
        self._asked = asked
        self._rest = Rest(name)
        self._client = _client(name, asked.region, timeout_s)
        try:
            self.size = self.encode(["a"]).shape[1]
        except Unavailable as error:
            raise Misconfigured("models", str(error)) from error

    def encode(self, texts: Sequence[str]) -> Floats:
        """``n texts -> (n, size)``, rows of length 1. Raises ``Unavailable``."""
        if not texts:
            return np.zeros((0, self.size), dtype=np.float32)
        with self._rest.after_failure(), ThreadPoolExecutor(min(AT_ONCE, len(texts))) as threads:
            rows = list(threads.map(self._vector, [readable(text) for text in texts]))
            return unit_rows(self.name, rows, len(texts), self.size)

    def _vector(self, text: str) -> list[float]:
        from botocore.exceptions import BotoCoreError, ClientError

        self._rest.check()
        asked = self._asked
        body = {"inputText": text, "dimensions": asked.dimensions, "normalize": asked.normalize}
        try:
            client: Any = self._client  # its methods are made when it is
            answer = client.invoke_model(
                modelId=asked.model,
                body=msgspec.json.encode(body),
                contentType="application/json",
                accept="application/json",
            )
            return msgspec.json.decode(answer["body"].read(MOST_BYTES), type=_Answer).embedding
        except (BotoCoreError, ClientError, msgspec.MsgspecError) as error:
            self._rest.begin()  # the texts that wait for a thread are not asked
            raise EncoderFailed(f"{self.name}: {type(error).__name__}: {str(error)[:200]}") from error


def _client(name: str, region: str, timeout_s: float) -> BaseClient:
    try:
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
        from botocore.session import Session
    except ImportError as error:
        raise Misconfigured("models", f"encoder {name}: {error.name} is missing; {_INSTALL}") from error
    config = Config(
        connect_timeout=_CONNECT_S,
        read_timeout=timeout_s,
        retries={"mode": "standard", "total_max_attempts": _TRIES},
        max_pool_connections=AT_ONCE,
    )
    region = region or os.environ.get("AWS_REGION", "")  # botocore itself reads AWS_DEFAULT_REGION and the profile
    try:
        return Session().create_client("bedrock-runtime", region_name=region or None, config=config)
    except (BotoCoreError, ValueError) as error:
        raise Misconfigured("models", f"encoder {name}: {error} Name it: AWS_REGION, or ?region=us-east-1") from error
