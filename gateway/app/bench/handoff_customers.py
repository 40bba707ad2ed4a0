"""The customers of a measured handoff: each asks for a person and then writes numbered words, as Telegram delivers.

Telegram sends an update again until it is acknowledged, and one at a time for a chat; so does this.
"""

from __future__ import annotations

import asyncio
import random
import time
from types import TracebackType
from typing import Self

import aiohttp
import msgspec

from gateway.app.bench.processes import ChildFailed
from gateway.app.bench.subjects import WEBHOOK_PATH, Gateway

FIRST_CHAT = 1_000_000
ASKS = "/person"
CONNECTIONS = 64
TIMEOUT_S = 20.0
PATIENCE_S = 300.0
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 0.5


def word_of(number: int, at: int) -> str:
    """The *at*-th message of a customer, like no other."""
    return f"c{number:05}w{at:03}"


def name_of(number: int) -> str:
    """What a customer is called."""
    return f"C{number:05}"


def number_of(name: str) -> int:
    """The customer of that name; -1 when it is nobody's."""
    return int(name[1:]) if name[:1] == "C" and name[1:].isdecimal() else -1


def chat_of(number: int) -> str:
    """The chat of a customer, as the provider's log writes it."""
    return str(FIRST_CHAT + number)


class Customers:
    """``count`` people; ``said_at`` is when each word was sent first, in seconds of ``time.time``."""

    def __init__(self, gateway: Gateway, count: int, *, seed: int = 1) -> None:
        self._gateway = gateway
        self._count = count
        self._chance = random.Random(seed)  # noqa: S311  # variety, not secrecy
        self._session: aiohttp.ClientSession | None = None
        self._next_update = 1
        self.asked_at: dict[int, float] = {}
        self.said_at: dict[str, float] = {}
        self.repeated = 0

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS), timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def ask_for_a_person(self) -> None:
        """All at once."""
        await asyncio.gather(*(self._asks(number) for number in range(self._count)))

    async def write(self, words: int, pause_s: float) -> None:
        """Each writes so many messages, with pauses of up to twice *pause_s* before each."""
        await asyncio.gather(*(self._writes(number, words, pause_s) for number in range(self._count)))

    def asked_by_name(self) -> dict[str, float]:
        """When each asked, by name, in seconds of ``time.time``."""
        return {name_of(number): at for number, at in self.asked_at.items()}

    async def _asks(self, number: int) -> None:
        self.asked_at[number] = time.time()
        await self._deliver(number, ASKS)

    async def _writes(self, number: int, words: int, pause_s: float) -> None:
        for at in range(words):
            await asyncio.sleep(self._chance.uniform(0, 2 * pause_s))
            word = word_of(number, at)
            self.said_at[word] = time.time()
            await self._deliver(number, word)

    async def _deliver(self, number: int, text: str) -> None:
        """Until it is acknowledged. Raises ``ChildFailed`` when it never is."""
        body, pause_s = self._update(number, text), FIRST_PAUSE_S
        give_up = time.monotonic() + PATIENCE_S
        while not await self._is_taken(body):
            if time.monotonic() > give_up:
                raise ChildFailed(f"the gateway takes no webhooks:\n{self._gateway.child.output()}")
            self.repeated += 1
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _is_taken(self, body: bytes) -> bool:
        if self._session is None:
            raise ChildFailed("the customers were not started")
        headers = {"Content-Type": "application/json", "X-Telegram-Bot-Api-Secret-Token": self._gateway.secret}
        url = f"http://127.0.0.1:{self._gateway.port}{WEBHOOK_PATH}"
        try:
            async with self._session.post(url, data=body, headers=headers) as answer:
                await answer.read()
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False

    def _update(self, number: int, text: str) -> bytes:
        update, self._next_update = self._next_update, self._next_update + 1
        chat = FIRST_CHAT + number
        who = {"id": chat, "is_bot": False, "first_name": name_of(number), "language_code": "en"}
        message = {
            "message_id": update,
            "from": who,
            "chat": {"id": chat, "first_name": name_of(number), "type": "private"},
            "date": int(time.time()),
            "text": text,
        }
        return msgspec.json.encode({"update_id": update, "message": message})
