"""The settings' shape, and how they are read: default.toml, then tertulia.toml, then TERTULIA__SECTION__KEY.

Defaults stand in ``default.toml`` alone. A key is added by a field here and a line with its comment there.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

import msgspec
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from gateway.core.channel import Channel, EndpointSettings

ENV_PREFIX = "TERTULIA__"
DEFAULT_FILE = Path(__file__).with_name("default.toml")
SAMPLE_BOT = Path(__file__).with_name("bots") / "telecom"

Tree = dict[str, object]
"""Settings as they were read, before they are checked: tables within tables."""

_ENCODER = re.compile(r"(minilm|folder:.+|openai:https?://[^#\s]+#\S+|titan:\S+)?")
_ENDPOINT_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")

PositiveSeconds = Annotated[float, Field(gt=0)]
PositiveInt = Annotated[int, Field(gt=0)]


class Problem(msgspec.Struct, frozen=True, order=True):
    """One thing that is wrong: the key's path, and what to do about it."""

    key: str
    advice: str

    def __str__(self) -> str:
        return f"{self.key}: {self.advice}" if self.key else self.advice


class BadSettings(Exception):
    """The settings cannot be used; ``problems`` has one entry for each thing that is wrong."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class ServerSettings(_Section):
    host: str
    port: Annotated[int, Field(ge=0, le=65_535)]
    public_url: Annotated[str, Field(pattern=r"^$|^https?://[^/?#\s]+/?$")]
    max_body_bytes: PositiveInt
    read_timeout_s: PositiveSeconds
    backlog: PositiveInt
    keepalive_s: PositiveSeconds
    drain_s: PositiveSeconds
    ping_timeout_s: PositiveSeconds
    reuse_port: bool
    proxies: Annotated[int, Field(ge=0)]

    def webhook_url(self, channel: str, endpoint: str) -> str:
        """The address that a provider is told to call; starts with ``/`` when ``public_url`` is empty."""
        return f"{self.public_url.rstrip('/')}/webhooks/{channel}/{endpoint}"


class DatabaseSettings(_Section):
    url: SecretStr
    pool_min: PositiveInt
    pool_max: PositiveInt
    connect_timeout_s: PositiveSeconds
    statement_timeout_ms: PositiveInt
    statement_cache_size: Annotated[int, Field(ge=0)]
    migrate_at_start: bool

    @property
    def is_embedded(self) -> bool:
        """Whether the database is one of our own, in ``data_dir``."""
        return not self.url.get_secret_value()

    @field_validator("url")
    @classmethod
    def _is_postgresql(cls, value: SecretStr) -> SecretStr:
        return _with_scheme(value, ("postgresql", "postgres"), "postgresql://user:password@host/name")


class RedisSettings(_Section):
    url: SecretStr

    @field_validator("url")
    @classmethod
    def _is_redis(cls, value: SecretStr) -> SecretStr:
        return _with_scheme(value, ("redis", "rediss", "unix"), "redis://host:6379/0")


def _with_scheme(url: SecretStr, schemes: tuple[str, ...], example: str) -> SecretStr:
    """*url* when it is empty or an address of these schemes; it is never quoted, because it may hold a password."""
    scheme, separator, _ = url.get_secret_value().partition("://")
    if url.get_secret_value() and (not separator or scheme not in schemes):
        raise ValueError(f"must be empty or an address like {example}")
    return url


class BotSettings(_Section):
    path: str

    @property
    def folder(self) -> Path:
        """Where the bot's files are: the sample bot's folder when no path is set."""
        return Path(self.path) if self.path else SAMPLE_BOT


class ModelSettings(_Section):
    url: str
    encoder: str
    encoder_key: SecretStr
    follow_examples: bool
    follow_wait_s: Annotated[float, Field(ge=0)]
    poll_s: PositiveSeconds
    allowed_loss: Annotated[float, Field(ge=0, le=1)]
    allowed_loss_unfixed: Annotated[float, Field(ge=0, le=1)]
    least_agreement: Annotated[float, Field(ge=0, le=1)]
    agreement_texts: Annotated[int, Field(ge=0, le=20_000)]
    agreement_least_texts: PositiveInt
    agreement_days: PositiveSeconds
    shadow_queue: PositiveInt

    @field_validator("encoder")
    @classmethod
    def _is_an_encoder(cls, value: str) -> str:
        if not _ENCODER.fullmatch(value):
            raise ValueError("must be empty, minilm, folder:PATH, openai:https://host/v1#MODEL or titan:MODEL")
        return value


def _desk_name(value: str) -> str:
    """A desk by its kind and its name; the kind alone means the one called ``main``."""
    kind, separator, name = value.partition(".")
    if not kind or (separator and not name) or "." in name:
        raise ValueError("must be a desk's kind and name, like zendesk.main, or builtin")
    return value if separator else f"{kind}.main"


class RouterSettings(_Section):
    respond: bool
    lease_s: PositiveSeconds
    send_lease_s: PositiveSeconds
    account_lease_s: PositiveSeconds
    turn_timeout_s: PositiveSeconds
    burst_wait_ms: Annotated[int, Field(ge=0)]
    max_turns: PositiveInt
    batch_limit: PositiveInt
    queue_limit: PositiveInt
    poll_ms: PositiveInt
    alias_cache: PositiveInt
    state_cache: PositiveInt
    desk: Annotated[str, AfterValidator(_desk_name)]
    opt_in: Literal["never", "marketing", "always"]
    abandon_after_h: Annotated[float, Field(ge=0)]
    provider_quiet_h: Annotated[float, Field(ge=0)]
    keep_keys_days: PositiveInt
    opt_out_words: tuple[str, ...]
    opt_in_words: tuple[str, ...]
    backoff_base_s: PositiveSeconds
    backoff_cap_s: PositiveSeconds
    give_up_after_h: PositiveSeconds
    media_max_bytes: PositiveInt
    media_attempts: PositiveInt
    media_timeout_s: PositiveSeconds
    checkup_every_min: Annotated[float, Field(ge=0)]


class HandoffSettings(_Section):
    acknowledge_within_s: PositiveSeconds
    alert_after_s: PositiveSeconds
    fall_back_after_s: Annotated[float, Field(ge=0)]
    nobody_after_s: Annotated[float, Field(ge=0)]
    agent_quiet_h: Annotated[float, Field(ge=0)]
    reopen_within_h: Annotated[float, Field(ge=0)]
    name_agents: bool
    tell_waiting_every_min: Annotated[float, Field(ge=0)]
    customer_remind_min: Annotated[float, Field(ge=0)]
    customer_close_h: Annotated[float, Field(ge=0)]
    desk_lease_s: PositiveSeconds
    reconcile_every_s: PositiveSeconds
    give_up_after_h: PositiveSeconds
    backoff_base_s: PositiveSeconds
    backoff_cap_s: PositiveSeconds
    call_timeout_s: PositiveSeconds
    transcript_messages: Annotated[int, Field(ge=1, le=1_000)]
    keep_cases_days: PositiveInt


class LearningSettings(_Section):
    collect: Literal["never", "consented", "all"]
    keep_days: PositiveInt
    max_texts: Annotated[int, Field(ge=1, le=1_000_000)]
    sweep_every_s: PositiveSeconds
    drift_every_min: Annotated[float, Field(ge=0)]
    drift_days: PositiveInt
    drift_baseline_days: PositiveInt
    drift_fewest_turns: PositiveInt
    drift_stability: Annotated[float, Field(gt=0)]
    drift_out_of_scope: Annotated[float, Field(gt=0, le=1)]
    drift_confidence: Annotated[float, Field(gt=0, le=1)]
    drift_unseen_words: Annotated[float, Field(gt=0, le=1)]
    train_on_drift: bool


class TelemetrySettings(_Section):
    log_level: Literal["debug", "info", "warning", "error"]
    log_format: Literal["auto", "json", "pretty"]
    otlp_endpoint: Annotated[str, Field(pattern=r"^$|^https?://\S+$")]
    trace_ratio: Annotated[float, Field(ge=0, le=1)]


class Settings(BaseSettings):
    """All of it, frozen. Channels, desks and forwarders stay raw here: their folders know their keys."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    data_dir: Path
    server: ServerSettings
    database: DatabaseSettings
    redis: RedisSettings
    bot: BotSettings
    models: ModelSettings
    router: RouterSettings
    handoff: HandoffSettings
    learning: LearningSettings
    telemetry: TelemetrySettings
    channels: dict[str, dict[str, Tree]] = Field(default_factory=dict, repr=False)
    desks: dict[str, dict[str, Tree]] = Field(default_factory=dict, repr=False)
    forwarders: dict[str, dict[str, Tree]] = Field(default_factory=dict, repr=False)

    @model_validator(mode="after")
    def _forgets_late_enough(self) -> Self:
        least = max(self.router.keep_keys_days, self.handoff.reopen_within_h / 24)
        if self.handoff.keep_cases_days <= least:
            raise ValueError(
                "handoff.keep_cases_days must be more than router.keep_keys_days, and longer than"
                f" handoff.reopen_within_h: more than {least:g} days"
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is the library's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is handed in: :func:`load_settings` names the sources, so that a test reads no real environment."""
        return (init_settings,)


class EndpointConfig(msgspec.Struct, frozen=True):
    """One configured endpoint: its channel, the name in the settings, and the channel's own checked settings."""

    channel: Channel
    name: str
    settings: EndpointSettings


class RefusedEndpoint(msgspec.Struct, frozen=True):
    """A configured endpoint that cannot be served, with everything that is wrong with it."""

    channel: str
    name: str
    problems: tuple[Problem, ...]


class ConfiguredEndpoints(msgspec.Struct, frozen=True):
    """What the settings say of channels, sorted into what can be served and what cannot."""

    served: tuple[EndpointConfig, ...]
    refused: tuple[RefusedEndpoint, ...]

    @property
    def problems(self) -> tuple[Problem, ...]:
        return tuple(sorted({problem for endpoint in self.refused for problem in endpoint.problems}))


def load_settings(
    path: Path | None = None, env: Mapping[str, str] | None = None, overrides: Mapping[str, object] | None = None
) -> Settings:
    """Read the settings. ``path`` goes before ``TERTULIA_CONFIG``, which goes before ``./tertulia.toml``.

    ``overrides`` is a tree that goes over everything: what the command line said. Raises ``BadSettings`` with
    everything that is wrong at once; no value is ever quoted in it.
    """
    env = os.environ if env is None else env
    sources = (read_toml(DEFAULT_FILE), *_own_file(path, env), read_environment(env), overrides or {})
    tree: Tree = {}
    for source in sources:
        tree = merge(tree, source)
    return validate(tree)


def validate(tree: Tree) -> Settings:
    """The settings that a whole tree describes. Raises ``BadSettings``."""
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        raise BadSettings(problems_of(error, Settings)) from None


def read_endpoints(settings: Settings, channels: Mapping[str, Channel]) -> ConfiguredEndpoints:
    """Every configured endpoint, checked against its channel's own settings class. One fault harms no other."""
    served: list[EndpointConfig] = []
    refused: list[RefusedEndpoint] = []
    for channel_name, endpoints in settings.channels.items():
        for name, tree in endpoints.items():
            read = _read_endpoint(channel_name, name, tree, channels)
            if isinstance(read, EndpointConfig):
                served.append(read)
            else:
                refused.append(read)
    return ConfiguredEndpoints(tuple(served), tuple(refused))


def _read_endpoint(
    channel_name: str, name: str, tree: Tree, channels: Mapping[str, Channel]
) -> EndpointConfig | RefusedEndpoint:
    channel = channels.get(channel_name)
    if channel is None:
        problem = Problem(f"channels.{channel_name}", f"no such channel{nearest(channel_name, channels)}")
        return RefusedEndpoint(channel_name, name, (problem,))
    if not _ENDPOINT_NAME.fullmatch(name):
        advice = "an endpoint's name is part of an address: use a-z, A-Z, 0-9, _ and -, at most 64 of them"
        return RefusedEndpoint(channel_name, name, (Problem(f"channels.{channel_name}.{name}", advice),))
    try:
        return EndpointConfig(channel, name, channel.settings.model_validate(tree))
    except ValidationError as error:
        problems = problems_of(error, channel.settings, f"channels.{channel_name}.{name}")
        return RefusedEndpoint(channel_name, name, tuple(problems))


def endpoints_to_serve(settings: Settings, channels: Mapping[str, Channel]) -> ConfiguredEndpoints:
    """As :func:`read_endpoints`. Raises ``BadSettings`` when some are configured and none of them can be served."""
    endpoints = read_endpoints(settings, channels)
    if endpoints.refused and not endpoints.served:
        raise BadSettings(endpoints.problems)
    return endpoints


def own_file(env: Mapping[str, str]) -> Path | None:
    """The settings file that the environment or the working directory names, if any."""
    if named := env.get("TERTULIA_CONFIG"):
        return Path(named)
    here = Path("tertulia.toml")
    return here if here.is_file() else None


def _own_file(path: Path | None, env: Mapping[str, str]) -> tuple[Tree, ...]:
    found = path or own_file(env)
    return () if found is None else (read_toml(found),)


def read_toml(path: Path) -> Tree:
    """A TOML file as a tree. Raises ``BadSettings`` naming the file."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadSettings([Problem(str(path), "no such file; TERTULIA_CONFIG or --config names it")]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadSettings([Problem(str(path), f"cannot be read ({error.__class__.__name__})")]) from None
    except tomllib.TOMLDecodeError as error:
        raise BadSettings([Problem(str(path), f"is not TOML: {error}")]) from None


def read_environment(env: Mapping[str, str]) -> Tree:
    """The ``TERTULIA__A__B`` variables as a tree; names are lower-cased, values stay text.

    A value that begins with a bracket is read as JSON, so that lists and tables can be given too.
    """
    tree: Tree = {}
    for name in sorted(env):
        if name.upper().startswith(ENV_PREFIX):
            path = name[len(ENV_PREFIX) :].lower().split("__")
            tree = merge(tree, _branch(path, _environment_value(name, env[name])))
    return tree


def _environment_value(name: str, value: str) -> object:
    if not value.lstrip().startswith(("[", "{")):
        return value
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError:
        raise BadSettings([Problem(name, "begins with a bracket and is not JSON")]) from None


def _branch(path: list[str], value: object) -> Tree:
    tree: object = value
    for key in reversed(path):
        tree = {key: tree}
    assert isinstance(tree, dict)  # noqa: S101 - a split string has at least one piece
    return tree


def merge(under: Mapping[str, object], over: Mapping[str, object]) -> Tree:
    """``under`` with ``over`` on top of it: tables are joined key by key, anything else is replaced."""
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            merged[key] = merge(below, value)
        else:
            merged[key] = value
    return merged


def problems_of(error: ValidationError, model: type[BaseModel], prefix: str = "") -> list[Problem]:
    """A validation error as one problem a key, without the values that were given."""
    return [_problem(details, model, prefix) for details in error.errors(include_url=False, include_input=False)]


def _problem(details: ErrorDetails, model: type[BaseModel], prefix: str) -> Problem:
    path = [str(step) for step in details["loc"]]
    key = ".".join([*([prefix] if prefix else []), *path])
    match details["type"]:
        case "extra_forbidden":
            return Problem(key, f"unknown key{nearest(path[-1], _known_keys(model, path[:-1]))}")
        case "missing":
            return Problem(key, "missing; set it")
        case "dict_type" | "model_type" | "model_attributes_type":
            return Problem(key, f"must be a table of settings, like [{key}]")
        case "string_pattern_mismatch" if path[-1] == "otlp_endpoint":
            return Problem(key, "must be an address like http://127.0.0.1:4318")
        case "string_pattern_mismatch" if path[-1].endswith("url"):
            return Problem(key, "must be an address like https://host, without a path")
        case _:
            return Problem(key, details["msg"].removeprefix("Value error, "))


def _known_keys(model: type[BaseModel], path: list[str]) -> Iterable[str]:
    """The keys that are allowed at *path* below *model*; none where the path leads into free tables."""
    found: object = model
    for step in path:
        found = _inside(found, step)
    return found.model_fields.keys() if isinstance(found, type) and issubclass(found, BaseModel) else ()


def _inside(annotation: object, step: str) -> object:
    """What stands at *step* of something of that type: a setting of a section, or any place in a list of sections."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = annotation.model_fields.get(step)
        return None if field is None else field.annotation
    sections = [one for one in get_args(annotation) if isinstance(one, type) and issubclass(one, BaseModel)]
    return sections[0] if sections else None


def nearest(name: str, known: Iterable[str]) -> str:
    """A suggestion to put after "unknown …", or nothing when nothing known is near."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; known: {', '.join(sorted(names))}" if names else ""
