"""Receive: what a webhook says becomes durable, once and in order, before anyone is told that it arrived."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

import msgspec
import structlog

from gateway.core.batcher import Batcher
from gateway.core.channel import capabilities_of
from gateway.core.errors import Overloaded, Unavailable
from gateway.core.ids import AccountId, MessageId, new_id
from gateway.core.inbound import (
    AccountNoticed,
    AddressMoved,
    Arrived,
    ConsentChanged,
    ControlMoved,
    Deleted,
    Echoed,
    Edited,
    Event,
    Ignored,
    Parsed,
    Reacted,
    Receipt,
    Received,
    SeenUpTo,
    Unparsed,
)
from gateway.core.messages import Media, encode_parts
from gateway.core.metrics import Metrics
from gateway.core.news import News
from gateway.core.tracing import current_traceparent
from gateway.core.turns import CustomerSaid
from gateway.router.consent_words import ConsentWords
from gateway.router.endpoints import Endpoints, OpenAccount
from gateway.router.policy import ad_window
from gateway.router.wakes import DELIVER, DESKS, RESPOND, Wakes
from gateway.store import receiving
from gateway.store.aliases import AliasCache, NamesChanged
from gateway.store.database import Lane, is_away, is_passing
from gateway.store.naming import AliasKey, alias_keys
from gateway.store.receiving import ReceiveLimits
from gateway.store.rows import (
    NewAddressEvent,
    NewChange,
    NewItem,
    NewMessage,
    NewNotice,
    NewQuarantine,
    Taken,
)

log = structlog.get_logger(__name__)

_encoder = msgspec.json.Encoder()

MOST_TRIES = 4
"""Every further try reads what another process wrote meanwhile; after so many a batch is split."""


class ReceiveSettings(msgspec.Struct, frozen=True):
    """``responds`` false leaves every conversation to other processes."""

    node: int
    lease_s: float
    abandon_after_s: float
    batch_limit: int
    queue_limit: int
    responds: bool


class Receive:
    """The first step of the pipeline; fits ``ReceivePort``."""

    def __init__(
        self,
        settings: ReceiveSettings,
        endpoints: Endpoints,
        lanes: Sequence[Lane],
        cache: AliasCache,
        metrics: Metrics,
        wakes: Wakes,
        news: News,
        words: ConsentWords,
        *,
        has_room: Callable[[], bool],
        hand_over: Callable[[Taken], None],
        acknowledge: Callable[[OpenAccount, str], None],
        heard: Callable[[Iterable[AccountId]], None],
        met: Callable[[Sequence[NewItem]], None] = lambda _: None,
        doubt: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._endpoints = endpoints
        self._cache = cache
        self._metrics = metrics
        self._wakes = wakes
        self._news = news
        self._words = words
        self._has_room = has_room
        self._hand_over = hand_over
        self._acknowledge = acknowledge
        self._heard = heard
        self._met = met
        self._doubt = doubt
        self._batchers = [self._batcher(lane) for lane in lanes]

    def __len__(self) -> int:
        """Webhooks that wait for their batch."""
        return sum(len(batcher) for batcher in self._batchers)

    async def accept(self, channel: str, endpoint: str, parsed: Sequence[Parsed]) -> None:
        """Return once all of *parsed* is durable. Raises ``Unavailable`` or ``Overloaded``: then it must come again."""
        events: list[Event | Unparsed] = []
        for event in parsed:
            if isinstance(event, Ignored):
                self._metrics.events.labels(channel, "ignored").inc()
            else:
                events.append(event)
        if not events:
            return
        tokens: list[tuple[OpenAccount, str]] = []
        items = [self._item(channel, endpoint, event, tokens) for event in events]
        try:
            await self._submit(items)
        except (Unavailable, Overloaded):
            raise
        except Exception:
            log.exception("batch_refused", channel=channel, endpoint=endpoint, items=len(items))
            await self._submit_each(channel, endpoint, events, items)
        for account, token in tokens:
            self._acknowledge(account, token)

    async def close(self) -> None:
        """Finish what was taken."""
        for batcher in self._batchers:
            await batcher.close()

    def _batcher(self, lane: Lane) -> Batcher[list[NewItem], None]:
        async def store(batch: Sequence[list[NewItem]]) -> Sequence[None]:
            return await self._store(lane, batch)

        return Batcher(
            store,
            limit=self._settings.batch_limit,
            queue_limit=self._settings.queue_limit,
            is_systemic=is_away,
            is_passing=_is_passing,
        )

    async def _submit(self, items: Sequence[NewItem]) -> None:
        """Store *items*: those of one person always go through the same lane, so that their order holds."""
        shares: dict[int, list[NewItem]] = {}
        for item, lane in zip(items, lanes_of(items), strict=True):
            shares.setdefault(lane % len(self._batchers), []).append(item)
        if len(shares) == 1:
            ((number, share),) = shares.items()
            await self._batchers[number](share)
            return
        results = await asyncio.gather(
            *(self._batchers[number](share) for number, share in shares.items()), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _submit_each(
        self, channel: str, endpoint: str, events: Sequence[Event | Unparsed], items: Sequence[NewItem]
    ) -> None:
        """Store one by one, in order: what the database refuses goes to the quarantine, its neighbours do not."""
        for event, item in zip(events, items, strict=True):
            try:
                await self._submit([item])
            except (Unavailable, Overloaded):
                raise
            except Exception as error:  # noqa: BLE001  its stack is in the log already
                await self._submit([_as_quarantine(channel, endpoint, event, error)])

    def _item(
        self, channel: str, endpoint: str, event: Event | Unparsed, tokens: list[tuple[OpenAccount, str]]
    ) -> NewItem:
        if isinstance(event, Unparsed):
            log.warning("entry_quarantined", channel=channel, endpoint=endpoint, reason=event.reason, path=event.path)
            return NewQuarantine(channel, endpoint, event.raw, event.reason, event.path)
        entry = self._endpoints.find(channel, endpoint, event.account)
        if entry is None:
            log.warning("entry_quarantined", channel=channel, endpoint=endpoint, reason="unknown account")
            return NewQuarantine(channel, endpoint, _encoder.encode(event), "unknown account", "$.account")
        account_id = entry.account.id
        match event:
            case Received():
                if event.acknowledge:
                    tokens.append((entry, event.acknowledge))
                return self._message(entry, event)
            case Edited() | Deleted() | Reacted() | Receipt():
                return NewChange(account_id, event)
            case Arrived():
                until = ad_window(entry.spec.window, event.at, event.origin)
                return NewAddressEvent(account_id, event, window_until=until)
            case ConsentChanged() | AddressMoved() | SeenUpTo() | Echoed() | ControlMoved():
                return NewAddressEvent(account_id, event)
            case AccountNoticed():
                return NewNotice(account_id, event)

    def _message(self, entry: OpenAccount, event: Received) -> NewMessage:
        word = self._words.meaning(event.parts)
        if word and entry.channel.is_group(event.address.value):
            word = ""
        return NewMessage(
            account_id=entry.account.id,
            event_key=event.event_key,
            address=event.address,
            aliases=event.aliases,
            profile=event.profile,
            is_opt_in=event.is_opt_in,
            entry=CustomerSaid(
                seq=0,
                at=event.at,
                message_id=MessageId(new_id()),
                parts=event.parts,
                provider_message_id=event.provider_message_id,
                referral=event.referral,
            ),
            parts=encode_parts(event.parts).decode(),
            reply_to=event.reply_to,
            media=tuple(
                (number, part.provider_ref)
                for number, part in enumerate(event.parts)
                if isinstance(part, Media) and part.provider_ref
            ),
            trace=current_traceparent(),
            window_until=ad_window(entry.spec.window, event.at, event.origin),
            person=event.person,
            traits=event.traits,
            origin=None if event.origin is None else _encoder.encode(event.origin).decode(),
            word=word,
            is_answered=bool(word) and capabilities_of(entry.channel, entry.account.app).answers_opt_out,
        )

    async def _store(self, lane: Lane, batch: Sequence[list[NewItem]]) -> Sequence[None]:
        items = [item for group in batch for item in group]
        is_taking = self._settings.responds and self._has_room()
        result = await self._written(lane, items, is_taking)
        for key, known in result.to_remember.items():
            self._cache.put(key, known)
        self._count(batch[0], items, result)
        for notice in result.notices:
            self._pass_on(notice)
        self._heard(item.account_id for item in items if isinstance(item, NewMessage))
        self._met(items)
        for taken in result.taken:
            self._hand_over(taken)
        if result.new_messages and not is_taking:
            self._wakes.wake(RESPOND)
        if result.has_new_control:
            self._wakes.wake(DESKS)
            self._wakes.wake(RESPOND)
        if result.confirmed:
            self._wakes.wake(DELIVER)
        self._news.changed(result.written_to)
        self._news.changed(result.marked, "marked")
        return [None] * len(batch)

    async def _written(self, lane: Lane, items: Sequence[NewItem], is_taking: bool) -> receiving.Received:
        """Write a batch, from what the database says whenever what is remembered proves to be old."""
        for _ in range(MOST_TRIES - 1):
            try:
                return await self._write(lane, items, is_taking)
            except NamesChanged:
                self._cache.forget(_keys(items))
        return await self._write(lane, items, is_taking)

    async def _write(self, lane: Lane, items: Sequence[NewItem], is_taking: bool) -> receiving.Received:
        limits = ReceiveLimits(
            node=self._settings.node,
            take=is_taking,
            lease_s=self._settings.lease_s,
            abandon_after_s=self._settings.abandon_after_s,
            confirm=self._words.confirmation,
            is_answer=self._words.is_answer,
        )
        try:
            async with lane.transaction() as connection:
                return await receiving.store_batch(connection, items, self._cache, limits)
        except Unavailable:
            if is_taking:
                self._doubt()
            raise

    def _count(self, first: Sequence[NewItem], items: Sequence[NewItem], result: receiving.Received) -> None:
        self._metrics.batch_size.labels("receive").observe(len(items))
        channel = self._channel_of(first[0])
        stored = len(items) - result.duplicates - result.quarantined
        for outcome, count in (
            ("stored", stored),
            ("duplicate", result.duplicates),
            ("quarantined", result.quarantined),
        ):
            if count:
                self._metrics.events.labels(channel, outcome).inc(count)
        if result.quarantined:
            self._metrics.quarantined.labels(channel).inc(result.quarantined)

    def _pass_on(self, notice: NewNotice) -> None:
        """An operator hears of it, once."""
        entry = self._endpoints.get(notice.account_id)
        if entry is None:
            return
        event, account = notice.event, entry.account
        is_bad = str(event.is_bad).lower()
        self._metrics.account_notices.labels(account.channel, account.name, event.kind, is_bad).inc()
        tell = log.warning if event.is_bad else log.info
        facts = {"kind": event.kind, "subject": event.subject, "state": event.state}
        tell("account_noticed", channel=account.channel, account=account.name, **facts)

    def _channel_of(self, item: NewItem) -> str:
        if isinstance(item, NewQuarantine):
            return item.channel
        entry = self._endpoints.get(item.account_id)
        return entry.account.channel if entry else "unknown"


def lanes_of(items: Sequence[NewItem]) -> list[int]:
    """A number for each item: names that come together in a webhook must not part, nor what else bears one of them."""
    lanes = [lane_of(item) for item in items]
    if len(items) == 1:
        return lanes
    lane_by_name: dict[AliasKey, int] = {}
    for place, item in enumerate(items):
        if not isinstance(item, NewMessage | NewAddressEvent):
            continue
        keys = alias_keys(item)
        joined = {lane_by_name[key] for key in keys if key in lane_by_name}
        lane = min(joined, default=lanes[place])
        if len(joined) > 1 or (joined and lanes[place] not in joined):
            lanes = [lane if one in joined or number == place else one for number, one in enumerate(lanes)]
            lane_by_name = {key: lane if one in joined else one for key, one in lane_by_name.items()}
        lane_by_name.update(dict.fromkeys(keys, lanes[place]))
    return lanes


def lane_of(item: NewItem) -> int:
    """A number that is the same for everything that one person or one message must not see out of order."""
    match item:
        case NewMessage():
            return hash(item.address)
        case NewAddressEvent():
            return hash(item.event.address)
        case NewChange():
            return hash(item.event.provider_message_id)
        case NewNotice() | NewQuarantine():
            return 0


def _keys(items: Sequence[NewItem]) -> list[AliasKey]:
    return [key for item in items if isinstance(item, NewMessage | NewAddressEvent) for key in alias_keys(item)]


def _is_passing(error: BaseException) -> bool:
    return isinstance(error, NamesChanged) or is_passing(error)


def _as_quarantine(channel: str, endpoint: str, event: Event | Unparsed, error: Exception) -> NewQuarantine:
    """What the database itself refuses (a bug of ours) is kept, not lost and not sent again for a day."""
    if isinstance(event, Unparsed):
        return NewQuarantine(channel, endpoint, event.raw, event.reason, event.path)
    return NewQuarantine(channel, endpoint, _encoder.encode(event), f"not storable: {type(error).__name__}", "$")
