"""What a channel needs that serves its visitors itself, beside the webhooks: a web chat has sockets and a widget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import msgspec
from aiohttp import web

from gateway.core.channel import EndpointSettings
from gateway.core.clock import Clock
from gateway.core.ids import AccountId
from gateway.core.metrics import Metrics
from gateway.core.news import News
from gateway.core.ports import ReceivePort
from gateway.store.blobs import Blobs
from gateway.store.database import Database


class DoorEndpoint(msgspec.Struct, frozen=True):
    """One endpoint of the channel; ``settings`` is an instance of the channel's own."""

    name: str
    settings: EndpointSettings
    account_id: AccountId


class DoorParts(msgspec.Struct, frozen=True):
    """What wiring hands in. ``poll_s``: how often to look for what other processes did, when nobody tells of it.

    ``public_url`` has no slash at its end and may be empty; ``proxies`` is how many proxies of ours stand in front.
    """

    endpoints: tuple[DoorEndpoint, ...]
    receive: ReceivePort
    database: Database
    blobs: Blobs
    news: News
    clock: Clock
    metrics: Metrics
    public_url: str
    proxies: int
    poll_s: float
    bot_name: str
    languages: tuple[str, ...]


class Doors(Protocol):
    """The doors of all endpoints of one channel in one process."""

    def routes(self) -> Sequence[web.AbstractRouteDef]: ...

    async def open(self) -> None: ...

    async def hang_up(self) -> None:
        """The process stops: say goodbye on every long connection, so that its visitor goes on elsewhere at once."""
        ...

    async def close(self) -> None: ...


@runtime_checkable
class HasDoors(Protocol):
    """A channel that serves its visitors itself."""

    def doors(self, parts: DoorParts) -> Doors:
        """The doors; not opened yet."""
        ...

    def invitation(self, endpoint: str, address: str) -> str:
        """One line for the operator: how visitors come in. ``address`` is the server's, without a slash at its end."""
        ...
