"""Whether what this task is about to do is still its own to do, asked at the last moment.

A process may be stopped at any line and woken after its lease ran out, when another one has long done its work. A check
some steps before the act is then worth nothing: whoever writes to a provider asks here right before the first byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_claim: ContextVar[Callable[[], bool] | None] = ContextVar("claim", default=None)


@contextmanager
def fenced(claim: Callable[[], bool]) -> Iterator[None]:
    """Within the block, and in tasks begun there, :func:`is_still_ours` answers what *claim* says at that moment."""
    token = _claim.set(claim)
    try:
        yield
    finally:
        _claim.reset(token)


def is_still_ours() -> bool:
    """False when the lease under which this is done has run out; true where nothing is leased."""
    claim = _claim.get()
    return claim is None or claim()
