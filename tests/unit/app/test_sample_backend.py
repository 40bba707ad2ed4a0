"""The made-up systems of the demo: the same customer has the same facts, an order counts once, nonsense is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from gateway.app.sample_backend import MAX_ORDERS, SampleBackend, open_sample_backend

ORDER = {"line": "3005550142", "plan": "plus", "start": "2026-12-01"}


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_sample_backend() as address, aiohttp.ClientSession(address) as session:
        yield session


async def test_facts_follow_from_the_customer_and_add_up(session: aiohttp.ClientSession) -> None:
    seen = set()
    for customer in ("ana", "bob", "eva", "ana"):
        async with session.get(f"/customers/{customer}/bill") as response:
            bill = await response.json()
        assert bill["total"] == bill["plan_charge"] + bill["extra_charge"] + bill["tax"]
        async with session.get(f"/customers/{customer}/balance") as response:
            balance = await response.json()
        assert balance["line"] == bill["line"]
        async with session.get("/lines/" + bill["line"].replace(" ", "")) as response:
            assert (await response.json())["is_ours"]
        seen.add((bill["line"], bill["total"], balance["credit"]))
    assert len(seen) == 3


async def test_an_order_counts_once_by_its_key(session: aiohttp.ClientSession) -> None:
    numbers = []
    for key in ("k1", "k1", "k2"):
        async with session.post("/plan-orders", json=ORDER, headers={"Idempotency-Key": key}) as response:
            numbers.append((await response.json())["number"])
    assert numbers[0] == numbers[1] != numbers[2]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/plan-orders", ORDER | {"plan": "gold"}, 422),
        ("/plan-orders", ORDER | {"line": "123"}, 422),
        ("/plan-orders", ORDER | {"start": "soon"}, 422),
        ("/plan-orders", {"line": "3005550142"}, 422),
        ("/plan-orders", ["x"], 422),
        ("/pack-orders", {"customer": "ana", "pack": "1tb"}, 422),
        ("/lines/123/block", None, 404),
    ],
)
async def test_nonsense_is_refused(session: aiohttp.ClientSession, path: str, body: object, status: int) -> None:
    async with session.post(path, json=body, headers={"Idempotency-Key": "k"}) as response:
        assert response.status == status


async def test_an_order_without_a_key_and_an_unknown_zone_are_refused(session: aiohttp.ClientSession) -> None:
    async with session.post("/plan-orders", json=ORDER) as response:
        assert response.status == 400
    async with session.get("/outages", params={"zone": "moon"}) as response:
        assert response.status == 404


def test_its_memory_is_bounded() -> None:
    backend = SampleBackend()
    backend.answers = {str(number): b"{}" for number in range(MAX_ORDERS)}
    backend.remember("new", "C")
    assert len(backend.answers) == MAX_ORDERS
    assert "new" in backend.answers
