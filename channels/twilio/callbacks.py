"""Where Twilio tells what became of a message: our webhook's address, which only the operator knows.

It goes with every message, together with the message's own id, so that a receipt also finds a message whose call was
never answered.
"""

from __future__ import annotations

import time

from channels.twilio.settings import TwilioSettings
from gateway.core.channel import Finding, Kept

RETRIES = "#rc=5&rp=all"
"""Five more tries, whatever went wrong; without it Twilio tries once more, and only when no connection came about.

It tells Twilio and nobody else: it is neither sent nor signed.
"""

KEPT_AS = "webhook_url"
_ASKED_AGAIN_S = 60.0


class Callbacks:
    """The address is that of the settings, else the one that ``connect`` was given."""

    def __init__(self, settings: TwilioSettings, kept: Kept | None) -> None:
        self._base = settings.webhook_url
        self._kept = kept
        self._next_asking_s = float("-inf")

    async def base(self) -> str:
        """The address without our reference; empty when nobody told it yet."""
        if not self._base and self._kept is not None and time.monotonic() >= self._next_asking_s:
            self._next_asking_s = time.monotonic() + _ASKED_AGAIN_S
            self._base = await self._kept.get(KEPT_AS)
        return self._base

    async def address(self, query: str) -> str:
        """The address for one message, with *query* and the wish for retries; empty when nobody told it yet."""
        base = await self.base()
        return f"{base}{'&' if '?' in base else '?'}{query}{RETRIES}" if base else ""

    async def remember(self, public_url: str) -> None:
        if self._kept is not None and not self._base:
            await self._kept.put(KEPT_AS, public_url)
            self._base = public_url

    async def findings(self) -> list[Finding]:
        """Whether receipts can come."""
        if await self.base():
            return [Finding("ok", f"receipts come to {self._base.partition('?')[0]}", about="webhook")]
        advice = "set webhook_url to the whole address of our webhook, or run: tertulia channels connect"
        return [Finding("warn", "messages ask for no receipts", advice, about="webhook")]
