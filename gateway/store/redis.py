"""Wake-ups between processes over Redis: quick when it is there, and nothing is missed when it is not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

CHANNEL = "tertulia:wake"


class RedisWakes:
    """Tells the other processes, and hears them. A wake-up that cannot be sent is dropped: polling finds the work."""

    def __init__(self, url: str) -> None:
        self._redis: Redis = Redis.from_url(url, socket_timeout=5, socket_connect_timeout=2, health_check_interval=30)
        self._heard: Callable[[str], None] = lambda _topic: None
        self._pending: set[str] = set()
        self._has_pending = asyncio.Event()

    def on_topic(self, heard: Callable[[str], None]) -> None:
        """Call *heard* with each topic that another process names."""
        self._heard = heard

    def tell(self, topic: str) -> None:
        """Say it soon; several for one topic become one."""
        self._pending.add(topic)
        self._has_pending.set()

    async def send(self) -> None:
        """Publish what is pending, for ever."""
        while True:
            await self._has_pending.wait()
            self._has_pending.clear()
            topics, self._pending = self._pending, set()
            try:
                for topic in topics:
                    await self._redis.publish(CHANNEL, topic)
            except (RedisError, OSError) as error:
                log.warning("wake_up_lost", reason=type(error).__name__)
                await asyncio.sleep(1)

    async def listen(self) -> None:
        """Hear the others, for ever; connects again after a failure."""
        while True:
            try:
                async with self._redis.pubsub() as pubsub:
                    await pubsub.subscribe(CHANNEL)
                    while True:
                        message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=4.0)
                        if message is not None:
                            self._heard(message["data"].decode("ascii", "replace"))
            except (RedisError, OSError) as error:
                log.warning("wake_ups_not_heard", reason=type(error).__name__)
                await asyncio.sleep(1)

    async def ping(self) -> None:
        await self._redis.ping()

    async def close(self) -> None:
        await self._redis.aclose()
