"""Who is asked about, how many at once, how many wait, and when somebody is asked about again."""

import asyncio
import uuid
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from channels.telegram import channel as some_channel
from gateway.core.channel import AccountSpec, KnowsPeople, Rates
from gateway.core.clock import ManualClock
from gateway.core.errors import GiveUp, Misconfigured, Retry, Unavailable
from gateway.core.inbound import AddressKey, Profile
from gateway.core.messages import Text
from gateway.core.news import News
from gateway.core.turns import CustomerSaid
from gateway.router import acquaintance as module
from gateway.router.acquaintance import AGAIN_S, AT_ONCE, MOST_WAITING, PAUSE_S, Acquaintance
from gateway.router.endpoints import Endpoints, OpenAccount
from gateway.store.aliases import AliasCache
from gateway.store.rows import Account, Known, NewMessage

NOW = datetime(2026, 3, 2, tzinfo=UTC)


class Rows:
    """The rows of contacts, as far as they are asked for."""

    def __init__(self):
        self.named = set()
        self.learned = []
        self.trouble = None

    def lane(self):
        return self

    @asynccontextmanager
    async def transaction(self):
        if self.trouble is not None:
            raise self.trouble
        yield self

    async def fetchval(self, _statement, address_id):
        return address_id in self.named

    async def execute(self, _statement, _address_id, *told):
        self.learned.append(told)


class Directory:
    """A provider that knows everybody; a test may make it fail, or hold its answers back."""

    def __init__(self):
        self.asked = []
        self.answer = Profile("Ana")
        self.trouble = None
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.busy = self.most_busy = 0

    async def profile(self, account, address):
        self.asked.append((account, address))
        self.busy += 1
        self.most_busy = max(self.most_busy, self.busy)
        try:
            await self.may_answer.wait()
        finally:
            self.busy -= 1
        if self.trouble is not None:
            raise self.trouble
        return self.answer


class World:
    def __init__(self, client=None, timeout_s=5.0):
        self.directory = client or Directory()
        self.rows, self.clock, self.news = Rows(), ManualClock(), News()
        self.cache = AliasCache(10_000)
        self.shown = []
        self.news.listen(self.shown.append, lambda _: None)
        spec = AccountSpec("shop", "page-1", "messenger", Rates())
        account = Account(1, "some", "main", "shop", "page-1", "messenger")
        open_account = OpenAccount(account, spec, some_channel, None, self.directory)
        self.acquaintance = Acquaintance(
            self.rows, Endpoints([open_account]), self.cache, self.clock, self.news, timeout_s=timeout_s
        )

    def known(self, number, name=""):
        known = Known(
            uuid.UUID(int=number), uuid.UUID(int=1000 + number), uuid.UUID(int=2000 + number), f"{number}", name
        )
        self.cache.put((1, "psid", str(number)), known)
        return known

    def writes(self, number, account_id=1):
        said = CustomerSaid(seq=0, at=NOW, message_id=uuid.uuid4(), parts=(Text("hola"),), provider_message_id="m")
        address = AddressKey("psid", str(number))
        self.acquaintance.met([NewMessage(account_id, "k", address, (), Profile(), False, said, "[]", "", ())])

    async def asks(self):
        while await self.acquaintance.step():
            pass


@pytest.fixture
def world():
    return World()


async def test_what_is_told_is_written_shown_and_no_longer_remembered_as_nameless(world):
    known = world.known(7)
    world.directory.answer = Profile("Ana", "ana", "es")
    world.writes(7)
    await world.asks()
    assert world.directory.asked == [("page-1", "7")]
    assert world.rows.learned == [("ana",), ("Ana", "es")]
    assert world.shown == [known.conversation_id]
    assert world.cache.get((1, "psid", "7")) is None


async def test_nobody_is_asked_about_who_is_named_or_unknown_or_on_another_account(world):
    world.known(7, name="Ana")
    world.known(8)
    world.writes(7)
    world.writes(8, account_id=2)
    world.writes(9)
    assert len(world.acquaintance) == 0


async def test_who_was_named_meanwhile_is_not_asked_about(world):
    world.rows.named.add(world.known(7).address_id)
    world.writes(7)
    await world.asks()
    assert not world.directory.asked
    assert world.cache.get((1, "psid", "7")) is None


async def test_where_nobody_can_be_asked_nothing_waits():
    world = World(client=object())
    assert not isinstance(world.directory, KnowsPeople)
    world.known(7)
    world.writes(7)
    assert len(world.acquaintance) == 0


@pytest.mark.parametrize("trouble", [None, GiveUp("refused", "not this one")])
async def test_of_whom_nothing_is_told_it_is_asked_again_after_a_day_and_not_before(world, trouble):
    world.known(7)
    world.directory.answer, world.directory.trouble = None, trouble
    for _ in range(3):
        world.writes(7)
        await world.asks()
    assert len(world.directory.asked) == 1
    assert not world.shown
    await world.clock.advance(AGAIN_S + 1)
    world.writes(7)
    await world.asks()
    assert len(world.directory.asked) == 2


@pytest.mark.parametrize("trouble", [Retry("away"), Misconfigured("access_token", "is old")])
async def test_while_a_provider_fails_nobody_of_the_account_is_asked_about(world, trouble):
    for number in range(1, 20):
        world.known(number)
    world.directory.trouble = trouble
    for number in range(1, 19):
        world.writes(number)
    await world.asks()
    assert len(world.directory.asked) <= AT_ONCE
    await world.clock.advance(PAUSE_S + 1)
    world.directory.trouble = None
    before = len(world.directory.asked)
    for number in range(1, 20):
        world.writes(number)
    await world.asks()
    assert len(world.directory.asked) - before == 19


async def test_a_time_that_the_provider_names_is_kept(world):
    world.known(7)
    world.directory.trouble = Retry("too many", after_s=500)
    world.writes(7)
    await world.asks()
    await world.clock.advance(499)
    world.writes(7)
    await world.asks()
    assert len(world.directory.asked) == 1
    await world.clock.advance(2)
    world.writes(7)
    await world.asks()
    assert len(world.directory.asked) == 2


async def test_a_provider_that_hangs_is_left_and_then_left_alone():
    world = World(timeout_s=0.02)
    world.directory.may_answer.clear()
    for number in range(20):
        world.known(number)
        world.writes(number)
    await world.asks()
    assert len(world.directory.asked) == AT_ONCE
    assert world.directory.busy == 0


async def test_a_few_are_asked_about_at_once_and_a_bounded_number_waits(world):
    for number in range(MOST_WAITING + 50):
        world.known(number)
        world.writes(number)
    assert len(world.acquaintance) == MOST_WAITING
    world.directory.may_answer.clear()
    step = asyncio.create_task(world.acquaintance.step())
    while world.directory.busy < AT_ONCE:
        await asyncio.sleep(0)
    world.directory.may_answer.set()
    assert await step
    await world.asks()
    assert world.directory.most_busy == AT_ONCE
    assert len(world.directory.asked) == MOST_WAITING
    world.writes(MOST_WAITING + 7)
    await world.asks()
    assert world.directory.asked[-1] == ("page-1", str(MOST_WAITING + 7))


async def test_somebody_waits_once_however_often_they_write(world):
    world.known(7)
    for _ in range(5):
        world.writes(7)
    assert len(world.acquaintance) == 1


async def test_the_tries_that_are_remembered_are_bounded(world, monkeypatch):
    monkeypatch.setattr(module, "KEPT_TRIES", 10)
    world.directory.answer = None
    for number in range(30):
        world.known(number)
        world.writes(number)
        await world.asks()
    world.writes(29)
    assert len(world.acquaintance) == 0
    world.writes(0)
    assert len(world.acquaintance) == 1


async def test_an_error_ends_with_the_person_it_concerns(world):
    for number in range(3):
        world.known(number)
        world.writes(number)
    world.rows.trouble = Unavailable("the database is away")
    await world.asks()
    world.rows.trouble = ValueError("a bug")
    await world.clock.advance(PAUSE_S + 1)
    world.writes(0)
    await world.asks()
    assert not world.directory.asked
    world.rows.trouble = None
    world.writes(1)
    await world.asks()
    assert world.directory.asked == [("page-1", "1")]
