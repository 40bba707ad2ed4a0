"""How a sandbox lives: its webhooks and its server are opened together, and closed in reverse."""

from __future__ import annotations

from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from channels.sandbox_server import ProviderServer
from channels.sandbox_webhooks import WebhookSender


class ServedSandbox:
    """A context that a sandbox builds on, once it has made its ``server`` and its ``sender``."""

    server: ProviderServer
    sender: WebhookSender
    _life: AsyncExitStack

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.sender)
            await stack.enter_async_context(self.server)
            self._life = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._life.aclose()
