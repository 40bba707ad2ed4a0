"""Conversations handed over at once, in short form: the gateway killed, Zendesk failing, webhooks lost and doubled."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.app.bench.handoff_audit import LIMITS
from gateway.app.bench.handoff_measure import HandoffOptions, measure_handoff
from gateway.store.embedded import EmbeddedPostgres

pytestmark = pytest.mark.system

PEOPLE, WORDS, ANSWERS = 12, 2, 1


async def test_no_word_is_lost_or_doubled_though_everything_fails(tmp_path: Path, postgres: EmbeddedPostgres) -> None:
    options = HandoffOptions(
        conversations=PEOPLE,
        words=WORDS,
        answers=ANSWERS,
        minute_s=2.0,
        kills=1,
        ways=("rough",),
        latency_s=0,
        patience_s=120.0,
        database_url=postgres.dsn("postgres"),
    )
    report = await measure_handoff(options, tmp_path, lambda _line: None)
    assert report.faults == []
    [run] = report.runs
    assert (run.tally.tickets, run.tally.words) == (PEOPLE, PEOPLE * WORDS)
    assert (run.comment.count, run.send.count) == (PEOPLE * WORDS, PEOPLE * (ANSWERS + 1))
    assert (run.kills, run.failed_calls > 0) == (1, True)
    assert not LIMITS & set(run.tally.violations)
    assert run.webhooks.get("lost", 0) > 0
