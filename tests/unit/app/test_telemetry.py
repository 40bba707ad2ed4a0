"""Logs carry the trace and never what is private; traces cost nothing while nobody collects them."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from config.settings import TelemetrySettings, load_settings
from gateway.app.telemetry import configure_logging, start_tracing
from gateway.core.errors import Retry
from gateway.core.tracing import Tracing, current_traceparent, new_traceparent, trace_id_of

WORDS = "what the customer wrote"


def telemetry_settings(**changes: object) -> TelemetrySettings:
    return load_settings(None, {}).telemetry.model_copy(update={"log_format": "json", **changes})


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    written = io.StringIO()
    configure_logging(telemetry_settings(), "node-1", written)
    yield written
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.contextvars.clear_contextvars()
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_line_is_json_with_node_level_and_trace(stream: io.StringIO) -> None:
    with Tracing().span("webhook") as traceparent:
        structlog.get_logger("t").info("worker_started", port=1)
    [line] = lines(stream)
    assert (line["event"], line["node"], line["level"], line["port"]) == ("worker_started", "node-1", "info", 1)
    assert line["trace_id"] == trace_id_of(traceparent)


@pytest.mark.parametrize("key", ["text", "phone", "token", "payload", "secret_token", "authorization"])
def test_private_keys_are_redacted_whoever_logs_them(stream: io.StringIO, key: str) -> None:
    structlog.get_logger("t").warning("slip", **{key: WORDS})
    assert WORDS not in stream.getvalue()
    assert lines(stream)[0][key] == "[redacted]"


def test_librarys_error_is_logged_without_its_text_but_with_its_place(stream: io.StringIO) -> None:
    try:
        int(WORDS)
    except ValueError:
        structlog.get_logger("t").exception("turn_failed")
    assert WORDS not in stream.getvalue()
    [error] = lines(stream)[0]["error"]
    assert error["type"] == "builtins.ValueError"
    assert "test_telemetry.py" in error["at"][-1]


def test_our_own_error_keeps_its_message(stream: io.StringIO) -> None:
    try:
        raise Retry("the provider is busy")  # noqa: TRY301
    except Retry:
        structlog.get_logger("t").exception("send_failed")
    assert lines(stream)[0]["error"][0]["message"] == "the provider is busy"


def test_libraries_speak_from_warning_on(stream: io.StringIO) -> None:
    logging.getLogger("httpx").info("HTTP Request: POST https://api.telegram.org/bot123:secret/sendMessage")
    logging.getLogger("telegram.ext").info("chatter")
    logging.getLogger("telegram.ext").warning("trouble")
    assert [line["event"] for line in lines(stream)] == ["trouble"]


def test_span_without_parent_begins_a_trace_and_ends_it() -> None:
    with Tracing().span("webhook") as traceparent:
        assert current_traceparent() == traceparent
        assert len(trace_id_of(traceparent)) == 32
    assert current_traceparent() == ""


def test_span_inside_a_span_and_span_from_a_stored_parent_belong_to_its_trace() -> None:
    tracing = Tracing()
    with tracing.span("webhook") as stored, tracing.span("accept") as inner:
        assert trace_id_of(inner) == trace_id_of(stored)
    with tracing.span("send", stored) as later:
        assert trace_id_of(later) == trace_id_of(stored)


def test_traces_do_not_repeat() -> None:
    assert len({trace_id_of(new_traceparent()) for _ in range(1000)}) == 1000


def test_collected_spans_form_one_tree_across_a_stored_parent() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing = Tracing(provider.get_tracer("t"))
    with tracing.span("webhook", channel="telegram") as stored:
        pass
    with pytest.raises(Retry), tracing.span("send", stored):
        raise Retry(WORDS)
    webhook, send = exporter.get_finished_spans()
    assert send.parent.span_id == webhook.context.span_id
    assert send.context.trace_id == webhook.context.trace_id
    assert webhook.attributes == {"channel": "telegram"}
    assert (send.status.is_ok, send.status.description) == (False, "Retry")
    assert WORDS not in send.to_json()
    provider.shutdown()


@pytest.mark.parametrize("nonsense", ["", "x", "00-zz", "0" * 55])
def test_nonsense_as_a_parent_begins_a_new_trace(nonsense: str) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    with Tracing(provider.get_tracer("t")).span("send", nonsense) as traceparent:
        assert len(traceparent) == 55
    provider.shutdown()


def test_without_a_collector_there_is_no_provider_to_close() -> None:
    telemetry = start_tracing(telemetry_settings(), "n")
    assert telemetry.tracing._tracer is None
    telemetry.close()
