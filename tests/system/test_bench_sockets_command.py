"""``tertulia bench sockets`` in its smallest form: the same processes, the same checks, a few sockets."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from gateway.app.bench.processes import Child, tertulia
from gateway.app.bench.socket_measure import SocketReport
from gateway.store.embedded import EmbeddedPostgres

pytestmark = pytest.mark.system


async def test_every_message_is_answered_on_its_socket_and_measured(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    log = tmp_path / "bench.json"
    options = (
        "--sockets",
        "40",
        "--rate",
        "20",
        "--seconds",
        "2",
        "--database-url",
        postgres.dsn("postgres"),
        "--json",
    )
    async with Child("tertulia bench sockets", tertulia("bench", "sockets", *options), log=log) as bench:
        assert await bench.ended(200), bench.output()
        assert bench.returncode == 0, bench.output()
    written = log.read_text()
    report = msgspec.json.decode(written[written.index("{\n") :], type=SocketReport)
    assert report.faults == []
    assert (report.sockets, report.sent, report.replied) == (40, 40, 40)
    assert 0 < report.reply_p50_ms <= report.reply_p99_ms <= report.reply_max_ms
    assert 0 < report.accepted_p50_ms <= report.accepted_p99_ms
