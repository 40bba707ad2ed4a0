"""One scrape tells of every worker behind the port; the token is made once and kept closed."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import gateway.core.metrics as metrics_module
from gateway.core.metrics import Metrics
from gateway.web.access import ensure_access_token
from gateway.web.exposition import Exposition

OPERATIONS = Path(__file__).parents[3] / "docs" / "operations.md"


def value(text: bytes, name: str, **labels: str) -> float | None:
    wanted = {f'{key}="{label}"' for key, label in labels.items()}
    for line in text.decode().splitlines():
        if line.startswith(name + "{") and wanted <= set(re.findall(r'\w+="[^"]*"', line)):
            return float(line.rpartition(" ")[2])
    return None


async def test_scrape_of_one_worker_tells_of_all(tmp_path: Path) -> None:
    one, other = Metrics(), Metrics()
    one.turns.labels("intents", "answered").inc(2)
    other.turns.labels("intents", "answered").inc(3)
    first, second = Exposition(one.registry, "n1", tmp_path), Exposition(other.registry, "n2", tmp_path)
    await first.open()
    await second.open()
    for text in (await first.text(), await second.text()):
        assert value(text, "tertulia_turns_total", node="n1", link="intents") == 2
        assert value(text, "tertulia_turns_total", node="n2", link="intents") == 3
        assert text.count(b"# TYPE tertulia_turns_total counter") == 1
    await first.close()
    await second.close()


async def test_socket_of_a_dead_worker_is_passed_over_and_removed(tmp_path: Path) -> None:
    import socket

    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(tmp_path / "dead.metrics"))
    dead.close()
    exposition = Exposition(Metrics().registry, "n1", tmp_path)
    await exposition.open()
    text = await exposition.text()
    assert b'node="n1"' in text
    assert b'node="dead"' not in text
    assert not (tmp_path / "dead.metrics").exists()
    await exposition.close()
    assert list(tmp_path.iterdir()) == []


async def test_memory_of_the_process_is_told(tmp_path: Path) -> None:
    exposition = Exposition(Metrics().registry, "n1", tmp_path)
    text = await exposition.text()
    assert (value(text, "process_resident_memory_bytes", node="n1") or 0) > 1_000_000


def test_every_metric_is_documented_and_no_other() -> None:
    names = {metric.name + ("_total" if metric.type == "counter" else "") for metric in Metrics().registry.collect()}
    documented = set(re.findall(r"`(tertulia_[a-z_]+)`", OPERATIONS.read_text()))
    assert documented == names


def test_metrics_module_names_its_buckets_in_rising_order() -> None:
    for buckets in (metrics_module.FAST_BUCKETS_S, metrics_module.SLOW_BUCKETS_S, metrics_module.BATCH_BUCKETS):
        assert list(buckets) == sorted(set(buckets))


def test_token_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    first = ensure_access_token(tmp_path / "data")
    again = ensure_access_token(tmp_path / "data")
    assert first.is_new
    assert not again.is_new
    assert first.value == again.value
    assert len(first.value) >= 32
    assert first.path.stat().st_mode & 0o777 == 0o600


def test_processes_that_start_together_agree_on_one_token(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        tokens = list(pool.map(lambda _: ensure_access_token(tmp_path).value, range(32)))
    assert len(set(tokens)) == 1
