"""An account is silent when chance no longer explains it, by its own habit."""

import random
from datetime import UTC, datetime, timedelta

from gateway.router.pulse import HOUR, is_silent

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


def habit(weeks, likely):
    """The hours with a message in so many weeks before *MONDAY*, where ``likely(hour)`` is the chance of one."""
    chance = random.Random(7)
    hours = (MONDAY - timedelta(weeks=weeks) + number * HOUR for number in range(weeks * 168))
    return {hour for hour in hours if chance.random() < likely(hour)}


def office(hour):
    return 0.98 if hour.weekday() < 5 and 8 <= hour.hour < 18 else 0.0


def silent_after(busy, heard_at):
    """Whole hours after which the account counts as silent, or ``None`` within two weeks."""
    for hours in range(24 * 14):
        if is_silent(heard_at, MONDAY - timedelta(weeks=4), busy, heard_at + hours * HOUR):
            return hours
    return None


def test_a_busy_account_is_missed_within_hours_and_a_rare_one_within_days():
    busy = habit(4, lambda _hour: 0.99)
    assert 2 <= silent_after(busy, MONDAY - HOUR) <= 5
    rare = habit(4, lambda _hour: 0.1)
    assert 48 < silent_after(rare, MONDAY - HOUR) < 150


def test_a_night_and_a_weekend_are_not_silence_where_nobody_writes_then():
    busy = habit(4, office)
    friday_evening = MONDAY - timedelta(days=3) + timedelta(hours=17, minutes=30)
    hours = silent_after(busy, friday_evening)
    assert timedelta(hours=hours) + friday_evening > MONDAY + timedelta(hours=9)
    assert timedelta(hours=hours) + friday_evening < MONDAY + timedelta(hours=15)


def test_an_account_without_a_habit_is_never_silent():
    first = MONDAY - timedelta(days=2)
    busy = {MONDAY - number * HOUR for number in range(1, 48)}
    assert not is_silent(MONDAY - 20 * HOUR, first, busy, MONDAY)
    assert not is_silent(None, first, busy, MONDAY)


def test_a_usual_week_raises_hardly_an_alarm():
    alarms = 0
    chance = random.Random(3)
    busy = habit(4, lambda _hour: 0.5)
    heard = MONDAY - HOUR
    for number in range(24 * 28):
        now = MONDAY + number * HOUR
        alarms += is_silent(heard, MONDAY - timedelta(weeks=4), busy, now)
        if chance.random() < 0.5:
            heard = now
    assert alarms <= 3
