"""What processes tell one another over Redis: quick when it is there, and nothing is missed when it is not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.core.ids import new_id
from gateway.core.news import Bulletin

log = structlog.get_logger(__name__)

WAKES = "tertulia:wake"
NEWS = "tertulia:news"

MAX_PENDING = 10_000
"""Bulletins that may wait while Redis is away; what comes on top is dropped."""


class Announcement(msgspec.Struct, frozen=True, array_like=True):
    """Bulletins as they travel, with their sender, who heard them already."""

    sender: str
    bulletins: tuple[Bulletin, ...]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Announcement)


class RedisBus:
    """Tells the other processes, and hears them. What cannot be sent is dropped: polling finds the work."""

    def __init__(self, url: str) -> None:
        self._redis: Redis = Redis.from_url(url, socket_timeout=5, socket_connect_timeout=2, health_check_interval=30)
        self._name = new_id().hex
        self._on_topic: Callable[[str], None] = lambda _topic: None
        self._on_bulletin: Callable[[Bulletin], None] = lambda _bulletin: None
        self._topics: set[str] = set()
        self._bulletins: list[Bulletin] = []
        self._has_pending = asyncio.Event()

    def on_topic(self, heard: Callable[[str], None]) -> None:
        """Call *heard* with each topic that another process names."""
        self._on_topic = heard

    def on_bulletin(self, heard: Callable[[Bulletin], None]) -> None:
        """Call *heard* with each bulletin of another process."""
        self._on_bulletin = heard

    def wake(self, topic: str) -> None:
        """Say it soon; several for one topic become one."""
        self._topics.add(topic)
        self._has_pending.set()

    def announce(self, bulletin: Bulletin) -> None:
        """Say it soon; those that gather meanwhile travel together, in order."""
        if len(self._bulletins) < MAX_PENDING:
            self._bulletins.append(bulletin)
        self._has_pending.set()

    async def send(self) -> None:
        """Publish what is pending, for ever."""
        while True:
            await self._has_pending.wait()
            self._has_pending.clear()
            topics, self._topics = self._topics, set()
            bulletins, self._bulletins = self._bulletins, []
            try:
                async with self._redis.pipeline(transaction=False) as pipeline:
                    if bulletins:
                        pipeline.publish(NEWS, _encoder.encode(Announcement(self._name, tuple(bulletins))))
                    for topic in topics:
                        pipeline.publish(WAKES, topic)
                    await pipeline.execute()
            except (RedisError, OSError) as error:
                log.warning("news_not_told", reason=type(error).__name__)
                await asyncio.sleep(1)

    async def listen(self) -> None:
        """Hear the others, for ever; connects again after a failure."""
        while True:
            try:
                async with self._redis.pubsub() as pubsub:
                    await pubsub.subscribe(WAKES, NEWS)
                    while True:
                        message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=4.0)
                        if message is not None:
                            self._hear(message["channel"], message["data"])
            except (RedisError, OSError) as error:
                log.warning("news_not_heard", reason=type(error).__name__)
                await asyncio.sleep(1)

    def _hear(self, channel: bytes, data: bytes) -> None:
        if channel == WAKES.encode():
            self._on_topic(data.decode("ascii", "replace"))
            return
        try:
            announcement = _decoder.decode(data)
        except msgspec.DecodeError:  # a process of another release: its news are found by polling
            return
        if announcement.sender != self._name:
            for bulletin in announcement.bulletins:
                self._on_bulletin(bulletin)

    async def ping(self) -> None:
        await self._redis.ping()

    async def close(self) -> None:
        await self._redis.aclose()


async def wake_once(url: str, topic: str) -> None:
    """Tell every process of one topic, from a command that runs beside them. Best effort: they poll as well."""
    redis: Redis = Redis.from_url(url, socket_timeout=5, socket_connect_timeout=2)
    try:
        await redis.publish(WAKES, topic)
    except (RedisError, OSError) as error:
        log.warning("news_not_told", reason=type(error).__name__)
    finally:
        await redis.aclose()
