"""The way back from the quarantine: parse again after a fix, and take the usual way in, once."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from uuid import UUID

import msgspec

from channels.discovery import discover
from config.settings import EndpointConfig, Settings, read_endpoints
from gateway.app.nodes import new_node_name
from gateway.app.wiring import open_endpoints
from gateway.core.errors import BadPayload
from gateway.core.inbound import Ignored, Parsed, Unparsed
from gateway.core.metrics import Metrics
from gateway.core.news import News
from gateway.router.consent_words import ConsentWords
from gateway.router.endpoints import Endpoints, OpenAccount
from gateway.router.receive import Receive, ReceiveSettings
from gateway.router.wakes import Wakes
from gateway.store.accounts import register_node
from gateway.store.aliases import AliasCache
from gateway.store.blobs import Blobs
from gateway.store.database import Database
from gateway.store.quarantine import QuarantinedEntry, mark_replayed, show_entry
from gateway.store.rows import Taken


class Replayed(msgspec.Struct, frozen=True):
    """How many entries are understood and stored by now, and how many still wait."""

    understood: int
    still_waiting: int


async def replay_entries(settings: Settings, database: Database, entry_ids: Sequence[UUID]) -> Replayed:
    """Parse each entry again. An entry is marked only after it is durable; event keys make a second replay harmless.

    Conversations are left to the running gateways. Raises ``LookupError`` for an unknown id.
    """
    configured = {(one.channel.name, one.name): one for one in read_endpoints(settings, discover()).served}
    understood = 0
    async with AsyncExitStack() as stack:
        blobs = Blobs(str(settings.data_dir / "blobs"))
        endpoints = await open_endpoints(database, tuple(configured.values()), blobs, stack)
        receive = _receive(settings, await register_node(database, new_node_name()), database, endpoints)
        stack.push_async_callback(receive.close)
        for entry_id in entry_ids:
            entry = await show_entry(database, entry_id)
            endpoint = configured.get((entry.channel, entry.endpoint))
            parsed = None if endpoint is None else _understand(entry, endpoint, endpoints)
            if parsed is not None:
                await receive.accept(entry.channel, entry.endpoint, parsed)
                await mark_replayed(database, entry_id)
                understood += 1
    return Replayed(understood, len(entry_ids) - understood)


def _understand(entry: QuarantinedEntry, endpoint: EndpointConfig, endpoints: Endpoints) -> list[Parsed] | None:
    """What the entry says; ``None`` while any of it is not understood, or meant for an account that nobody knows."""
    try:
        parsed = endpoint.channel.replay(endpoint.settings, entry.raw)
    except BadPayload:
        return None
    for event in parsed:
        if isinstance(event, Unparsed):
            return None
        if not isinstance(event, Ignored) and endpoints.find(entry.channel, entry.endpoint, event.account) is None:
            return None
    return parsed


def _receive(settings: Settings, node: int, database: Database, endpoints: Endpoints) -> Receive:
    router = settings.router
    return Receive(
        ReceiveSettings(
            node=node,
            lease_s=router.lease_s,
            abandon_after_s=router.abandon_after_h * 3600,
            batch_limit=router.batch_limit,
            queue_limit=router.queue_limit,
            responds=False,
        ),
        endpoints,
        [database.lane()],
        AliasCache(1000),
        Metrics(),
        Wakes(),
        News(),
        ConsentWords(router.opt_out_words, router.opt_in_words),
        has_room=_never,
        hand_over=_nobody,
        heard=lambda _: None,
        acknowledge=_too_late,
    )


def _never() -> bool:
    return False


def _nobody(_taken: Taken) -> None:
    raise AssertionError("a receiver that does not respond was handed a conversation")


def _too_late(_account: OpenAccount, _token: str) -> None:
    """A button that was pressed back then has stopped spinning long ago."""
