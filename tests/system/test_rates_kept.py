"""A burst of replies leaves at the provider's pace, exactly, used up and shared: the real deliver in simulated time."""

from __future__ import annotations

import pytest

from gateway.app.bench.rates_measure import Load, RatesReport, measure_rates
from gateway.core.channel import Rates


@pytest.mark.parametrize(
    ("rates", "load"),
    [
        pytest.param(
            Rates(per_s=30, per_recipient_s=1, recipient_burst=3, per_group_min=20),
            Load(people=100, each=6, burst=12, refusals=2),
            id="30 a second, one a second to a person",
        ),
        pytest.param(
            Rates(per_s=80, per_recipient_s=1 / 6, recipient_burst=45),
            Load(people=100, each=6, burst=60, refusals=2),
            id="80 a second, one in six seconds to a person after a burst",
        ),
        pytest.param(
            Rates(per_s=1, concurrency=2), Load(people=20, each=4, burst=20, refusals=2), id="one a second to everybody"
        ),
    ],
)
async def test_a_burst_keeps_the_rate_uses_it_up_and_is_fair(dsn: str, rates: Rates, load: Load) -> None:
    report: RatesReport = await measure_rates(dsn, "test", rates, load)
    assert report.faults == ()
    assert report.calls > report.messages, "every call counts, not every message"
