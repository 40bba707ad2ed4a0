"""Messages that companies' own systems send: under the same rules as every send, at once or when their time comes."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import datetime

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.core.channel import ReadsAddresses
from gateway.core.clock import Clock
from gateway.core.company import Category, KeyHolder, NotWorkable, SentMessage, Submitted, Wish
from gateway.core.errors import BadPayload, SendRefused, Unavailable
from gateway.core.ids import AccountId, ContactId, ConversationId, MessageId, new_id
from gateway.core.inbound import AddressKey, Profile
from gateway.core.messages import Author, Parts, encode_parts
from gateway.core.news import News
from gateway.router.endpoints import Endpoints, OpenAccount
from gateway.router.policy import Verdict
from gateway.router.policy_guard import PolicyGuard, refusal
from gateway.router.wakes import DELIVER, Wakes
from gateway.store import aliases, api_keys, receiving, scheduled
from gateway.store.aliases import AliasCache, NamesChanged
from gateway.store.consent import Standing
from gateway.store.database import Database, Lane
from gateway.store.outgoing import append_message
from gateway.store.scheduled import Place

log = structlog.get_logger(__name__)

KEY = "api"
"""The reply key of messages that came this way."""

_submitted = msgspec.json.Decoder(Submitted)


class Addressee(msgspec.Struct, frozen=True):
    """Somebody who is written to first; fits ``gateway.store.naming.Named``."""

    account_id: AccountId
    address: AddressKey
    aliases: tuple[AddressKey, ...] = ()
    profile: Profile = Profile()
    person: str = ""
    traits: str = ""
    makes_known: bool = True
    moves: bool = False
    yields: bool = False


class Company:
    """Fits ``CompanyPort``; ``step`` is a loop's step that queues what is due."""

    def __init__(
        self, database: Database, endpoints: Endpoints, guard: PolicyGuard, clock: Clock, wakes: Wakes, news: News
    ) -> None:
        self._database = database
        self._lane: Lane = database.lane()
        self._by_name: Mapping[str, OpenAccount] = {
            f"{one.account.channel}.{one.account.endpoint}.{one.account.name}": one for one in endpoints.all()
        }
        self._guard = guard
        self._clock = clock
        self._wakes = wakes
        self._news = news

    async def holder(self, token: str) -> KeyHolder | None:
        """Whose key it is; ``None``: nobody's, or revoked."""
        return await api_keys.holder(self._database, token)

    async def submit(self, holder: KeyHolder, wish: Wish) -> Submitted:
        """Return once the message is durable. Raises ``NotWorkable``, ``SendRefused`` or ``Unavailable``.

        A refused wish leaves no trace, also not of its idempotency key: it may be tried again when things have changed.
        """
        repeated = await self._repeated(holder, wish)
        if repeated is not None:
            return repeated
        place = await self._place(holder, wish)
        async with self._database.begin() as connection:
            key = wish.idempotency_key
            if key and not await scheduled.claim_answer(connection, holder.id, key, wish.digest):
                found = await scheduled.find_answer(connection, holder.id, key)
                if found is None:
                    raise Unavailable("another request with this key ended just now")
                return _answered(wish, *found)
            submitted = await self._put_down(connection, holder, wish, place)
            if key:
                await scheduled.set_answer(connection, holder.id, key, msgspec.json.encode(submitted))
        if submitted.status == "queued":
            self._wakes.wake(DELIVER)
            self._news.changed((place.conversation_id,))
        return submitted

    async def look_up(self, holder: KeyHolder, message_id: MessageId) -> SentMessage:
        """How a message of that key stands. Raises ``LookupError`` when it has none of that id."""
        async with self._database.begin() as connection:
            found = await scheduled.look_up(connection, holder.id, message_id)
        if found is None:
            raise LookupError(f"no message {message_id} of this key")
        return found

    async def step(self) -> bool:
        """Queue the message that has been due for longest; true when there may be more."""
        async with self._database.begin() as connection:
            due = await scheduled.take_due(connection, self._clock.now())
            if due is None:
                return False
            try:
                await self._check(connection, due.conversation_id, due.parts, due.category)
            except SendRefused as error:
                log.info("scheduled_message_refused", message_id=str(due.id), reason=error.reason)
                await scheduled.set_refused(connection, due.id, error.reason, error.detail)
                return True
            except LookupError:
                await scheduled.set_refused(connection, due.id, "unreachable", "the conversation was erased")
                return True
            position = await _append(connection, due.conversation_id, due.id, due.parts, due.category, due.key_name)
            await scheduled.set_queued(connection, due.id, position)
        self._wakes.wake(DELIVER)
        self._news.changed((due.conversation_id,))
        return True

    async def _repeated(self, holder: KeyHolder, wish: Wish) -> Submitted | None:
        """The answer of the first time; asked before anything else, because things may have changed since."""
        if not wish.idempotency_key:
            return None
        async with self._database.begin() as connection:
            found = await scheduled.find_answer(connection, holder.id, wish.idempotency_key)
        return None if found is None else _answered(wish, *found)

    async def _put_down(self, connection: AsyncConnection, holder: KeyHolder, wish: Wish, place: Place) -> Submitted:
        judged = await self._check(connection, place.conversation_id, wish.parts, wish.category, at=wish.at)
        message_id = MessageId(new_id())
        position = None
        if wish.at is None:
            position = await _append(
                connection, place.conversation_id, message_id, wish.parts, wish.category, holder.name
            )
        due_at = await scheduled.insert(
            connection,
            message_id,
            place,
            key_id=holder.id,
            key_name=holder.name,
            category=wish.category,
            parts=encode_parts(wish.parts).decode(),
            due_at=wish.at,
            position=position,
        )
        return Submitted(
            id=message_id,
            status="scheduled" if position is None else "queued",
            account=place.account,
            conversation_id=place.conversation_id,
            category=wish.category,
            at=due_at,
            uses_template=judged.kind == "template",
        )

    async def _check(
        self,
        connection: AsyncConnection,
        conversation_id: ConversationId,
        parts: Parts,
        category: Category,
        *,
        at: datetime | None = None,
    ) -> Verdict:
        """The policy, asked as for a word of the bot: nothing a company's system says is exempt from it."""
        return await self._guard.check(
            connection,
            conversation_id,
            Author.BOT,
            parts,
            is_proactive=category != "live",
            is_marketing=category == "marketing",
            now=at,
        )

    async def _place(self, holder: KeyHolder, wish: Wish) -> Place:
        """The conversation that is meant; made when a first message may be written to that address."""
        async with self._database.begin() as connection:
            if wish.to is not None:
                return await self._place_of_address(connection, holder, wish, wish.to)
            places = await _places(connection, wish)
        for place in places:
            if wish.account and place.account != wish.account:
                continue
            if holder.may_use(place.account):
                return place
        what = "contact_id" if wish.contact_id else "conversation_id"
        advice = "check the id, and which accounts the key may use"
        raise NotWorkable(404, "not_found", "there is no such conversation", where=f"$.{what}", advice=advice)

    async def _place_of_address(
        self, connection: AsyncConnection, holder: KeyHolder, wish: Wish, to: AddressKey
    ) -> Place:
        account = self._by_name.get(wish.account)
        if account is None or not holder.may_use(wish.account):
            advice = f"use one of the key's accounts: {self._usable(holder)}"
            raise NotWorkable(
                404, "unknown_account", f"there is no account {wish.account}", where="$.account", advice=advice
            )
        key = _address(account, to)
        place = await scheduled.by_address(connection, account.account.id, key)
        return place or await self._make_known(account, key, wish)

    async def _make_known(self, account: OpenAccount, key: AddressKey, wish: Wish) -> Place:
        """A contact, an address and a conversation for somebody who never wrote, when they may be written to first."""
        number = account.account.id
        if not account.spec.window.may_begin:
            judged = self._guard.judge(_nobody(number, account.account.app), Author.BOT, wish.parts, is_proactive=True)
        else:
            judged = self._guard.judge(
                _nobody(number, account.account.app),
                Author.BOT,
                wish.parts,
                is_proactive=wish.category != "live",
                is_marketing=wish.category == "marketing",
            )
        if judged.kind == "refused":
            raise refusal(judged)
        for _ in range(2):
            try:
                return await self._meet(Addressee(number, key), wish.account)
            except NamesChanged:
                continue
        return await self._meet(Addressee(number, key), wish.account)

    async def _meet(self, addressee: Addressee, account: str) -> Place:
        async with self._lane.transaction() as connection:
            resolved = await aliases.resolve(connection, [addressee], AliasCache(1))
            await receiving.begin_conversations(connection, resolved)
        (known,) = resolved.known
        if known is None:
            raise LookupError("an addressee is always made known")
        return Place(known.conversation_id, addressee.account_id, account)

    def _usable(self, holder: KeyHolder) -> str:
        return ", ".join(sorted(name for name in self._by_name if holder.may_use(name))) or "none is configured"


async def _places(connection: AsyncConnection, wish: Wish) -> list[Place]:
    if wish.contact_id is not None:
        return await scheduled.by_contact(connection, ContactId(wish.contact_id), wish.account)
    if wish.conversation_id is None:
        return []
    place = await scheduled.by_conversation(connection, wish.conversation_id)
    return [] if place is None else [place]


async def _append(
    connection: AsyncConnection,
    conversation_id: ConversationId,
    message_id: MessageId,
    parts: Parts,
    category: Category,
    key_name: str,
) -> int:
    return await append_message(
        connection,
        conversation_id,
        message_id,
        author=Author.SYSTEM.value,
        parts=encode_parts(parts).decode(),
        agent=key_name,
        key=KEY,
        is_proactive=category != "live",
        is_marketing=category == "marketing",
    )


def _address(account: OpenAccount, to: AddressKey) -> AddressKey:
    """The address as the channel calls it; channels that know no better take it as it was written."""
    if not isinstance(account.channel, ReadsAddresses):
        return to
    try:
        return account.channel.address_of(account.spec, to)
    except BadPayload as error:
        raise NotWorkable(422, "bad_address", error.detail, where="$.to", advice="see the channel's page") from None


def _answered(wish: Wish, request: bytes, body: bytes) -> Submitted:
    if not hmac.compare_digest(request, wish.digest):
        raise NotWorkable(
            409,
            "idempotency_conflict",
            "this Idempotency-Key was used for another request",
            where="Idempotency-Key",
            advice="use a new key for a new message, and the same body with the same key",
        )
    return _submitted.decode(body)


def _nobody(account_id: AccountId, app: str) -> Standing:
    """How somebody stands of whom nothing is known."""
    return Standing(
        conversation_id=ConversationId(new_id()),
        account_id=account_id,
        contact_id=ContactId(new_id()),
        app=app,
        language="",
        heard_at=None,
        window_until=None,
        is_opted_out=False,
        is_marketing_out=False,
        is_opted_in=False,
        is_marketing_in=False,
        is_unreachable=False,
    )
