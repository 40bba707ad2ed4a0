"""The desks: one folder a kind, found here, so that nothing else in the product has to name one.

A desk is named by its kind and the name in the settings, ``zendesk.main``. The built-in desk and the provider's inbox
are there without any settings, as ``builtin.main`` and ``provider.main``.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Mapping
from typing import cast

import msgspec
from pydantic import ValidationError

from config.settings import Problem, Settings, Tree, nearest, problems_of
from gateway.core.desks import DeskKind, DeskSettings

BUILTIN = "builtin.main"
PROVIDER = "provider.main"

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_METHODS = ("read_settings", "check", "open")


class BrokenDesk(Exception):
    """A folder of ``handoff/desks`` that is not a desk: ``package`` names it, ``detail`` says what is missing."""

    def __init__(self, package: str, detail: str) -> None:
        super().__init__(f"handoff/desks/{package}: {detail}")
        self.package = package
        self.detail = detail


class DeskConfig(msgspec.Struct, frozen=True):
    """One configured desk, with the kind's own checked settings."""

    kind: DeskKind
    name: str
    settings: DeskSettings

    @property
    def full_name(self) -> str:
        """``zendesk.main``"""
        return f"{self.kind.name}.{self.name}"


class ConfiguredDesks(msgspec.Struct, frozen=True):
    """What the settings say of desks, sorted into what can be opened and what is wrong."""

    served: tuple[DeskConfig, ...]
    problems: tuple[Problem, ...]

    def names(self) -> tuple[str, ...]:
        return tuple(desk.full_name for desk in self.served)


def kind_names() -> tuple[str, ...]:
    """The folders, in alphabetical order; nothing is imported."""
    packages = sorted(found.name for found in pkgutil.iter_modules(__path__) if found.ispkg)
    return tuple(name for name in packages if not name.startswith("_"))


def discover() -> dict[str, DeskKind]:
    """Every kind by its name. Raises ``BrokenDesk`` for one that does not fit."""
    return {name: load(name) for name in kind_names()}


def load(package: str) -> DeskKind:
    """The kind in the folder ``handoff/desks/<package>``. Raises ``BrokenDesk`` when there is none that fits."""
    try:
        module = importlib.import_module(f"{__name__}.{package}")
    except ImportError as error:
        raise BrokenDesk(package, f"cannot be imported ({error})") from error
    make = getattr(module, "desk", None)
    if not callable(make):
        raise BrokenDesk(package, "its __init__.py has no function 'desk'")
    kind = make()
    if getattr(kind, "name", "") != package:
        raise BrokenDesk(package, f"its name must be {package!r}, that of the folder")
    if not (isinstance(getattr(kind, "settings", None), type) and issubclass(kind.settings, DeskSettings)):
        raise BrokenDesk(package, "its 'settings' must be a subclass of DeskSettings")
    missing = [method for method in _METHODS if not callable(getattr(kind, method, None))]
    if missing:
        raise BrokenDesk(package, f"it has no {missing[0]!r}")
    return cast("DeskKind", kind)


def full_name(name: str) -> str:
    """``builtin`` as ``builtin.main``, as older releases wrote it; what has both parts already stays."""
    return name if "." in name else f"{name}.main"


def read_desks(settings: Settings, kinds: Mapping[str, DeskKind] | None = None) -> ConfiguredDesks:
    """Every desk, checked against its kind's own settings. One fault harms no other.

    Without *kinds* only those folders are imported that the settings name. That ``router.desk`` names no desk is a
    problem too.
    """
    served: list[DeskConfig] = []
    problems: list[Problem] = []
    for kind_name, name, tree in _sections(settings):
        try:
            served.append(_read(kind_name, name, tree, kinds))
        except _Refused as refused:
            problems += refused.problems
    known = [desk.full_name for desk in served]
    wanted = full_name(settings.router.desk)
    if wanted not in known and not any(_concerns(problem, wanted) for problem in problems):
        advice = f"no desk is called {settings.router.desk!r}{nearest(wanted, known)}"
        problems.append(Problem("router.desk", advice))
    return ConfiguredDesks(tuple(served), tuple(sorted(problems)))


def needed_problems(settings: Settings, desks: ConfiguredDesks) -> tuple[Problem, ...]:
    """The problems without whose mending no conversation could be handed to anybody."""
    wanted = full_name(settings.router.desk)
    if wanted in desks.names():
        return ()
    near = tuple(p for p in desks.problems if p.key == "router.desk" or _concerns(p, wanted))
    return near or desks.problems


def _concerns(problem: Problem, desk: str) -> bool:
    """Whether it stands in the way of that desk: a key below its section, or its whole kind."""
    return f"{problem.key}.".startswith(f"desks.{desk}.") or problem.key == f"desks.{desk.partition('.')[0]}"


def _sections(settings: Settings) -> list[tuple[str, str, Tree]]:
    """The configured desks, after the two that need no settings."""
    tables = {kind: dict(named) for kind, named in settings.desks.items()}
    for always in (BUILTIN, PROVIDER):
        kind, _, name = always.partition(".")
        tables.setdefault(kind, {}).setdefault(name, {})
    return [(kind, name, tree) for kind, named in tables.items() for name, tree in named.items()]


class _Refused(Exception):
    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


def _kind(name: str, kinds: Mapping[str, DeskKind] | None) -> DeskKind:
    known = kind_names() if kinds is None else tuple(kinds)
    if name not in known:
        raise _Refused([Problem(f"desks.{name}", f"no such desk{nearest(name, known)}")])
    try:
        return load(name) if kinds is None else kinds[name]
    except BrokenDesk as error:
        raise _Refused([Problem(f"desks.{name}", error.detail)]) from error


def _read(kind_name: str, name: str, tree: Tree, kinds: Mapping[str, DeskKind] | None) -> DeskConfig:
    kind = _kind(kind_name, kinds)
    section = f"desks.{kind_name}.{name}"
    if not _NAME.fullmatch(name):
        advice = "a desk's name is part of an address: use a-z, A-Z, 0-9, _ and -, at most 64 of them"
        raise _Refused([Problem(section, advice)])
    try:
        settings = kind.read_settings(tree)
    except ValidationError as error:
        raise _Refused(problems_of(error, kind.settings, section)) from None
    wrong = [finding for finding in kind.check(settings) if finding.level == "bad"]
    if wrong:
        raise _Refused([Problem(f"{section}.{f.what}" if f.what else section, f.advice) for f in wrong])
    return DeskConfig(kind, name, settings)
