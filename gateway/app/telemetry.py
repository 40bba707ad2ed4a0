"""Logs and traces of a process: set up once at start, shut down at the end.

Logs are JSON lines (pretty on a terminal) with the trace id bound. What customers wrote, phone numbers, tokens
and payloads have no place in them: a processor takes such keys out, whoever put them in.
"""

from __future__ import annotations

import logging
import sys
import traceback
from typing import Protocol, TextIO

import structlog
from opentelemetry.trace import Tracer
from structlog.typing import EventDict, Processor, WrappedLogger

from config.settings import TelemetrySettings
from gateway.core.errors import TertuliaError
from gateway.core.tracing import Tracing, current_traceparent, trace_id_of

REDACTED_KEYS = frozenset({
    "text", "caption", "phone", "phone_number", "token", "secret_token", "access_token", "app_secret", "auth_token",
    "verify_token", "secret", "password", "authorization", "payload", "body", "raw", "parts", "dsn",
})  # fmt: skip
QUIET_LIBRARIES = ("httpx", "httpcore", "telegram", "aiohttp", "asyncio", "alembic", "sqlalchemy", "opentelemetry")


class Exporting(Protocol):
    """The part of OpenTelemetry's provider that is used here; it is imported only when a collector is configured."""

    def get_tracer(self, name: str) -> Tracer: ...

    def shutdown(self) -> None: ...


class Telemetry:
    """What was set up; ``tracing`` is handed to the parts, ``close`` flushes what still waits to be exported."""

    def __init__(self, tracing: Tracing, provider: Exporting | None) -> None:
        self.tracing = tracing
        self._provider = provider

    def close(self) -> None:
        """Export what waits, within the exporter's own time limit. Blocking."""
        if self._provider is not None:
            self._provider.shutdown()


def start_tracing(settings: TelemetrySettings, node: str) -> Telemetry:
    """Tracing for this process: spans go to the configured collector, or nowhere at no cost."""
    if not settings.otlp_endpoint:
        return Telemetry(Tracing(), None)
    provider = _otlp_provider(settings, node)
    return Telemetry(Tracing(provider.get_tracer("tertulia")), provider)


def configure_logging(settings: TelemetrySettings, node: str, stream: TextIO | None = None) -> None:
    """Send our events and the libraries' warnings to *stream* (default: standard error), one line each."""
    stream = stream or sys.stderr
    form = settings.log_format
    is_pretty = form == "pretty" or (form == "auto" and stream.isatty())
    number = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        add_trace_id,
        drop_private_keys,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.contextvars.bind_contextvars(node=node)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter(shared, is_pretty=is_pretty))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    for library in QUIET_LIBRARIES:
        logging.getLogger(library).setLevel(max(number, logging.WARNING))


def _formatter(shared: list[Processor], *, is_pretty: bool) -> logging.Formatter:
    last: list[Processor] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if is_pretty
        else [describe_error, structlog.processors.JSONRenderer(default=str)]
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last]
    )


def add_trace_id(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Bind the trace that runs now, so that one message can be followed across steps and processes."""
    if trace_id := trace_id_of(current_traceparent()):
        event.setdefault("trace_id", trace_id)
    return event


def drop_private_keys(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Take out what must never be logged. The key stays with a mark, so that the slip is seen."""
    for key in REDACTED_KEYS & event.keys():
        event[key] = "[redacted]"
    return event


def describe_error(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """An error as its class, where it was raised, and what caused it.

    Its text only when it is ours or the system's: a library's text may quote what a customer wrote.
    """
    found = event.pop("exc_info", None)
    if found is None or found is False:
        return event
    error = found if isinstance(found, BaseException) else found[1] if isinstance(found, tuple) else sys.exc_info()[1]
    chain: list[dict[str, object]] = []
    while error is not None and len(chain) < 5:
        chain.append(_one_error(error))
        error = error.__cause__ or error.__context__
    event["error"] = chain
    return event


def _one_error(error: BaseException) -> dict[str, object]:
    frames = traceback.extract_tb(error.__traceback__)
    described: dict[str, object] = {
        "type": f"{type(error).__module__}.{type(error).__qualname__}",
        "at": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }
    if isinstance(error, TertuliaError | OSError):
        described["message"] = str(error)
    if isinstance(error, BaseExceptionGroup):
        described["members"] = [_one_error(member) for member in error.exceptions[:5]]
    return described


def _otlp_provider(settings: TelemetrySettings, node: str) -> Exporting:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

    provider = TracerProvider(
        sampler=ParentBasedTraceIdRatio(settings.trace_ratio),
        resource=Resource.create({"service.name": "tertulia", "service.instance.id": node}),
        shutdown_on_exit=False,
    )
    exporter = OTLPSpanExporter(endpoint=f"{settings.otlp_endpoint.rstrip('/')}/v1/traces", timeout=5)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider
