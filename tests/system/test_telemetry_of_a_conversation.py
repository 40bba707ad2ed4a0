"""What an operator sees of a conversation: one trace a message, from webhook to send, and logs without its words."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Self

import msgspec
import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from shared_models import shared_models

from channels.telegram.sandbox import Person, TelegramSandbox
from gateway.app.bench.audit import became
from gateway.app.bench.processes import free_port
from gateway.app.bench.subjects import Gateway

pytestmark = pytest.mark.system

BOT_TOKEN = "424242:a-token-that-no-log-may-contain-0123456"
SECRET = "a-secret-that-no-log-may-contain"
PHONE = "+573001234567"
NAME = "Anacleta"
WORDS = ("hola, soy Anacleta", "quiero comprar un paquete de datos", "5 gigas", "no, mejor el de 10 gigas")
AFTERWARDS = ("una jirafa violeta baila", "quiero hablar con una persona")


class Recorded(msgspec.Struct, frozen=True):
    """One span as the collector got it; ids in hex."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    service: str


class Collector:
    """An OpenTelemetry collector that takes OTLP over HTTP and remembers."""

    def __init__(self) -> None:
        self.spans: list[Recorded] = []
        self.url = ""

    async def __aenter__(self) -> Self:
        application = web.Application()
        application.router.add_post("/v1/traces", self._take)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        export = ExportTraceServiceRequest.FromString(await request.read())
        for resource_spans in export.resource_spans:
            attributes = {pair.key: pair.value.string_value for pair in resource_spans.resource.attributes}
            for scope in resource_spans.scope_spans:
                for span in scope.spans:
                    ids = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex())
                    self.spans.append(Recorded(span.name, *ids, attributes["service.name"]))
        return web.Response(content_type="application/x-protobuf")

    def traces(self) -> dict[str, dict[str, Recorded]]:
        """The spans of each trace by their name; a name that comes twice in a trace gets a mark."""
        found: dict[str, dict[str, Recorded]] = defaultdict(dict)
        for span in self.spans:
            trace = found[span.trace_id]
            trace[span.name if span.name not in trace else f"{span.name} again"] = span
        return found


class Stage:
    """A gateway with a sandbox in Telegram's place and a customer."""

    def __init__(self, gateway: Gateway, sandbox: TelegramSandbox) -> None:
        self.gateway = gateway
        self.sandbox = sandbox
        self.ana: Person = sandbox.person(NAME, language="es")

    async def says(self, text: str) -> str:
        await self.ana.writes(text)
        return (await self.ana.next_reply(timeout_s=20)).text

    def log(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.raw_log().splitlines() if line.startswith("{")]

    def raw_log(self) -> str:
        return (self.gateway.folder / "gateway.log").read_text()


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with Collector() as running:
        yield running


@pytest.fixture
def log_level() -> str:
    return "info"


@pytest.fixture
async def stage(tmp_path: Path, dsn: str, collector: Collector, log_level: str) -> AsyncIterator[Stage]:
    port = free_port()
    webhook = f"http://127.0.0.1:{port}/webhooks/telegram/main"
    async with TelegramSandbox(webhook_url=webhook, token=BOT_TOKEN, secret_token=SECRET) as sandbox:
        values: dict[str, str | int | float | bool] = {
            "channels.telegram.main.token": BOT_TOKEN,
            "telemetry.otlp_endpoint": collector.url,
            "telemetry.log_level": log_level,
        }
        gateway = Gateway(
            tmp_path,
            provider_url=sandbox.api_url,
            database_url=dsn,
            port=port,
            secret=SECRET,
            models_url=shared_models(),
            settings=values,
        )
        await gateway.start()
        try:
            yield Stage(gateway, sandbox)
        finally:
            gateway.child.kill()


async def test_a_message_is_one_trace_from_webhook_over_respond_to_deliver(stage: Stage, collector: Collector) -> None:
    for text in WORDS:
        await stage.says(text)
    assert await stage.gateway.child.stop() == 0
    assert {span.service for span in collector.spans} == {"tertulia"}
    traces = collector.traces()
    assert len(traces) == len(WORDS)
    for trace in traces.values():
        assert set(trace) == {"webhook", "respond", "deliver"}
        assert trace["webhook"].parent_id == ""
        assert trace["respond"].parent_id == trace["webhook"].span_id
        assert trace["deliver"].parent_id == trace["respond"].span_id


async def test_a_log_line_names_the_trace_that_the_collector_has(stage: Stage, collector: Collector) -> None:
    stage.sandbox.repeat_update(
        {"update_id": 1, "message": {"message_id": {"of": "another release"}, "chat": {"id": 7}}}
    )
    await stage.sandbox.settled()
    assert await stage.gateway.child.stop() == 0
    [line] = [line for line in stage.log() if line["event"] == "entry_quarantined"]
    assert line["trace_id"] in collector.traces()


async def _refused(sandbox: TelegramSandbox) -> None:
    """Wait until the fault that was asked for met its call: what is written before would be read in the same turn."""

    async def is_refused() -> bool:
        return not sandbox.faults_ahead

    assert await became(is_refused, 20), "the answer was never tried"


@pytest.mark.parametrize("log_level", ["info", "debug"])
async def test_logs_of_a_whole_conversation_hold_no_word_number_or_secret(stage: Stage, log_level: str) -> None:
    said = [await stage.says(text) for text in WORDS]
    await stage.ana.sends_contact(PHONE)
    said.append((await stage.ana.next_reply(timeout_s=20)).text)
    stage.sandbox.fail_next(1, 400, "Bad Request: message text is empty", method="sendMessage")
    await stage.ana.writes(AFTERWARDS[0])
    await _refused(stage.sandbox)
    said.append(await stage.says(AFTERWARDS[1]))
    assert await stage.gateway.child.stop() == 0

    private = [*WORDS, *AFTERWARDS, *said, PHONE, PHONE[1:], NAME, str(stage.ana.id), BOT_TOKEN, SECRET]
    log = stage.raw_log()
    assert [words for words in private if words in log or json.dumps(words)[1:-1] in log] == []
    if log_level == "info":
        trained = {"training_started", "training_finished", "model_promoted", "sentiment_available"}
        assert {line["event"] for line in stage.log()} - trained == {"worker_started", "worker_stopped"}
