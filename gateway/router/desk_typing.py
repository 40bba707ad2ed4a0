"""Typing, both ways: an agent's is shown to the customer, a customer's at the desk. Nothing of it is repeated."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping

import structlog

from gateway.core.channel import TypesAs
from gateway.core.clock import Clock
from gateway.core.desks import CaseRef, DeskPort
from gateway.core.errors import TertuliaError
from gateway.core.ids import ConversationId
from gateway.core.messages import Author
from gateway.core.news import News, Passing
from gateway.router.desk_holding import DeskHolding
from gateway.router.endpoints import Endpoints
from gateway.store import desk_typing
from gateway.store.database import Database

log = structlog.get_logger(__name__)

AGAIN_S = 4.0
"""Providers show typing for five seconds or more: it is not told more often than this."""

REMEMBERED = 10_000
WAITING = 200
CALL_S = 5.0


class AgentTyping:
    """Shows on the customer's channel that an agent writes."""

    def __init__(self, database: Database, endpoints: Endpoints, clock: Clock) -> None:
        self._lane = database.lane()
        self._endpoints = endpoints
        self._clock = clock
        self._shown: OrderedDict[ConversationId, float] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    def show(self, conversation_id: ConversationId, agent: str = "") -> None:
        """Under the agent's name where the app can. Return at once; nobody waits for a provider to show it."""
        now = self._clock.monotonic()
        if now - self._shown.get(conversation_id, -AGAIN_S) < AGAIN_S:
            return
        self._shown[conversation_id] = now
        self._shown.move_to_end(conversation_id)
        if len(self._shown) > REMEMBERED:
            self._shown.popitem(last=False)
        if len(self._tasks) < WAITING:
            task = asyncio.get_running_loop().create_task(self._show(conversation_id, agent))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Leave what is not shown yet."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _show(self, conversation_id: ConversationId, agent: str) -> None:
        try:
            async with self._lane.transaction() as connection:
                place = await desk_typing.place(connection, conversation_id)
            account = self._endpoints.get(place.account_id) if place is not None else None
            if place is None or account is None:
                return
            async with asyncio.timeout(CALL_S):
                client, external = account.client, account.account.external
                if agent and isinstance(client, TypesAs):
                    await client.typing_as(external, place.recipient, place.heard, agent)
                else:
                    await client.typing(external, place.recipient, place.heard)
        except (TertuliaError, TimeoutError) as error:
            log.info("typing_not_shown", reason=type(error).__name__)


class CustomerTyping:
    """Tells desks that a customer writes, from the process that holds the desk."""

    def __init__(
        self, database: Database, desks: Mapping[str, DeskPort], holding: DeskHolding, news: News, wake: asyncio.Event
    ) -> None:
        self._lane = database.lane()
        self._desks = desks
        self._holding = holding
        self._wake = wake
        self._waiting: dict[ConversationId, bool] = {}
        self._close = news.listen(lambda _: None, self._passed)

    def close(self) -> None:
        """Hear nothing more."""
        self._close()

    async def step(self) -> bool:
        """Tell what was heard since."""
        waiting, self._waiting = self._waiting, {}
        if not waiting:
            return False
        for name, desk in self._desks.items():
            if self._holding.held(name) is None:
                continue
            async with self._lane.transaction() as connection:
                cases = await desk_typing.cases(connection, name, list(waiting))
            await asyncio.gather(*(self._tell(desk, case, waiting[case.conversation_id]) for case in cases))
        return False

    def _passed(self, passing: Passing) -> None:
        if passing.kind == "typing" and passing.author == Author.CUSTOMER.value and len(self._waiting) < WAITING:
            self._waiting[passing.conversation_id] = passing.is_on
            self._wake.set()

    async def _tell(self, desk: DeskPort, case: CaseRef, is_typing: bool) -> None:
        try:
            async with asyncio.timeout(CALL_S):
                await desk.customer_typing(case, is_typing)
        except (TertuliaError, TimeoutError) as error:
            log.info("typing_not_told", desk=desk.name, reason=type(error).__name__)
        except Exception:
            log.exception("typing_not_told", desk=desk.name)
