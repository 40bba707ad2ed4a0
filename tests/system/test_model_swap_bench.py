"""The model changed again and again under load, in short form: nobody is refused, nobody goes without an answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.app.bench.swap_measure import SwapOptions, measure_swaps
from gateway.store.embedded import EmbeddedPostgres

pytestmark = pytest.mark.system


async def test_a_model_that_changes_under_load_costs_no_message(tmp_path: Path, postgres: EmbeddedPostgres) -> None:
    options = SwapOptions(
        seconds=5.0, rate_per_s=40.0, swaps=8, repetitions=1, is_short=True, database_url=postgres.dsn("postgres")
    )
    report = await measure_swaps(options, tmp_path, lambda _line: None)
    assert report.faults == []
    assert report.swaps >= 7
    assert [run.turns for run in (*report.alone, *report.swapping, report.training)] == [200, 200, 200]
    assert set(report.served) == {"v0001", "v0002"}
