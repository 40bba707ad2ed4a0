"""The kit's webhooks: signed, in order for each key, again by the schedule; wrong on demand, and only then."""

from __future__ import annotations

import asyncio
import hashlib
import json

import pytest
from aiohttp import web

from channels.sandbox_kit import ProviderServer, WebhookSender


class Gateway:
    """What receives: it answers with the next status of ``answers``, then with 200."""

    def __init__(self) -> None:
        self.bodies: list[str] = []
        self.signatures: list[str] = []
        self.answers: list[int] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        await self.gate.wait()
        self.bodies.append(body.decode())
        self.signatures.append(request.headers["X-Signature"])
        return web.Response(status=self.answers.pop(0) if self.answers else 200)


def sign(body: bytes) -> dict[str, str]:
    return {"X-Signature": hashlib.sha256(body).hexdigest()}


def joined(bodies) -> bytes:
    return json.dumps([body.decode() for body in bodies]).encode()


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


@pytest.fixture
async def sender(gateway: Gateway):
    async with (
        ProviderServer([web.post("/webhooks/{path:.*}", gateway.receive)]) as server,
        WebhookSender(f"{server.url}/webhooks/a", sign, join=joined, schedule=(1, 1), time_scale=0.001) as opened,
    ):
        yield opened


async def test_every_webhook_arrives_once_signed_and_in_the_order_of_its_key(sender, gateway) -> None:
    for number in range(20):
        sender.put(b"%d" % number, key="ana")
    await sender.settled()
    assert gateway.bodies == [str(number) for number in range(20)]
    assert gateway.signatures == [hashlib.sha256(body.encode()).hexdigest() for body in gateway.bodies]
    assert (sender.taken_count, sender.failure_count, sender.is_settled) == (20, 0, True)


async def test_what_is_not_taken_is_sent_again_and_blocks_only_its_own_key(sender, gateway) -> None:
    gateway.answers = [503]
    taken: list[str] = []
    sender.put(b"a1", key="ana", on_taken=lambda: taken.append("a1"))
    sender.put(b"a2", key="ana", on_taken=lambda: taken.append("a2"))
    await sender.settled()
    assert gateway.bodies == ["a1", "a1", "a2"]
    assert (taken, sender.failure_count) == (["a1", "a2"], 1)
    gateway.gate.clear()
    sender.put(b"b1", key="bob")
    sender.put(b"c1", key="cai")
    gateway.gate.set()
    await sender.settled()
    assert sorted(gateway.bodies[3:]) == ["b1", "c1"]


async def test_after_the_last_try_it_is_lost_and_the_next_goes_on(sender, gateway) -> None:
    gateway.answers = [500, 500, 500]
    taken: list[str] = []
    sender.put(b"a", on_taken=lambda: taken.append("a"))
    sender.put(b"b", on_taken=lambda: taken.append("b"))
    await sender.settled()
    assert gateway.bodies == ["a", "a", "a", "b"]
    assert (list(sender.lost), taken) == ([b"a"], ["b"])


async def test_an_empty_schedule_means_one_try(gateway) -> None:
    async with WebhookSender("http://127.0.0.1:9/webhooks/a", sign, schedule=()) as sender:
        sender.put(b"a")
        await sender.settled()
        assert (list(sender.lost), sender.failure_count) == ([b"a"], 1)


async def test_redelivered_ones_arrive_twice_and_are_taken_once(sender, gateway) -> None:
    sender.redeliver_next(2)
    taken: list[str] = []
    for text in "abc":
        sender.put(text.encode(), on_taken=lambda text=text: taken.append(text))
    await sender.settled()
    assert (gateway.bodies, taken) == (["a", "a", "b", "b", "c"], ["a", "b", "c"])


async def test_reordered_ones_arrive_newest_first_whatever_their_keys(sender, gateway) -> None:
    sender.reorder_next(3)
    for text in "abcd":
        sender.put(text.encode(), key="ana")
    await sender.settled()
    assert gateway.bodies == ["c", "b", "a", "d"]
    sender.reorder_next(2)
    sender.put(b"e", key="ana")
    sender.put(b"f", key="bob")
    await sender.settled()
    assert gateway.bodies[4:] == ["f", "e"]


async def test_batched_ones_arrive_as_one_and_each_is_taken(sender, gateway) -> None:
    sender.batch_next(3)
    taken: list[str] = []
    for text in "abcd":
        sender.put(text.encode(), on_taken=lambda text=text: taken.append(text))
    await sender.settled()
    assert gateway.bodies == ['["a", "b", "c"]', "d"]
    assert taken == ["a", "b", "c", "d"]


async def test_what_is_held_back_leaves_when_one_waits_for_it(sender, gateway) -> None:
    sender.batch_next(5)
    sender.put(b"a")
    sender.put(b"b")
    assert not sender.is_settled
    await sender.settled()
    assert gateway.bodies == ['["a", "b"]']


async def test_a_lost_answer_is_tried_again(sender, gateway) -> None:
    sender.drop_answer_next()
    sender.put(b"a")
    await sender.settled()
    assert (gateway.bodies, sender.taken_count) == (["a", "a"], 1)


async def test_a_webhook_may_have_an_address_and_a_signature_of_its_own(sender, gateway) -> None:
    url = sender._url.replace("/webhooks/a", "/webhooks/status")
    sender.put(b"a", url=url, sign=lambda _: {"X-Signature": "other"})
    await sender.settled()
    assert gateway.signatures == ["other"]


async def test_nothing_is_sent_beyond_this_machine(sender) -> None:
    for url in ("https://example.org/", "http://10.0.0.1/", "http:///x"):
        with pytest.raises(ValueError, match="this machine"):
            WebhookSender(url, sign)
        with pytest.raises(ValueError, match="this machine"):
            sender.put(b"a", url=url)


async def test_a_provider_that_joins_nothing_has_no_batches() -> None:
    with pytest.raises(ValueError, match="no two events"):
        WebhookSender("http://localhost:9/", sign).batch_next(2)


async def test_an_error_of_the_channel_s_own_is_not_waited_for_in_vain(sender) -> None:
    def fails() -> None:
        raise KeyError("handset")

    sender.put(b"a", on_taken=fails)
    with pytest.raises(KeyError, match="handset"):
        await sender.settled()


async def test_after_a_status_that_is_final_nothing_is_tried_again(gateway) -> None:
    async with (
        ProviderServer([web.post("/webhooks/{path:.*}", gateway.receive)]) as server,
        WebhookSender(f"{server.url}/webhooks/a", sign, schedule=(1, 1), time_scale=0.001, final=(401, 404)) as sender,
    ):
        gateway.answers = [500, 401]
        sender.put(b"0")
        sender.put(b"1")
        await sender.settled()
        assert gateway.bodies == ["0", "0", "1"]
        assert list(sender.lost) == [b"0"]
