"""Finds the channels, so that nothing else in the product has to name one."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping

from pydantic import ValidationError

import channels
from gateway.core.channel import Capabilities, Channel, EndpointSettings
from gateway.core.errors import Misconfigured

_METHODS = ("accounts", "verify", "handshake", "parse", "replay", "render", "is_group", "client")


class BrokenChannel(Exception):
    """A folder of ``channels`` that is not a channel: ``package`` names it, ``detail`` says what is missing."""

    def __init__(self, package: str, detail: str) -> None:
        super().__init__(f"channels/{package}: {detail}")
        self.package = package
        self.detail = detail


def discover() -> dict[str, Channel]:
    """Every channel by its name, in alphabetical order. Raises ``BrokenChannel`` for one that does not fit.

    A folder whose name begins with an underscore is what several channels of one provider share.
    """
    packages = sorted(found.name for found in pkgutil.iter_modules(channels.__path__) if found.ispkg)
    return {name: load(name) for name in packages if not name.startswith("_")}


def load(package: str) -> Channel:
    """The channel in the folder ``channels/<package>``. Raises ``BrokenChannel`` when there is none that fits."""
    try:
        module = importlib.import_module(f"channels.{package}")
    except ImportError as error:
        raise BrokenChannel(package, f"cannot be imported ({error})") from error
    candidate: object = getattr(module, "channel", None)
    if candidate is None:
        raise BrokenChannel(package, "its __init__.py has no object named 'channel'")
    return as_channel(package, candidate)


def as_channel(package: str, candidate: object) -> Channel:
    """*candidate* itself, once it is known to fit ``gateway.core.channel.Channel``. Raises ``BrokenChannel``."""
    checks: tuple[tuple[str, Callable[[object], bool], str], ...] = (
        ("name", lambda value: value == package, f"must be {package!r}, the name of the folder"),
        ("settings", _is_settings, "must be a subclass of EndpointSettings"),
        ("capabilities", lambda value: isinstance(value, Capabilities), "must be a Capabilities"),
        ("can_redeliver", lambda value: isinstance(value, bool), "must be True or False"),
        *((method, callable, "must be a method") for method in _METHODS),
    )
    for attribute, fits, demand in checks:
        if not hasattr(candidate, attribute):
            raise BrokenChannel(package, f"'channel' has no {attribute!r}, which {demand}")
        if not fits(getattr(candidate, attribute)):
            raise BrokenChannel(package, f"'channel.{attribute}' {demand}")
    return candidate  # type: ignore[return-value]  # each attribute of the protocol was looked at above


def _is_settings(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, EndpointSettings)


def settings_problems(channel: Channel, endpoint: str, values: Mapping[str, object]) -> list[Misconfigured]:
    """Everything that is wrong with the settings of one endpoint, each with its full key; empty when all is well."""
    try:
        channel.settings.model_validate(dict(values))
    except ValidationError as error:
        section = f"channels.{channel.name}.{endpoint}"
        return [
            Misconfigured(".".join([section, *(str(step) for step in problem["loc"])]), _one_line(problem["msg"]))
            for problem in error.errors(include_url=False, include_input=False, include_context=False)
        ]
    return []


def read_settings(channel: Channel, endpoint: str, values: Mapping[str, object]) -> EndpointSettings:
    """The settings of one endpoint. Raises ``Misconfigured`` (the first problem): such an endpoint must not start."""
    problems = settings_problems(channel, endpoint, values)
    if problems:
        raise problems[0]
    return channel.settings.model_validate(dict(values))


def _one_line(message: str) -> str:
    return " ".join(message.removeprefix("Value error, ").split())
