"""Models that the gateways of one test session share: each training would cost seconds of two cores."""

from __future__ import annotations

import os
import shutil
import tempfile

_VARIABLE = "TERTULIA_TESTS_MODELS"


def make_shared_models() -> str | None:
    """Begin a folder for this session and the processes that it starts; ``None`` in one of those."""
    if _VARIABLE in os.environ:
        return None
    os.environ[_VARIABLE] = tempfile.mkdtemp(prefix="tertulia-models-")
    return os.environ[_VARIABLE]


def drop_shared_models(url: str) -> None:
    """End what :func:`make_shared_models` began."""
    shutil.rmtree(url, ignore_errors=True)
    del os.environ[_VARIABLE]


def shared_models() -> str:
    """The ``models.url`` of a gateway whose test is not about training; what one trained, all others find.

    Outside of a session it is the gateway's own (empty).
    """
    return os.environ.get(_VARIABLE, "")
