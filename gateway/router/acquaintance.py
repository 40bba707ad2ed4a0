"""Asks who nameless customers are, where the provider can be asked; apart from webhooks, turns and transactions.

Best effort. The turn that runs meanwhile goes on without the name. What waits, and who was asked when, is remembered in
this process only: what is lost with it is asked again when the customer writes again.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Sequence

import msgspec
import structlog

from gateway.core.channel import KnowsPeople
from gateway.core.clock import Clock
from gateway.core.errors import GiveUp, Misconfigured, Retry, Unavailable
from gateway.core.ids import AccountId, AddressId
from gateway.core.inbound import Profile
from gateway.core.news import News
from gateway.router.endpoints import Endpoints
from gateway.store import contacts
from gateway.store.aliases import AliasCache
from gateway.store.database import Database
from gateway.store.naming import AliasKey
from gateway.store.rows import Known, NewItem, NewMessage

log = structlog.get_logger(__name__)

AT_ONCE = 4
MOST_WAITING = 1000
KEPT_TRIES = 50_000
TIMEOUT_S = 10.0

AGAIN_S = 86_400.0
"""After so long somebody of whom nothing was told is asked about again, if they write."""

PAUSE_S = 60.0
"""For so long nobody is asked about on an account whose provider fails, unless that names a time."""


class Nameless(msgspec.Struct, frozen=True):
    """Somebody to ask about: the name under which webhooks bring them, and what is known of them."""

    key: AliasKey
    known: Known

    @property
    def account_id(self) -> AccountId:
        return AccountId(self.key[0])


class Acquaintance:
    """Hears whom receive met; one step asks about a few of them."""

    def __init__(
        self,
        database: Database,
        endpoints: Endpoints,
        cache: AliasCache,
        clock: Clock,
        news: News,
        *,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._lane = database.lane()
        self._cache = cache
        self._clock = clock
        self._news = news
        self._timeout_s = timeout_s
        self._accounts = {
            one.account.id: (one.client, one.spec.external)
            for one in endpoints.all()
            if isinstance(one.client, KnowsPeople)
        }
        self._waiting: deque[Nameless] = deque()
        self._not_before: OrderedDict[AddressId, float] = OrderedDict()
        self._paused_until: dict[AccountId, float] = {}

    def __len__(self) -> int:
        """People who wait to be asked about."""
        return len(self._waiting)

    def met(self, items: Sequence[NewItem]) -> None:
        """These were stored. Returns at once."""
        if not self._accounts:
            return
        for item in items:
            if isinstance(item, NewMessage) and item.account_id in self._accounts:
                self._note((item.account_id, item.address.kind, item.address.value))

    async def step(self) -> bool:
        """Ask about a few of those who wait; true when there are more."""
        few = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
        await asyncio.gather(*(self._get_to_know(one) for one in few))
        return bool(self._waiting)

    def _note(self, key: AliasKey) -> None:
        known = self._cache.get(key)
        if known is None or known.name or len(self._waiting) >= MOST_WAITING:
            return
        if self._clock.monotonic() < self._not_before.get(known.address_id, 0.0):
            return
        self._put_off(known.address_id, AGAIN_S)
        self._waiting.append(Nameless(key, known))

    async def _get_to_know(self, one: Nameless) -> None:
        """Ask about one person; every failure ends here."""
        try:
            if not await self._is_named(one):
                profile = await self._told(one)
                if profile is not None:
                    await self._learn(one, profile)
        except Unavailable:
            self._put_off(one.known.address_id, PAUSE_S)
        except Exception:
            log.exception("acquaintance_failed", conversation_id=str(one.known.conversation_id))

    async def _is_named(self, one: Nameless) -> bool:
        """Whether somebody else found out meanwhile: another process, or a person at a desk."""
        async with self._lane.transaction() as connection:
            is_named = await contacts.is_named(connection, one.known.address_id)
        if is_named:
            self._cache.forget((one.key,))
        return is_named

    async def _told(self, one: Nameless) -> Profile | None:
        """What the provider tells; while it fails, or is asked too much, nobody of the account is asked about."""
        now = self._clock.monotonic()
        paused_s = self._paused_until.get(one.account_id, 0.0) - now
        if paused_s > 0:
            self._put_off(one.known.address_id, paused_s)
            return None
        client, account = self._accounts[one.account_id]
        try:
            async with asyncio.timeout(self._timeout_s):
                return await client.profile(account, one.known.recipient)
        except GiveUp as error:
            log.info("person_not_told", conversation_id=str(one.known.conversation_id), reason=str(error))
        except (Retry, Misconfigured, TimeoutError) as error:
            pause_s = (error.after_s if isinstance(error, Retry) else None) or PAUSE_S
            self._paused_until[one.account_id] = now + pause_s
            self._put_off(one.known.address_id, pause_s)
            log.warning("people_not_told", account_id=one.account_id, reason=str(error) or type(error).__name__)
        return None

    async def _learn(self, one: Nameless, profile: Profile) -> None:
        """Write it down, and show it. Two transactions, so that neither holds a row while it waits for another."""
        if profile.username:
            async with self._lane.transaction() as connection:
                await contacts.set_username(connection, one.known.address_id, profile.username)
        if profile.name or profile.language:
            async with self._lane.transaction() as connection:
                await contacts.describe(connection, one.known.address_id, profile)
        self._cache.forget((one.key,))
        self._news.changed((one.known.conversation_id,))

    def _put_off(self, address_id: AddressId, seconds: float) -> None:
        self._not_before[address_id] = self._clock.monotonic() + seconds
        self._not_before.move_to_end(address_id)
        if len(self._not_before) > KEPT_TRIES:
            self._not_before.popitem(last=False)
