"""Titan on Bedrock, against a paper service: the request's shape, its signature, and a clear end of every failure."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from urllib.parse import unquote

import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.core.errors import Misconfigured, Unavailable
from nlp.encoder_names import asks_a_service
from nlp.intents.encoding import open_encoder
from nlp.intents.titan import TitanEncoder, titan_model

NAME = "titan:amazon.titan-embed-text-v2:0?dimensions=256&normalize=false"
SIGNATURE = re.compile(
    r"AWS4-HMAC-SHA256 Credential=PAPERKEY/\d{8}/eu-west-1/bedrock/aws4_request, "
    r"SignedHeaders=([a-z0-9;-]+), Signature=[0-9a-f]{64}"
)


class Bedrock:
    """InvokeModel of Titan Text Embeddings V2 as its page describes it."""

    def __init__(self) -> None:
        self.status = 200
        self.bodies: list[dict[str, object]] = []
        self.faults: list[str] = []
        self.answer: Callable[[str, int], object] = lambda text, size: {
            "embedding": [float(len(text)), 1.0, *([0.0] * (size - 2))],
            "inputTextTokenCount": len(text.split()),
        }
        app = web.Application()
        app.router.add_post("/{path:.*}", self._invoke)
        self.server = TestServer(app)

    async def _invoke(self, request: web.Request) -> web.Response:
        body = json.loads(await request.read())
        signed = SIGNATURE.fullmatch(request.headers.get("Authorization", ""))
        if unquote(request.raw_path) != "/model/amazon.titan-embed-text-v2:0/invoke":
            self.faults.append(request.raw_path)
        if signed is None or not {"host", "x-amz-date"} <= set(signed[1].split(";")):
            self.faults.append(f"signature {request.headers.get('Authorization')}")
        if set(body) != {"inputText", "dimensions", "normalize"} or not body["inputText"]:
            self.faults.append(f"body {body}")
        self.bodies.append(body)
        if self.status != 200:
            refusal = {"message": "You don't have access to the model with the specified model ID."}
            return web.json_response(refusal, status=self.status, headers={"x-amzn-ErrorType": "AccessDeniedException"})
        return web.json_response(self.answer(body["inputText"], body["dimensions"]))


@pytest.fixture
async def bedrock(monkeypatch: pytest.MonkeyPatch, tmp_path):
    pytest.importorskip("botocore", reason="the extra tertulia[bedrock] is not installed")
    service = Bedrock()
    await service.server.start_server()
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION", "AWS_BEARER_TOKEN_BEDROCK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "PAPERKEY",
        "AWS_SECRET_ACCESS_KEY": "paper",
        "AWS_REGION": "eu-west-1",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": str(service.server.make_url("/")),
    }.items():
        monkeypatch.setenv(name, value)
    yield service
    await service.server.close()


async def opened() -> TitanEncoder:
    encoder = await asyncio.to_thread(open_encoder, NAME)
    assert isinstance(encoder, TitanEncoder)
    return encoder


async def test_every_text_is_one_signed_request_and_vectors_come_in_order(bedrock: Bedrock) -> None:
    encoder = await opened()
    assert encoder.size == 256
    texts = ["x" * (1 + index) for index in range(20)] + ["\ud800", "", "a" * 100_000]
    found = await asyncio.to_thread(encoder.encode, texts)
    assert found.shape == (23, 256)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-6)
    np.testing.assert_allclose(found[:20, 0] / found[:20, 1], np.arange(1, 21), rtol=1e-5)
    assert bedrock.faults == []
    assert bedrock.bodies[0] == {"inputText": "a", "dimensions": 256, "normalize": False}
    assert max(len(str(body["inputText"])) for body in bedrock.bodies) == 2_000
    assert encoder.encode([]).shape == (0, 256)


async def test_a_refusal_says_which_and_nobody_is_asked_again_for_a_while(bedrock: Bedrock) -> None:
    encoder = await opened()
    bedrock.status = 403
    with pytest.raises(Unavailable, match=r"AccessDenied.*access to the model"):
        await asyncio.to_thread(encoder.encode, ["a"])
    asked = len(bedrock.bodies)
    with pytest.raises(Unavailable, match="a moment ago"):
        await asyncio.to_thread(encoder.encode, ["a"])
    assert len(bedrock.bodies) == asked
    with pytest.raises(Misconfigured, match="AccessDenied"):
        await asyncio.to_thread(open_encoder, NAME)


@pytest.mark.parametrize(
    "answer",
    [
        lambda _text, _size: {"message": "?"},
        lambda _text, size: {"embedding": [0.0] * size, "inputTextTokenCount": 1},
        lambda text, size: {"embedding": [1.0] * (size + len(text)), "inputTextTokenCount": 1},
    ],
)
async def test_a_wrong_answer_is_a_failure(bedrock: Bedrock, answer) -> None:
    encoder = await opened()
    bedrock.answer = answer
    with pytest.raises(Unavailable):
        await asyncio.to_thread(encoder.encode, ["a", "bb"])


async def test_no_region_and_no_credentials_are_named(bedrock: Bedrock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(Misconfigured, match="credentials"):
        await asyncio.to_thread(open_encoder, NAME)
    monkeypatch.delenv("AWS_REGION")
    with pytest.raises(Misconfigured, match=r"region.*AWS_REGION"):
        await asyncio.to_thread(open_encoder, NAME)
    assert bedrock.bodies == []


def test_what_is_written_is_understood_or_refused_with_the_form() -> None:
    found = titan_model("amazon.titan-embed-text-v2:0?dimensions=512&normalize=false&region=us-east-1")
    assert (found.model, found.dimensions, found.normalize, found.region) == (
        "amazon.titan-embed-text-v2:0", 512, False, "us-east-1"
    )  # fmt: skip
    assert titan_model("amazon.titan-embed-text-v2:0").dimensions == 1_024
    for wrong in ("", "m?dimensions=300", "m?dimensions=many", "m?size=256", "m?normalize", "m?model=other&x=1"):
        with pytest.raises(Misconfigured, match="write titan:MODEL"):
            titan_model(wrong)
    assert asks_a_service(NAME)
    assert not asks_a_service("minilm")
