"""The desks: one folder each, with a ``desk`` function that makes a ``DeskPort``."""

from __future__ import annotations

import importlib
import pkgutil

from gateway.core.errors import Misconfigured
from gateway.core.ports import DeskPort


def open_desk(name: str) -> DeskPort:
    """The desk of that folder. Raises ``Misconfigured`` when there is none."""
    names = [module.name for module in pkgutil.iter_modules(__path__) if module.ispkg]
    if name not in names:
        raise Misconfigured("router.desk", f"no desk is called {name!r}; known: {', '.join(sorted(names))}")
    made: DeskPort = importlib.import_module(f"{__name__}.{name}").desk()
    return made
