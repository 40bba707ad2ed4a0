"""A desk that stands still until a test lets it do what it should."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from gateway.core.channel import WebhookRequest
from gateway.core.desks import Case, CaseRef, DeskEvent, DeskMessage, Told
from gateway.core.errors import BadPayload, BadSignature
from gateway.core.messages import plain_text


class PlayedDesk:
    """Remembers what it was told, by case; ``trouble``, ``on_call`` and ``on_apply`` are what a test wants of it."""

    concurrency = 4

    def __init__(self, name: str = "played.main") -> None:
        self.name = name
        self.opened: list[Case] = []
        self.heard: dict[str, list[str]] = {}
        self.over: list[tuple[str, str]] = []
        self.applied: list[DeskEvent] = []
        self.lost: list[DeskEvent] = []
        self.cursor = 0
        self.trouble: Exception | None = None
        self.gate: asyncio.Event | None = None
        self.told = Told("")
        self.on_apply: Callable[[DeskEvent], Awaitable[None]] | None = None
        self.on_call: Callable[[], None] | None = None
        self.at_once = 0
        self.most_at_once = 0

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def open(self, case: Case) -> Told:
        await self._called()
        self.opened.append(case)
        return Told(self.told.reference or f"T{case.handoff_id}", self.told.agent)

    async def customer_said(self, case: CaseRef, messages: Sequence[DeskMessage]) -> None:
        await self._called()
        self.heard.setdefault(case.reference, []).extend(plain_text(message.parts) for message in messages)

    async def ended(self, case: CaseRef, reason: str) -> None:
        await self._called()
        self.over.append((case.reference, reason))

    async def _called(self) -> None:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self.gate is not None:
                await self.gate.wait()
            else:
                await asyncio.sleep(0)
            if self.on_call is not None:
                self.on_call()
            if self.trouble is not None:
                raise self.trouble
        finally:
            self.at_once -= 1

    def verify(self, request: WebhookRequest) -> None:
        if request.headers.get("signature") != "good":
            raise BadSignature

    def parse(self, request: WebhookRequest) -> Sequence[DeskEvent]:
        if request.body == b"?":
            raise BadPayload("not what was agreed")
        if request.body == b"!":
            raise ZeroDivisionError
        return self.lost if request.body == b"lost" else ()

    async def apply(self, event: DeskEvent) -> None:
        if self.on_apply is not None:
            await self.on_apply(event)
        self.applied.append(event)

    async def reconcile(self) -> Sequence[DeskEvent]:
        if self.trouble is not None:
            raise self.trouble
        return self.lost[self.cursor :]

    async def reconciled(self) -> None:
        self.cursor = len(self.lost)

    async def customer_typing(self, case: CaseRef, is_typing: bool) -> None: ...
