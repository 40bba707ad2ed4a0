"""Sentence vectors from a service: whole and in order, or a clear failure."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.core.errors import Misconfigured, Unavailable
from nlp.intents.encoding import open_encoder
from nlp.intents.endpoint import BATCH, KEY_VARIABLE, EndpointEncoder

Answer = Callable[[list[str]], object]


def vectors(texts: list[str]) -> object:
    rows = [{"index": index, "embedding": [float(len(text)), 1.0]} for index, text in enumerate(texts)]
    return {"data": rows[::-1]}


class Service:
    """OpenAI's embeddings, as far as its reference says, in ten lines."""

    def __init__(self) -> None:
        self.answer: Answer = vectors
        self.status = 200
        self.busy = 0
        self.requests: list[tuple[str, int]] = []
        app = web.Application()
        app.router.add_post("/v1/embeddings", self._embed)
        self.server = TestServer(app)

    async def _embed(self, request: web.Request) -> web.Response:
        if self.busy:
            self.busy -= 1
            return web.Response(status=429)
        body = await request.json()
        self.requests.append((request.headers.get("Authorization", ""), len(body["input"])))
        return web.json_response(self.answer(body["input"]), status=self.status)

    @property
    def name(self) -> str:
        return f"openai:{self.server.make_url('/v1')}#small"


@pytest.fixture
async def service():
    service = Service()
    await service.server.start_server()
    yield service
    await service.server.close()


async def test_vectors_come_in_order_in_batches_with_the_key(service: Service, monkeypatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "secret-key")
    encoder = await asyncio.to_thread(open_encoder, service.name)
    assert isinstance(encoder, EndpointEncoder)
    assert encoder.size == 2
    texts = ["x" * (1 + index % 7) for index in range(BATCH + 3)] + ["\ud800", ""]
    found = await asyncio.to_thread(encoder.encode, texts)
    assert found.shape == (BATCH + 5, 2)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-6)
    np.testing.assert_allclose(found[1, 0] / found[1, 1], 2.0, atol=1e-5)
    assert service.requests == [("Bearer secret-key", 1), ("Bearer secret-key", BATCH), ("Bearer secret-key", 5)]
    assert encoder.encode([]).shape == (0, 2)


@pytest.mark.parametrize(
    "answer",
    [
        lambda _texts: {"data": []},
        lambda _texts: {"error": "no"},
        lambda texts: {"data": [{"index": index, "embedding": [0.0, 0.0]} for index, _ in enumerate(texts)]},
        lambda texts: {"data": [{"index": index, "embedding": [1.0]} for index, _ in enumerate(texts)]},
        lambda texts: {"data": [{"index": index, "embedding": [1.0] * (index + 1)} for index, _ in enumerate(texts)]},
    ],
)
async def test_a_wrong_answer_is_a_failure_and_then_it_rests(service: Service, answer: Answer) -> None:
    encoder = await asyncio.to_thread(open_encoder, service.name)
    assert encoder is not None
    service.answer = answer
    with pytest.raises(Unavailable):
        await asyncio.to_thread(encoder.encode, ["a", "b"])
    asked = len(service.requests)
    with pytest.raises(Unavailable, match="a moment ago"):
        await asyncio.to_thread(encoder.encode, ["a", "b"])
    assert len(service.requests) == asked


async def test_a_busy_service_is_asked_again_and_not_for_ever(service: Service, monkeypatch) -> None:
    monkeypatch.setattr("nlp.intents.endpoint.WAITS_S", (0.0, 0.0))
    encoder = await asyncio.to_thread(open_encoder, service.name)
    assert encoder is not None
    service.busy = 2
    assert (await asyncio.to_thread(encoder.encode, ["a"])).shape == (1, 2)
    service.busy = 3
    with pytest.raises(Unavailable, match="status 429"):
        await asyncio.to_thread(encoder.encode, ["a"])
    assert service.busy == 0


async def test_a_service_that_refuses_or_is_not_there_is_named(service: Service) -> None:
    service.status = 401
    with pytest.raises(Misconfigured, match=f"status 401; is {KEY_VARIABLE} set"):
        await asyncio.to_thread(open_encoder, service.name)
    with pytest.raises(Misconfigured, match="openai:"):
        await asyncio.to_thread(open_encoder, "openai:http://127.0.0.1:9#small")
    with pytest.raises(Misconfigured, match="write openai:BASE_URL#MODEL"):
        open_encoder("openai:ftp://x")
