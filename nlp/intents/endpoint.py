"""Sentence vectors from a service that speaks OpenAI's ``POST /embeddings`` (their API reference, 2025)."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.core.errors import Misconfigured, Unavailable

if TYPE_CHECKING:
    import aiohttp

KEY_VARIABLE = "TERTULIA__MODELS__ENCODER_KEY"
BATCH = 64
MOST_BYTES = 32_000_000
WAITS_S = (1.0, 3.0)
_PASSING = frozenset({429, 500, 502, 503, 504})
_TIMEOUT_S = 10.0
_CONNECT_S = 3.0
_REST_S = 30.0
_MOST_CHARS = 2_000
_MOST_SIZE = 8_192

Floats = NDArray[np.float32]


class EncoderFailed(Exception):
    """The encoder gave no vectors; prediction abstains, training ends with ``Misconfigured``."""


class Rest:
    """After a failure nobody is asked for half a minute: whoever waits for vectors learns it at once."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._until = 0.0

    def begin(self) -> None:
        self._until = time.monotonic() + _REST_S

    def check(self) -> None:
        """Raises ``Unavailable`` while it lasts."""
        if time.monotonic() < self._until:
            raise Unavailable(f"the encoder {self._name} failed a moment ago", after_s=_REST_S)

    @contextmanager
    def after_failure(self) -> Iterator[None]:
        """Checks, and begins when what is done within fails: ``EncoderFailed`` becomes ``Unavailable``.

        A model abstains where its encoder failed, so that a turn gets its answer. No turn asks a service, and to
        whoever classifies a file an abstention would look like a result.
        """
        self.check()
        try:
            yield
        except EncoderFailed as error:
            self.begin()
            raise Unavailable(f"the encoder {error}", after_s=_REST_S) from error


def readable(text: str) -> str:
    """What is sent of a text: its beginning, as UTF-8 can say it, and never nothing."""
    return text[:_MOST_CHARS].encode("utf-8", "replace").decode() or " "


def unit_rows(name: str, rows: Sequence[Sequence[float]], count: int, size: int) -> Floats:
    """*rows* as ``(count, size)`` of length 1; *size* 0: any. Raises ``EncoderFailed`` for anything else."""
    if len(rows) != count:
        raise EncoderFailed(f"{name}: gave {len(rows)} vectors for {count} texts")
    try:
        vectors = np.array(rows, dtype=np.float32)
    except ValueError as error:
        raise EncoderFailed(f"{name}: gave vectors of different sizes") from error
    if vectors.ndim != 2 or not 0 < vectors.shape[1] <= _MOST_SIZE or size not in (0, vectors.shape[1]):
        raise EncoderFailed(f"{name}: gave vectors of the wrong size")
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.isfinite(norms).all() or not (norms > 0).all():
        raise EncoderFailed(f"{name}: gave vectors without a direction")
    unit: Floats = vectors / norms
    return unit


class _Busy(EncoderFailed):
    """The service says that it may go better in a moment."""


class _Vector(msgspec.Struct):
    index: int
    embedding: list[float]


class _Answer(msgspec.Struct):
    data: list[_Vector]


class EndpointEncoder:
    """64 texts a request, ten seconds at most; a busy service is asked three times.

    After a failure it rests for half a minute, failing at once.

    ``encode`` waits for the network. Whoever serves turns must call it from a thread, or use a local model.
    """

    def __init__(self, name: str, base_url: str, model: str, *, timeout_s: float = _TIMEOUT_S) -> None:
        """*base_url* like ``https://api.openai.com/v1``. Asks for one vector. Raises ``Misconfigured``."""
        if not base_url.startswith(("http://", "https://")) or not model:
            raise Misconfigured("models", f"encoder {name[:80]!r}: write openai:BASE_URL#MODEL")
        self.name = name
        self._url = base_url.rstrip("/") + "/embeddings"
        self._model = model
        self._timeout_s = timeout_s
        self._rest = Rest(name)
        self.size = 0
        try:
            self.size = self.encode(["a"]).shape[1]
        except Unavailable as error:
            what = f"is {KEY_VARIABLE} set?" if "status 40" in str(error) else "is it running at this address?"
            raise Misconfigured("models", f"{error}; {what}") from error

    def encode(self, texts: Sequence[str]) -> Floats:
        """``n texts -> (n, size)``, rows of length 1. Raises ``Unavailable``."""
        if not texts:
            return np.zeros((0, self.size), dtype=np.float32)
        clean = [readable(text) for text in texts]
        with self._rest.after_failure(), ThreadPoolExecutor(1) as thread:  # the caller may have a loop of its own
            return thread.submit(asyncio.run, self._ask(clean)).result()

    async def _ask(self, texts: Sequence[str]) -> Floats:
        import aiohttp

        key = os.environ.get(KEY_VARIABLE, "")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        timeout = aiohttp.ClientTimeout(total=self._timeout_s, connect=_CONNECT_S)
        try:
            async with aiohttp.ClientSession(timeout=timeout, headers=headers) as session:
                parts = [
                    await self._ask_part(session, texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)
                ]
            return np.concatenate(parts)
        except (aiohttp.ClientError, TimeoutError, msgspec.MsgspecError, ValueError) as error:
            raise EncoderFailed(f"{self.name}: {type(error).__name__}: {str(error)[:200]}") from error

    async def _ask_part(self, session: aiohttp.ClientSession, texts: Sequence[str]) -> Floats:
        for wait_s in WAITS_S:
            try:
                return await self._try_part(session, texts)
            except _Busy:
                await asyncio.sleep(wait_s)
        return await self._try_part(session, texts)

    async def _try_part(self, session: aiohttp.ClientSession, texts: Sequence[str]) -> Floats:
        body = {"model": self._model, "input": list(texts), "encoding_format": "float"}
        async with session.post(self._url, json=body, allow_redirects=False) as response:
            if response.status in _PASSING:
                raise _Busy(f"{self.name}: answered with status {response.status}")
            if response.status != 200:
                raise EncoderFailed(f"{self.name}: answered with status {response.status}")
            answer = bytearray()
            async for chunk in response.content.iter_chunked(65_536):
                answer += chunk
                if len(answer) > MOST_BYTES:
                    raise EncoderFailed(f"{self.name}: answered with more than {MOST_BYTES} bytes")
        return self._checked(msgspec.json.decode(answer, type=_Answer), len(texts))

    def _checked(self, answer: _Answer, count: int) -> Floats:
        ordered = sorted(answer.data, key=lambda each: each.index)
        if [each.index for each in ordered] != list(range(count)):
            raise EncoderFailed(f"{self.name}: gave {len(ordered)} vectors for {count} texts")
        return unit_rows(self.name, [each.embedding for each in ordered], count, self.size)
