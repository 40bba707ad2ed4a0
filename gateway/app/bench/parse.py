"""``tertulia bench parse``: what it costs to prove and to understand a webhook, on every channel that is found."""

from __future__ import annotations

import gc
import hashlib
import hmac
import statistics
from collections.abc import Callable, Sequence
from time import process_time_ns
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from channels.discovery import discover, read_settings
from channels.specimen import Specimen, specimen_of
from gateway.core.channel import Channel, EndpointSettings, WebhookRequest
from gateway.core.inbound import Received

GOAL_US = 40.0
REPEATS = 5
JOINED = 100
TEXT = "Hola, ¿cuál es mi saldo? Mi número es el 300 555 0142"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class ParseCost(msgspec.Struct, frozen=True):
    """Microseconds of processor time for a message. ``joined_us``: where the provider sends many at once (else 0)."""

    channel: str
    message_us: float
    verify_us: float
    parse_us: float
    joined_us: float


class ParseReport(msgspec.Struct, frozen=True, kw_only=True):
    """``bare_us`` is an HMAC and a JSON decode of the same size without anything else, for comparing machines."""

    messages: int
    goal_us: float
    bare_us: float
    costs: list[ParseCost]
    faults: list[str]


@app.command(epilog="Example: tertulia bench parse --json")
def parse(
    *,
    messages: Annotated[int, typer.Option(min=JOINED, help="Webhooks of each channel.")] = 10_000,
    as_data: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Prove and parse webhooks of every channel: microseconds of processor time a message, signature included."""
    report = measure(messages)
    if as_data:
        typer.echo(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        show(report, Console())
    if report.faults:
        raise typer.Exit(1)


def measure(messages: int) -> ParseReport:
    """Measure every channel that is found; a message that is not understood is a fault."""
    costs: list[ParseCost] = []
    faults: list[str] = []
    for name, channel in discover().items():
        specimen = specimen_of(name)
        settings = read_settings(channel, "main", specimen.settings_values)
        requests = [specimen.authentic(specimen.text_message(number, TEXT)) for number in range(messages)]
        understood = {
            event.event_key
            for request in requests
            for event in channel.parse(settings, request)
            if isinstance(event, Received)
        }
        if len(understood) != messages:
            faults.append(f"{name}: {messages - len(understood)} of {messages} messages were not understood")
        costs.append(_cost(channel, settings, specimen, requests))
    return ParseReport(messages=messages, goal_us=GOAL_US, bare_us=_bare_us(messages), costs=costs, faults=faults)


def _cost(
    channel: Channel, settings: EndpointSettings, specimen: Specimen, requests: Sequence[WebhookRequest]
) -> ParseCost:
    verify_us = _each_us(lambda request: channel.verify(settings, request), requests) if specimen.has_provider else 0.0
    parse_us = _each_us(lambda request: channel.parse(settings, request), requests)
    return ParseCost(
        channel.name, verify_us + parse_us, verify_us, parse_us, _joined_us(channel, settings, specimen, len(requests))
    )


def _joined_us(channel: Channel, settings: EndpointSettings, specimen: Specimen, messages: int) -> float:
    bundles = []
    for start in range(0, messages, JOINED):
        joined = specimen.together([specimen.text_message(number, TEXT) for number in range(start, start + JOINED)])
        if joined is None:
            return 0.0
        bundles.append(specimen.authentic(joined))

    def both(request: WebhookRequest) -> None:
        channel.verify(settings, request)
        channel.parse(settings, request)

    return _each_us(both, bundles) / JOINED


def _bare_us(messages: int) -> float:
    body = msgspec.json.encode({"entry": [{"id": "1", "messaging": [{"text": TEXT, "mid": "m" * 60, "at": 1}]}]})
    decode = msgspec.json.Decoder().decode
    request = WebhookRequest("POST", "", {}, {}, body)

    def bare(request: WebhookRequest) -> None:
        hmac.digest(b"secret", request.body, hashlib.sha256)
        decode(request.body)

    return _each_us(bare, [request] * messages)


def _each_us(work: Callable[[WebhookRequest], object], requests: Sequence[WebhookRequest]) -> float:
    """Microseconds of processor time for one request: the median of some repeats over all of them."""
    measured = []
    gc.collect()
    for _ in range(REPEATS):
        began = process_time_ns()
        for request in requests:
            work(request)
        measured.append((process_time_ns() - began) / 1000 / len(requests))
    return statistics.median(measured)


def show(report: ParseReport, console: Console) -> None:
    """A table for people."""
    table = Table(title=f"{report.messages:,} webhooks of each channel: µs of processor time a message")
    for heading in ("", "proof and parse", "proof", "parse", f"{JOINED} in one webhook", "of the goal"):
        table.add_column(heading, justify="left" if not heading else "right")
    for cost in report.costs:
        table.add_row(
            cost.channel,
            f"{cost.message_us:.1f}",
            f"{cost.verify_us:.1f}",
            f"{cost.parse_us:.1f}",
            f"{cost.joined_us:.1f}" if cost.joined_us else "",
            f"{cost.message_us / report.goal_us:.0%}",
        )
    console.print(table)
    console.print(f"Goal: {report.goal_us:.0f} µs. An HMAC and a JSON decode alone: {report.bare_us:.1f} µs.")
    for fault in report.faults:
        console.print(f"[bold red]not understood:[/] {fault}")


def main(arguments: Sequence[str]) -> int:
    """Run the command with *arguments*; returns the exit code (1: a message was not understood)."""
    try:
        app(list(arguments), prog_name="tertulia bench parse")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    return 0
