"""Zendesk's limits are kept whatever comes, and while there is room nobody waits."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.core.desks import NotYet
from gateway.store.zendesk import Spent
from handoff.desks.zendesk.budget import MARGIN, RequestBudget, pause_s
from handoff.desks.zendesk.settings import ZendeskRates, ZendeskSettings

RATES = ZendeskRates()


class Account:
    """Zendesk's own count, and updates that are made as soon as the pause allows."""

    def __init__(self, rates: ZendeskRates) -> None:
        self.rates = rates
        self.now = 0.0
        self.made: list[tuple[float, int]] = []

    def spent(self, ticket: int) -> Spent:
        ticket_s, minute_s = self.rates.ticket_s * MARGIN, self.rates.minute_s * MARGIN
        own = [at for at, one in self.made if one == ticket and at > self.now - ticket_s]
        all_of_them = [at for at, _ in self.made if at > self.now - minute_s]
        return Spent(
            len(own),
            self.now - min(own) if own else 0.0,
            self.now - max(own) if own else 0.0,
            len(all_of_them),
            self.now - min(all_of_them) if all_of_them else 0.0,
        )

    def tries(self, ticket: int, *, is_urgent: bool = False) -> float:
        wait_s = pause_s(self.spent(ticket), self.rates, is_urgent=is_urgent)
        if wait_s == 0:
            self.made.append((self.now, ticket))
        return wait_s


def most_within(times: list[float], window_s: float) -> int:
    return max((sum(1 for other in times if at <= other < at + window_s) for at in times), default=0)


def test_a_ticket_that_is_written_to_without_end_stays_below_thirty_in_ten_minutes() -> None:
    account = Account(RATES)
    longest = last = 0.0
    while account.now < 3_600:
        if account.tries(1) == 0:
            longest, last = max(longest, account.now - last), account.now
        account.now += 0.5
    times = [at for at, _ in account.made]
    assert most_within(times, 600) <= 30
    assert len(times) > 6 * 22, "the budget is used"
    assert longest < 75, "nobody waits for long"
    assert times[:8] == [n * 0.5 for n in range(8)], "at once while there is plenty"


def test_a_thousand_cases_stay_below_a_hundred_a_minute_and_urgent_ones_go_first() -> None:
    account = Account(RATES)
    waits_ordinary = waits_urgent = 0
    while account.now < 200:
        for number in range(20):
            waits_ordinary += account.tries(int(account.now * 20) * 100 + number) > 0
        if account.now % 5 == 0:
            waits_urgent += account.tries(-1 - int(account.now), is_urgent=True) > 0
        account.now += 1
    assert most_within([at for at, _ in account.made], 60) <= 100
    assert waits_urgent == 0
    assert waits_ordinary > 0


@settings(max_examples=40)
@given(st.lists(st.tuples(st.floats(0, 30), st.integers(0, 3), st.booleans()), max_size=120))
def test_no_order_of_calls_breaks_a_limit(calls: list[tuple[float, int, bool]]) -> None:
    rates = ZendeskRates(updates_per_ticket=5, updates=8, ticket_window_s=60, minute_s=10)
    account = Account(rates)
    for step_s, ticket, is_urgent in calls:
        account.now += step_s
        wait_s = account.tries(ticket, is_urgent=is_urgent)
        assert wait_s >= 0
        assert wait_s <= 60 * MARGIN + 1, "what waits goes on in time"
    for ticket in range(4):
        assert most_within([at for at, one in account.made if one == ticket], 60) <= 5
    assert most_within([at for at, _ in account.made], 10) <= 8


def test_an_idle_account_makes_nobody_wait() -> None:
    assert pause_s(Spent(0, 0, 0, 0, 0), RATES, is_urgent=False) == 0


# ---------------------------------------------------------------- requests


class Hand:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def headers(limit: int, left: int, resets_s: float) -> dict[str, str]:
    return {"x-rate-limit": str(limit), "x-rate-limit-remaining": str(left), "rate-limit-reset": str(resets_s)}


def test_without_a_word_of_zendesk_the_plan_is_kept() -> None:
    clock = Hand()
    budget = RequestBudget(ZendeskRates(requests=20), clock)
    for _ in range(18):
        budget.begin()
        budget.end()
    with pytest.raises(NotYet) as caught:
        budget.begin()
    assert 60 <= caught.value.after_s <= 64
    budget.begin(is_urgent=True)
    clock.now = 64
    budget.begin()


def test_what_zendesk_says_goes_first_and_an_agents_words_before_all() -> None:
    clock = Hand()
    budget = RequestBudget(ZendeskRates(requests=400), clock)
    budget.told(headers(700, 300, 30))
    budget.begin()
    budget.end()
    budget.told(headers(700, 60, 30))
    budget.told(headers(700, 90, 30))  # overtaken
    with pytest.raises(NotYet) as caught:
        budget.begin()
    assert 0 < caught.value.after_s <= 30
    budget.begin(is_urgent=True)
    clock.now = 31
    budget.begin()


def test_after_a_refusal_nobody_asks_before_the_time() -> None:
    clock = Hand()
    budget = RequestBudget(RATES, clock)
    budget.shut(7)
    for is_urgent in (True, False):
        with pytest.raises(NotYet) as caught:
            budget.begin(is_urgent=is_urgent)
        assert caught.value.after_s >= 7
    clock.now = 7.1
    budget.begin()


@settings(max_examples=40)
@given(
    st.dictionaries(st.sampled_from(["rate-limit", "rate-limit-remaining", "rate-limit-reset"]), st.text(max_size=8))
)
def test_any_header_is_read_or_ignored(given_headers: dict[str, str]) -> None:
    RequestBudget(RATES, lambda: 0.0).told(given_headers)


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({}, "set subdomain"),
        ({"subdomain": "shop"}, "oauth_token"),
        ({"subdomain": "a b", "oauth_token": "t"}, "before .zendesk.com"),
        ({"subdomain": "shop", "oauth_token": "t", "fields": {"color": "app"}}, "numbers of ticket fields"),
        ({"subdomain": "shop", "oauth_token": "t", "fields": {"1": "colour"}}, "not known"),
        ({"subdomain": "shop", "oauth_token": "t", "subject": "{password}"}, "not known"),
        ({"subdomain": "shop", "oauth_token": "t", "groups": [{"group": 1, "when": {"x": "y"}}]}, "not known"),
        ({"subdomain": "shop", "oauth_token": "t", "api_url": "ftp://x"}, "https://shop.zendesk.com"),
        ({"subdomain": "shop", "oauth_token": "t", "colour": 1}, "Extra inputs"),
    ],
)
def test_a_wrong_setting_is_named_with_what_to_do(values: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        ZendeskSettings.model_validate(values)


def test_an_api_token_is_taken_with_a_warning_that_names_its_end() -> None:
    from handoff.desks.zendesk import desk

    kind = desk()
    read = kind.read_settings({"subdomain": "Shop.zendesk.com", "email": "a@b.c", "api_token": "t"})
    [finding] = kind.check(read)
    assert (finding.level, finding.what) == ("warn", "api_token") or finding.level == "bad"
    assert "2027-04-30" in finding.advice
    assert kind.check(kind.read_settings({"subdomain": "shop", "oauth_token": "t"})) == []
