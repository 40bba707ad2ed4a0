"""Metrics of all workers behind one port: whoever is scraped asks its siblings, and labels each series with the node.

Each worker answers on a Unix socket in ``data_dir/run``. Nothing is shared while it counts, so counting costs
the same with one worker and with many.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from pathlib import Path

import msgspec
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from gateway.store.sockets import socket_folder

PEER_TIMEOUT_S = 1.0


class Series(msgspec.Struct, frozen=True, array_like=True):
    name: str
    labels: dict[str, str]
    value: float


class Family(msgspec.Struct, frozen=True, array_like=True):
    name: str
    documentation: str
    kind: str
    series: tuple[Series, ...]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(tuple[Family, ...])


class Exposition:
    """Serves this process' metrics to its siblings, and everybody's to the scraper."""

    def __init__(self, registry: CollectorRegistry, node: str, run_dir: Path) -> None:
        self._registry = registry
        self._node = node
        self._run_dir = run_dir
        self._path: Path | None = None
        self._server: asyncio.Server | None = None
        self._process = ProcessCollector(registry=None)

    async def open(self) -> None:
        folder = socket_folder(self._run_dir, f"{self._node}.metrics")
        self._path = folder / f"{self._node}.metrics"
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._answer_sibling, path=self._path)
        self._path.chmod(0o600)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    async def text(self) -> bytes:
        """All workers' metrics in Prometheus' text format. A sibling that does not answer in time is left out."""
        snapshots = {self._node: self._snapshot()}
        siblings = [path for path in self._sibling_sockets() if path != self._path]
        answers = await asyncio.gather(*(_ask(path) for path in siblings))
        snapshots.update({path.stem: answer for path, answer in zip(siblings, answers, strict=True) if answer})
        merged = CollectorRegistry()
        merged.register(_Merged(snapshots))
        return generate_latest(merged)

    def _sibling_sockets(self) -> list[Path]:
        return [] if self._path is None else sorted(self._path.parent.glob("*.metrics"))

    def _snapshot(self) -> tuple[Family, ...]:
        metrics = [*self._registry.collect(), *self._process.collect()]
        return tuple(_family(metric) for metric in metrics)

    async def _answer_sibling(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            writer.write(_encoder.encode(self._snapshot()))
            await writer.drain()
        writer.close()


async def _ask(path: Path) -> tuple[Family, ...]:
    """A sibling's snapshot; empty when it is gone (its socket is then removed) or slow."""
    try:
        async with asyncio.timeout(PEER_TIMEOUT_S):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                return _decoder.decode(await reader.read(-1))
            finally:
                writer.close()
    except ConnectionRefusedError:
        path.unlink(missing_ok=True)  # noqa: ASYNC240 - a local socket's name
        return ()
    except (OSError, TimeoutError, msgspec.DecodeError):
        return ()


def _family(metric: Metric) -> Family:
    series = tuple(
        Series(sample.name, dict(sample.labels), float(sample.value))
        for sample in metric.samples
        if not sample.name.endswith("_created")
    )
    return Family(metric.name, metric.documentation, metric.type, series)


class _Merged(Collector):
    """Families of several nodes as one set, each series with its node."""

    def __init__(self, snapshots: dict[str, tuple[Family, ...]]) -> None:
        self._snapshots = snapshots

    def collect(self) -> Iterable[Metric]:
        merged: dict[str, Metric] = {}
        for node, families in self._snapshots.items():
            for family in families:
                metric = merged.setdefault(family.name, Metric(family.name, family.documentation, family.kind))
                for series in family.series:
                    metric.add_sample(series.name, {**series.labels, "node": node}, series.value)
        return merged.values()
