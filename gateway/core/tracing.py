"""One trace from the webhook to the send, across processes, at next to no cost while nobody collects it.

The trace is a W3C ``traceparent`` string: it goes into the rows, and from there into the next step. Every log
line carries its trace id. Spans are only made when a collector is configured.
"""

from __future__ import annotations

import random
from contextlib import AbstractContextManager
from contextvars import ContextVar, Token
from types import TracebackType

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, TraceFlags, Tracer

AttributeValue = str | int | float | bool

_current: ContextVar[str] = ContextVar("tertulia_traceparent", default="")


def current_traceparent() -> str:
    """The ``traceparent`` of what runs now; empty outside any span."""
    return _current.get()


def trace_id_of(traceparent: str) -> str:
    """The 32 hex digits that name the trace; empty for anything that is no ``traceparent``."""
    return traceparent[3:35] if len(traceparent) == 55 else ""


def new_traceparent() -> str:
    """A trace of its own that is not sampled. Unique, not secret: speed matters more here than the generator."""
    return f"00-{random.getrandbits(128) | 1:032x}-{random.getrandbits(64) | 1:016x}-00"


class Tracing:
    """Makes spans. Without a tracer they only carry the trace's name along."""

    def __init__(self, tracer: Tracer | None = None) -> None:
        self._tracer = tracer

    def span(self, name: str, parent: str = "", **attributes: AttributeValue) -> AbstractContextManager[str]:
        """Run a block as part of a trace; yields the ``traceparent`` to store for the next step.

        ``parent`` is one that was stored; without it the running span is the parent, or a new trace begins.
        An error that leaves the block is recorded on the span by its class, never by its text.
        """
        if self._tracer is None:
            return _Quiet(parent)
        return _Recorded(self._tracer, name, parent, attributes)


class _Quiet:
    """Nobody collects: only the context variable is set."""

    __slots__ = ("_parent", "_token")

    def __init__(self, parent: str) -> None:
        self._parent = parent
        self._token: Token[str] | None = None

    def __enter__(self) -> str:
        traceparent = self._parent or _current.get() or new_traceparent()
        self._token = _current.set(traceparent)
        return traceparent

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._token is not None:
            _current.reset(self._token)


class _Recorded:
    """A span that a collector will see."""

    __slots__ = ("_attributes", "_name", "_parent", "_span", "_token", "_tracer")

    def __init__(self, tracer: Tracer, name: str, parent: str, attributes: dict[str, AttributeValue]) -> None:
        self._tracer = tracer
        self._name = name
        self._parent = parent
        self._attributes = attributes
        self._span: Span | None = None
        self._token: Token[str] | None = None

    def __enter__(self) -> str:
        context = _context_of(self._parent or _current.get())
        self._span = self._tracer.start_span(self._name, context=context, attributes=self._attributes)
        traceparent = _traceparent_of(self._span.get_span_context())
        self._token = _current.set(traceparent)
        return traceparent

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._token is not None:
            _current.reset(self._token)
        if self._span is not None:
            if kind is not None:
                self._span.set_status(trace.StatusCode.ERROR, kind.__name__)
            self._span.end()


def _traceparent_of(context: SpanContext) -> str:
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


def _context_of(traceparent: str) -> Context | None:
    if not trace_id_of(traceparent):
        return None
    try:
        span_context = SpanContext(
            trace_id=int(traceparent[3:35], 16),
            span_id=int(traceparent[36:52], 16),
            is_remote=True,
            trace_flags=TraceFlags(int(traceparent[53:55], 16)),
        )
    except ValueError:
        return None
    return trace.set_span_in_context(NonRecordingSpan(span_context))
