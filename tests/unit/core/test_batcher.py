"""A batcher joins callers and keeps them apart: nobody pays for another's fault, cancellation or deadlock."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from typing import Literal, TypeVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.batcher import Batcher
from gateway.core.errors import Overloaded

TRIES = 3

T = TypeVar("T")

Fate = Literal["good", "bad", "refused", "once_deadlocked", "always_deadlocked"]


class BadDataError(Exception):
    """One member's fault."""


class DeadlockError(Exception):
    """Nobody's fault: the same may well succeed when it is tried again."""


class AwayError(Exception):
    """Everybody's error."""


class Caller(msgspec.Struct, frozen=True):
    """Submits after ``pause`` rounds of the loop, and is cancelled after ``patience`` more if that is not ``None``."""

    number: int
    fate: Fate
    pause: int
    patience: int | None


class Table:
    """A database on paper: a run that raises leaves no effect. ``away`` are the numbers of the runs that fail so."""

    def __init__(self, callers: Sequence[Caller], durations: Sequence[int] = (1,), away: frozenset[int] = frozenset()):
        self.fates = {caller.number: caller.fate for caller in callers}
        self.deadlocks = Counter({number: 1 for number, fate in self.fates.items() if fate == "once_deadlocked"})
        self.durations = durations
        self.away = away
        self.runs: list[tuple[int, ...]] = []
        self.effects: list[int] = []
        self.started: set[int] = set()
        self.is_running = False

    async def run(self, items: Sequence[int]) -> list[str | BaseException]:
        assert not self.is_running, "one batch at a time"
        self.is_running = True
        number = len(self.runs)
        self.runs.append(tuple(items))
        self.started.update(items)
        try:
            for _ in range(self.durations[number % len(self.durations)]):
                await asyncio.sleep(0)
            return self.commit(number, items)
        finally:
            self.is_running = False

    def commit(self, number: int, items: Sequence[int]) -> list[str | BaseException]:
        if number in self.away:
            raise AwayError
        for item in items:
            if self.fates[item] == "bad":
                raise BadDataError(item)
            if self.fates[item] == "always_deadlocked" or self.deadlocks[item] > 0:
                self.deadlocks[item] -= 1
                raise DeadlockError(item)
        self.effects += [item for item in items if self.fates[item] != "refused"]
        return [BadDataError(item) if self.fates[item] == "refused" else f"done {item}" for item in items]

    def batcher(self, limit: int, queue_limit: int = 1000) -> Batcher[int, str]:
        return Batcher(
            self.run,
            limit=limit,
            queue_limit=queue_limit,
            is_systemic=lambda error: isinstance(error, AwayError),
            is_passing=lambda error: isinstance(error, DeadlockError),
            tries=TRIES,
        )


class Story:
    """What became of every caller."""

    def __init__(self, table: Table, batcher: Batcher[int, str]) -> None:
        self.table = table
        self.batcher = batcher
        self.submitted: list[int] = []
        self.outcomes: dict[int, str | BaseException] = {}
        self.cancelled_early: set[int] = set()

    async def call(self, number: int) -> None:
        self.submitted.append(number)
        try:
            self.outcomes[number] = await self.batcher(number)
        except (BadDataError, DeadlockError, AwayError, asyncio.CancelledError) as error:
            self.outcomes[number] = error

    async def live(self, caller: Caller) -> None:
        await rounds(caller.pause)
        task = asyncio.create_task(self.call(caller.number))
        if caller.patience is not None:
            await rounds(caller.patience)
            if not task.done() and caller.number not in self.table.started:
                self.cancelled_early.add(caller.number)
            task.cancel()
        await asyncio.wait([task])


async def rounds(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def tell(table: Table, callers: Sequence[Caller], limit: int) -> Story:
    async def play() -> Story:
        story = Story(table, table.batcher(limit))
        await asyncio.gather(*(story.live(caller) for caller in callers))
        await story.batcher.close()
        return story

    return run(play)


def run(play: Callable[[], Coroutine[object, object, T]]) -> T:
    async def in_time() -> T:
        async with asyncio.timeout(10):
            return await play()

    return asyncio.run(in_time())


def callers_of(*fates: Fate) -> st.SearchStrategy[list[Caller]]:
    one = st.tuples(st.sampled_from(fates), st.integers(0, 12), st.none() | st.integers(0, 8))
    return st.lists(one, max_size=24).map(lambda rows: [Caller(n, *row) for n, row in enumerate(rows)])


durations = st.lists(st.integers(0, 6), min_size=1, max_size=5)
limits = st.integers(1, 8)


@settings(deadline=None, max_examples=150)
@given(callers_of("good", "bad", "refused", "once_deadlocked", "always_deadlocked"), durations, limits)
def test_every_member_gets_its_own_outcome_whatever_its_neighbours_do(
    callers: list[Caller], lasting: list[int], limit: int
) -> None:
    story = tell(Table(callers, lasting), callers, limit)
    effects = Counter(story.table.effects)
    for caller in callers:
        outcome = story.outcomes.get(caller.number)
        if outcome is None or isinstance(outcome, asyncio.CancelledError):
            assert caller.patience is not None, "nobody is cancelled but who cancels"
            assert effects[caller.number] <= 1
        elif caller.fate in {"good", "once_deadlocked"}:
            assert outcome == f"done {caller.number}"
            assert effects[caller.number] == 1
        else:
            wanted = DeadlockError if caller.fate == "always_deadlocked" else BadDataError
            assert isinstance(outcome, wanted)
            assert outcome.args == (caller.number,), "the error is the member's own"
            assert effects[caller.number] == 0


@settings(deadline=None, max_examples=150)
@given(callers_of("good", "bad", "once_deadlocked"), durations, limits)
def test_effects_come_in_the_order_of_submission_and_in_batches_within_the_limit(
    callers: list[Caller], lasting: list[int], limit: int
) -> None:
    story = tell(Table(callers, lasting), callers, limit)
    place = {number: index for index, number in enumerate(story.submitted)}
    places = [place[number] for number in story.table.effects]
    assert places == sorted(set(places))
    assert all(1 <= len(members) <= limit for members in story.table.runs)
    assert story.batcher.members <= len(callers)
    assert len(story.batcher) == 0


@settings(deadline=None, max_examples=100)
@given(callers_of("good", "bad"), durations, limits)
def test_who_gives_up_before_its_batch_begins_is_left_out_of_it(
    callers: list[Caller], lasting: list[int], limit: int
) -> None:
    story = tell(Table(callers, lasting), callers, limit)
    assert not story.cancelled_early & story.table.started


@settings(deadline=None, max_examples=100)
@given(callers_of("good"), durations, limits, st.frozensets(st.integers(0, 12)))
def test_an_error_of_everybody_goes_to_the_whole_batch_without_splitting(
    callers: list[Caller], lasting: list[int], limit: int, away: frozenset[int]
) -> None:
    story = tell(Table(callers, lasting, away), callers, limit)
    assert len(story.table.runs) == story.batcher.batches, "nothing was tried twice"
    hit = {number for index in away if index < len(story.table.runs) for number in story.table.runs[index]}
    for number, outcome in story.outcomes.items():
        if not isinstance(outcome, asyncio.CancelledError):
            assert isinstance(outcome, AwayError) == (number in hit)
    assert not hit & set(story.table.effects)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 64), st.data())
def test_a_culprit_is_found_in_few_runs(size: int, data: st.DataObject) -> None:
    culprit = data.draw(st.integers(0, size - 1))
    callers = [Caller(n, "bad" if n == culprit else "good", 0, None) for n in range(size)]
    story = tell(Table(callers), callers, size)
    assert sorted(story.table.effects) == [n for n in range(size) if n != culprit]
    assert story.table.runs.count((culprit,)) == 1
    assert len(story.table.runs) <= 2 * size.bit_length() + 1


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 4), st.integers(0, 3))
def test_a_deadlock_is_tried_again_no_more_than_agreed(size: int, culprit: int) -> None:
    culprit %= size
    callers = [Caller(n, "always_deadlocked" if n == culprit else "good", 0, None) for n in range(size)]
    story = tell(Table(callers), callers, size)
    assert story.table.runs.count((culprit,)) == TRIES
    assert sorted(story.table.effects) == [n for n in range(size) if n != culprit]


class Held:
    """A run that waits to be let go, so that a test decides what gathers meanwhile."""

    def __init__(self) -> None:
        self.runs: list[list[int]] = []
        self.may_end = asyncio.Event()

    async def run(self, items: Sequence[int]) -> list[int]:
        self.runs.append(list(items))
        await self.may_end.wait()
        return [item * 10 for item in items]


async def test_who_comes_alone_is_served_at_once_and_the_next_batch_gathers_meanwhile() -> None:
    held = Held()
    batcher: Batcher[int, int] = Batcher(held.run, limit=3)
    first = batcher.submit(1)
    await rounds(1)
    assert held.runs == [[1]], "no timer, no waiting for company"
    others = [batcher.submit(number) for number in (2, 3, 4, 5)]
    await rounds(5)
    assert held.runs == [[1]]
    assert len(batcher) == 4
    held.may_end.set()
    assert await asyncio.gather(first, *others) == [10, 20, 30, 40, 50]
    assert held.runs == [[1], [2, 3, 4], [5]]
    assert (batcher.batches, batcher.members) == (3, 5)


async def test_more_than_the_queue_holds_is_refused_and_harms_nobody_who_waits() -> None:
    held = Held()
    batcher: Batcher[int, int] = Batcher(held.run, limit=10, queue_limit=2)
    running = batcher.submit(1)
    await rounds(1)
    waiting = [batcher.submit(2), batcher.submit(3)]
    with pytest.raises(Overloaded):
        batcher.submit(4)
    held.may_end.set()
    assert await asyncio.gather(running, *waiting) == [10, 20, 30]
    assert await batcher(5) == 50, "there is room again"


async def test_closing_finishes_what_was_taken_and_takes_nothing_more() -> None:
    held = Held()
    batcher: Batcher[int, int] = Batcher(held.run, limit=2)
    taken = [batcher.submit(number) for number in range(5)]
    closings = [asyncio.create_task(batcher.close()) for _ in range(2)]
    await rounds(2)
    with pytest.raises(Overloaded):
        await batcher(9)
    assert not any(closing.done() for closing in closings)
    held.may_end.set()
    await asyncio.gather(*closings)
    assert [future.result() for future in taken] == [0, 10, 20, 30, 40]


async def test_closing_what_never_ran_returns() -> None:
    batcher: Batcher[int, int] = Batcher(Held().run, limit=2)
    await batcher.close()
    with pytest.raises(Overloaded):
        batcher.submit(1)


async def test_who_gives_up_while_its_batch_runs_leaves_the_others_their_results() -> None:
    held = Held()
    batcher: Batcher[int, int] = Batcher(held.run, limit=5)
    members = [asyncio.create_task(batcher(number)) for number in (1, 2, 3)]
    await rounds(3)
    assert held.runs == [[1, 2, 3]]
    members[1].cancel()
    held.may_end.set()
    results = await asyncio.gather(*members, return_exceptions=True)
    assert (results[0], results[2]) == (10, 30)
    assert isinstance(results[1], asyncio.CancelledError)
    assert await batcher(4) == 40


async def test_too_few_results_are_an_error_for_all_and_nobody_hangs() -> None:
    async def run_short(items: Sequence[int]) -> list[int]:
        return [1]

    batcher: Batcher[int, int] = Batcher(run_short, limit=5)
    results = await asyncio.gather(batcher(1), batcher(2), return_exceptions=True)
    assert all(isinstance(result, RuntimeError) for result in results)


@pytest.mark.parametrize("fails_first", [False, True])
async def test_nobody_is_left_waiting_when_a_run_is_cancelled(fails_first: bool) -> None:
    runs: list[int] = []

    async def run_cancelled(items: Sequence[int]) -> list[int]:
        runs.append(len(items))
        if fails_first and len(runs) == 1:
            raise BadDataError
        raise asyncio.CancelledError

    batcher: Batcher[int, int] = Batcher(run_cancelled, limit=2)
    waiting = [batcher.submit(number) for number in range(5)]
    async with asyncio.timeout(2):
        results = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results)
