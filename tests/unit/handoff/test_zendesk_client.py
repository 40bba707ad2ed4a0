"""How zenpy is used: in threads of our own with a client each, bounded, and never sleeping on a refusal."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from gateway.core.errors import Ambiguous, Retry
from handoff.desks.zendesk.client import NewComment, NewTicket, ZendeskClient
from handoff.desks.zendesk.failures import RateLimited
from handoff.desks.zendesk.sandbox import ZendeskSandbox
from handoff.desks.zendesk.settings import ZendeskSettings


@asynccontextmanager
async def client_of(values: Any, **changed: object) -> AsyncIterator[ZendeskClient]:
    client = ZendeskClient(ZendeskSettings.model_validate({**values, **changed}))
    await client.open()
    try:
        yield client
    finally:
        await client.close()


def a_ticket(requester_id: int) -> NewTicket:
    return NewTicket(
        subject="a", requester_id=requester_id, external_id="case-1", comment=NewComment(body="b", is_public=False)
    )


async def test_each_thread_has_a_client_of_its_own_and_none_keeps_what_it_read() -> None:
    async with ZendeskSandbox() as zendesk, client_of(zendesk.settings_values, concurrency=3) as client:
        seen: dict[str, set[int]] = {}
        together = threading.Barrier(3)

        def work(line: Any) -> None:
            together.wait(10)
            seen.setdefault(threading.current_thread().name, set()).add(id(line.zenpy))
            assert line.zenpy.cache.disabled

        for _ in range(2):
            await asyncio.gather(*(client._run(work, is_urgent=False) for _ in range(3)))
        assert len(seen) == 3
        assert all(name.startswith("zendesk") and len(clients) == 1 for name, clients in seen.items())
        assert len(set.union(*seen.values())) == 3


async def test_a_ticket_is_made_under_its_key_and_nothing_else_carries_one() -> None:
    async with ZendeskSandbox() as zendesk, client_of(zendesk.settings_values) as client:
        requester = await client.make_user("tertulia:1", "Marta")
        first = await client.make_ticket(a_ticket(requester.id), "key-1")
        second = await client.make_ticket(a_ticket(requester.id), "key-1")
        await client.write(first.ticket.id, NewComment(body="more", is_public=True, author_id=requester.id))
        assert first.ticket.id == second.ticket.id
        asked = [(call.method, call.path, call.headers.get("idempotency-key")) for call in zendesk.calls]
        assert {path for _, path, key in asked if key} == {"/api/v2/tickets.json"}
        proofs = {call.headers.get("authorization") for call in zendesk.calls}
        assert proofs == {f"Bearer {zendesk.world.account.oauth_token}"}


async def test_a_silent_server_and_a_refusal_hold_nobody_up() -> None:
    answers: list[Any] = []
    is_over = asyncio.Event()

    async def answer(_request: web.Request) -> web.Response:
        if answers[0] == "silent":
            await is_over.wait()
        return web.json_response({}, status=429, headers={"Retry-After": "30"})

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    values = {"api_url": f"http://127.0.0.1:{runner.addresses[0][1]}", "oauth_token": "t", "read_timeout_s": 0.3}
    try:
        async with client_of(values) as client:
            began = time.monotonic()
            answers[:] = ["silent"]
            with pytest.raises(Ambiguous):
                await client.write(1, NewComment(body="b", is_public=True))
            with pytest.raises(Retry):
                await client.ticket(1)
            answers[:] = [429]
            with pytest.raises(RateLimited) as refused:
                await client.write(1, NewComment(body="b", is_public=True))
            assert refused.value.after_s == 30
            assert time.monotonic() - began < 4
    finally:
        is_over.set()
        await runner.cleanup()
