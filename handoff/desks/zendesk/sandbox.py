"""A local stand-in for Zendesk Support: its API on a loopback port, agents, webhooks, limits.

    async with ZendeskSandbox("http://127.0.0.1:8080/webhooks/desks/zendesk/main") as zendesk:
        ...  # the desk opens a ticket through zendesk.server.url
        marta = zendesk.agent("Marta")
        [ticket] = zendesk.tickets()
        await marta.takes(ticket)
        await marta.answers(ticket, "Hola, soy Marta", files=[AgentFile("plano.png", png)])
        await marta.solves(ticket)
        await zendesk.settled()

It follows Zendesk's documented rules and no wishes of ours. Tokens and secrets are new unless a memory has others.

Wrong on demand: ``fails_for(60)``, ``dead_for(60)``, ``cuts(0.1, takes_effect=True)``, ``server.slow_next(2)`` and the
other faults of the server; ``sender.loses = 0.1``, ``sender.doubles``, ``sender.delays``. What was asked stands in
``calls``, what broke a rule in ``violations``, what was told in ``sender.invocations``.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from aiohttp import web

from channels.sandbox_kit import ProviderServer, ServedCall, any_call, require_loopback
from gateway.core.clock import Clock, SystemClock
from handoff.desks.zendesk.sandbox_account import add_staff
from handoff.desks.zendesk.sandbox_agent import AgentFile, SandboxAgent
from handoff.desks.zendesk.sandbox_api_files import FileApi
from handoff.desks.zendesk.sandbox_api_people import PeopleApi
from handoff.desks.zendesk.sandbox_api_setup import SetupApi
from handoff.desks.zendesk.sandbox_api_tickets import TicketApi
from handoff.desks.zendesk.sandbox_door import Door
from handoff.desks.zendesk.sandbox_hooks import HookSender
from handoff.desks.zendesk.sandbox_memory import Memory
from handoff.desks.zendesk.sandbox_rates import PER_MINUTE, Plan
from handoff.desks.zendesk.sandbox_records import CONDITIONAL, Field, Group, Hook, Role, Ticket, Trigger
from handoff.desks.zendesk.sandbox_world import EVENT_TYPE, Pace, Violation, World

__all__ = ["AgentFile", "Pace", "SandboxAgent", "ZendeskSandbox"]

WHILE = 10**9

EVENTS = tuple(
    EVENT_TYPE + kind
    for kind in (
        "created",
        "comment_added",
        "comment_made_private",
        "attachment_linked_to_comment",
        "status_changed",
        "agent_assignment_changed",
        "group_assignment_changed",
        "requester_changed",
        "external_id_changed",
        "tags_changed",
        "merged",
        "marked_as_spam",
        "soft_deleted",
        "undeleted",
    )
)
"""What the webhook that is there from the start subscribes to."""

IDS_ONLY = (
    '{"ticket_id":"{{ticket.id}}","external_id":"{{ticket.external_id}}","status":"{{ticket.status}}",'
    '"assignee":"{{ticket.assignee.name}}","updated_at":"{{ticket.updated_at_with_timestamp}}"}'
)
"""What the trigger that is there from the start sends: nothing that somebody wrote."""


class ZendeskSandbox:
    """One account with a bot that may do everything, and the people whom :meth:`agent` names.

    Without *webhook_url* no webhook is registered: ``connect`` does it. *kind*: whether that webhook is subscribed to
    events, or a trigger sends by it. *pace*: how fast its minutes run. *memory*: where the account is kept between
    runs. *is_private*: attachments are only handed out to those who prove who they are.
    """

    def __init__(
        self,
        webhook_url: str = "",
        *,
        kind: Literal["events", "trigger"] = "events",
        clock: Clock | None = None,
        pace: Pace | None = None,
        plan: Plan = "professional",
        memory: Path | None = None,
        is_private: bool = False,
        seed: int = 1,
        port: int = 0,
    ) -> None:
        self._clock = clock or SystemClock()
        self._plan = plan
        self._memory = Memory(memory) if memory is not None else None
        account, files = self._memory.recalled() if self._memory is not None else (None, None)
        self.world = World(self._clock, pace=pace or Pace(), plan=plan, account=account, files=files, seed=seed)
        self._chance = random.Random(seed)  # noqa: S311 - what breaks must be the same in every run
        self._setup = SetupApi(self.world)
        self.webhook_secret = self._register(webhook_url, kind) if webhook_url else ""
        self.server = ProviderServer(self._routes(is_private=is_private), clock=clock, port=port)
        self._life: AsyncExitStack | None = None

    def _routes(self, *, is_private: bool) -> list[web.RouteDef]:
        door = Door(self.world)
        files = FileApi(self.world, is_private=is_private)
        apis = (TicketApi(self.world), PeopleApi(self.world), files, self._setup)
        return [route for api in apis for route in api.routes(door)]

    def _register(self, webhook_url: str, kind: str) -> str:
        """The webhook that is there from the start, new in every run; the answer is its secret."""
        require_loopback(webhook_url)
        account = self.world.account
        for number in [hook.id for hook in account.hooks.values() if hook.name == FIRST_HOOK]:
            del account.hooks[number]
        for key in [one.id for one in account.triggers.values() if one.title == FIRST_HOOK]:
            del account.triggers[key]
        hook = self._setup.new_hook(FIRST_HOOK, webhook_url, EVENTS if kind == "events" else (CONDITIONAL,))
        account.hooks[hook.id] = hook
        if kind == "trigger":
            self._trigger(hook)
        return hook.secret

    def _trigger(self, hook: Hook) -> None:
        account, now = self.world.account, self._clock.now()
        trigger = Trigger(
            id=account.new_id(),
            title=FIRST_HOOK,
            all=({"field": "role", "operator": "is_not", "value": str(account.bot_id)},),
            any=(),
            actions=({"field": "notification_webhook", "value": [hook.id, IDS_ONLY]},),
            created_at=now,
            updated_at=now,
        )
        account.triggers[trigger.id] = trigger

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.world.sender)
            if self._memory is not None:
                await stack.enter_async_context(self._memory.keeping(self.world))
            await stack.enter_async_context(self.server)
            self.world.origin = self.server.url
            closing = asyncio.create_task(self._close_solved())
            stack.callback(closing.cancel)
            self._life = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._life is not None:
            await self._life.aclose()

    async def _close_solved(self) -> None:
        """Sleep until the next ticket is due; what is solved later is due later."""
        stirred = asyncio.Event()
        self.world.listen(stirred.set)
        while True:
            due = self.world.tickets.next_closing()
            if due is None:
                await stirred.wait()
                stirred.clear()
                continue
            await self._clock.sleep((due - self._clock.now()).total_seconds())
            self.world.tickets.close_due()

    # ------------------------------------------------------------ what a test or a demo asks for

    @property
    def settings_values(self) -> Mapping[str, object]:
        """The settings of a desk that talks to this sandbox."""
        values: dict[str, object] = {
            "api_url": self.server.url,
            "oauth_token": self.world.account.oauth_token,
            "rates": {"requests": PER_MINUTE[self._plan], "minute_s": self.world.pace.minute_s},
        }
        if self.webhook_secret:
            values["webhook_secret"] = self.webhook_secret
        return values

    @property
    def sender(self) -> HookSender:
        return self.world.sender

    @property
    def calls(self) -> Sequence[ServedCall]:
        """Everything that was asked, in the order in which it was answered."""
        return list(self.server.calls)

    @property
    def violations(self) -> Sequence[Violation]:
        return list(self.world.violations)

    def agent(self, name: str, *, role: Role = "agent") -> SandboxAgent:
        """Somebody of that name who answers; the same name is the same person."""
        person = add_staff(self.world.account, name, self._clock.now(), role=role)
        return SandboxAgent(self.world, person)

    def tickets(self, *, external_id: str = "") -> list[Ticket]:
        """Those that are not deleted, the oldest first."""
        if external_id:
            return self.world.tickets.with_external_id(external_id)
        return [ticket for ticket in self.world.account.tickets.values() if not ticket.is_deleted]

    def add_field(self, title: str, *, kind: str = "text", options: tuple[str, ...] = ()) -> Field:
        """The custom field of that title; made when there is none."""
        fields = self.world.account.fields
        found = next((field for field in fields.values() if field.title == title), None)
        if found is None:
            found = Field(self.world.account.new_id(), kind, title, options)
            fields[found.id] = found
        return found

    def add_group(self, name: str) -> Group:
        group = Group(self.world.account.new_id(), name)
        self.world.account.groups[group.id] = group
        return group

    async def settled(self) -> None:
        """Return once every webhook was taken, given up or lost."""
        await self.sender.settled()

    # ------------------------------------------------------------ faults

    def fails_for(self, seconds: float, *, status: int = 500, which: Callable[[ServedCall], bool] = any_call) -> None:
        """For that long by the sandbox's clock, calls are answered so and have no effect."""
        meant = self._until(seconds, which)
        self.server.fail_next(WHILE, status=status, body=b'{"error":"InternalServerError"}', which=meant)

    def dead_for(self, seconds: float, *, which: Callable[[ServedCall], bool] = any_call) -> None:
        """For that long by the sandbox's clock, connections break before anything took effect."""
        self.server.drop_next(WHILE, takes_effect=False, which=self._until(seconds, which))

    def cuts(self, share: float, *, takes_effect: bool, which: Callable[[ServedCall], bool] = any_call) -> None:
        """From now on that share of the connections breaks, after the call took effect or before."""
        self.server.drop_next(
            WHILE, takes_effect=takes_effect, which=lambda call: self._chance.random() < share and which(call)
        )

    def _until(self, seconds: float, which: Callable[[ServedCall], bool]) -> Callable[[ServedCall], bool]:
        end = self.world.clock.monotonic() + seconds
        return lambda call: self.world.clock.monotonic() < end and which(call)


FIRST_HOOK = "Tertulia (sandbox)"
