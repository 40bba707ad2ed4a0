"""Ids carry their time, follow from one another without chance, and mark where a month begins."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.core.ids import derived_id, id_time, lowest_id, new_id

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MS = timedelta(milliseconds=1)

moments = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  the zone follows
to_the_ms = moments.map(lambda at: at - timedelta(microseconds=at.microsecond % 1000))
kinds = st.text(max_size=40)


@st.composite
def v7(draw: st.DrawFn) -> UUID:
    ms = draw(st.integers(0, 2**47))
    random = draw(st.integers(0, 2**74 - 1))
    return UUID(int=ms << 80 | 7 << 76 | (random >> 62) << 64 | 2 << 62 | random & (2**62 - 1))


@given(v7(), kinds)
def test_what_follows_from_a_subject_is_always_the_same_and_at_the_same_time(subject: UUID, kind: str) -> None:
    derived = derived_id(subject, kind)
    assert derived == derived_id(UUID(bytes=subject.bytes), kind)
    assert derived.int >> 80 == subject.int >> 80
    assert derived.version == 7
    assert derived.variant == subject.variant
    assert derived != subject


@given(v7(), st.sets(kinds, min_size=2, max_size=8))
def test_kinds_of_one_subject_have_ids_of_their_own(subject: UUID, several: set[str]) -> None:
    assert len({derived_id(subject, kind) for kind in several}) == len(several)


@given(st.sets(v7(), min_size=2, max_size=8), kinds)
def test_subjects_have_ids_of_their_own(subjects: set[UUID], kind: str) -> None:
    assert len({derived_id(subject, kind) for subject in subjects}) == len(subjects)


@example(datetime(2108, 1, 1, 21, 35, 28, 485000, tzinfo=UTC))  # a float loses this millisecond
@given(to_the_ms)
def test_a_bound_has_the_time_that_it_was_made_for(at: datetime) -> None:
    assert id_time(lowest_id(at)) == at


@given(to_the_ms, v7())
def test_a_bound_parts_the_ids_before_a_moment_from_those_at_or_after_it(at: datetime, some: UUID) -> None:
    made_at_ms = some.int >> 80
    assert (some >= lowest_id(at)) == (made_at_ms >= (at - EPOCH) // MS)


@given(st.lists(moments, min_size=2, max_size=5))
def test_bounds_are_in_the_order_of_their_moments(several: list[datetime]) -> None:
    ordered = sorted(several)
    bounds = [lowest_id(at) for at in ordered]
    assert bounds == sorted(bounds)


def test_fresh_ids_are_of_now_and_do_not_repeat() -> None:
    before = datetime.now(UTC) - MS
    ids = [new_id() for _ in range(1000)]
    after = datetime.now(UTC)
    assert len(set(ids)) == 1000
    assert all(before <= id_time(made) <= after for made in ids)
    assert all(made.version == 7 for made in ids)
