"""What an operator sets for one app of Sunshine Conversations as the way to Zendesk's agents."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator, model_validator

from channels.sunshine.settings import MEDIA_HOSTS, SunshineSettings
from gateway.core.desks import DeskSettings

_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_SUBDOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_RESPONDER = re.compile(r"[A-Za-z0-9_:-]{1,128}")
_URL = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")
_HOST = re.compile(r"[a-z0-9.-]{3,253}")
_SLOT = re.compile(r"slot:[A-Za-z0-9_.-]{1,64}")

PLACES = frozenset(
    {
        "app", "account", "intent", "language", "sentiment", "reason", "detail", "link", "name", "urgent", "contact",
        "conversation", "handoff",
    }
)  # fmt: skip
"""What of a case can be put into a tag or a field; ``slot:<name>`` besides."""

Seconds = Annotated[float, Field(gt=0)]
Texts = Annotated[tuple[str, ...], BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)]


class SunshineDeskRates(BaseModel):
    """How fast this process calls Sunshine, for the whole app; 0 means without limit.

    Zendesk publishes no numbers: the default keeps well below trouble. ``longest_wait_s``: whoever would wait longer
    for the line is told to come again.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    per_s: Annotated[float, Field(ge=0)] = 10.0
    longest_wait_s: Seconds = 5.0


class SunshineDeskSettings(DeskSettings):
    """One app. The README beside this file tells of every key. Times are in seconds.

    ``webhook_secret`` is what Zendesk gave when the webhook was made, and ``webhook_secret_previous`` is accepted too.
    """

    app_id: str
    key_id: str
    key_secret: SecretStr
    authentication: Literal["basic", "jwt"] = "basic"
    webhook_secret: SecretStr
    webhook_secret_previous: SecretStr = SecretStr("")
    subdomain: str = ""
    api_url: str = ""

    integration_name: Annotated[str, Field(min_length=1, max_length=100)] = "Tertulia desk"
    switchboard_name: str = "tertulia-desk"
    target: str = "zd:agentWorkspace"
    hands_over: Literal["pass", "offer"] = "pass"
    takes_back: bool = True
    agent_sources: Texts = ("zd:agentWorkspace",)

    tags: Texts = ("bot",)
    tags_from: Texts = ("app", "intent")
    fields: Mapping[str, str] = {}

    bot_name: Annotated[str, Field(min_length=1, max_length=100)] = "Bot"
    bot_avatar_url: Annotated[str, Field(max_length=2048)] = ""
    agent_name: Annotated[str, Field(min_length=1, max_length=100)] = "Agent"
    team_name: Annotated[str, Field(max_length=100)] = ""
    shows_summary: bool = True
    shows_typing: bool = True
    marks_read: bool = True

    media_hosts: tuple[str, ...] = MEDIA_HOSTS
    max_upload_bytes: Annotated[int, Field(gt=0, le=50_000_000)] = 50_000_000
    max_download_bytes: Annotated[int, Field(gt=0)] = 50_000_000

    concurrency: Annotated[int, Field(ge=1, le=64)] = 8
    connect_timeout_s: Seconds = 5.0
    read_timeout_s: Seconds = 15.0
    upload_timeout_s: Seconds = 45.0
    unclear_wait_s: Annotated[float, Field(ge=0)] = 5.0
    looks_at_once: Annotated[int, Field(ge=1, le=500)] = 30
    rates: SunshineDeskRates = SunshineDeskRates()

    @field_validator("app_id", "key_id", "switchboard_name")
    @classmethod
    def _name_is_well_formed(cls, value: str) -> str:
        if not _ID.fullmatch(value):
            raise ValueError("must be 1 to 128 characters out of A-Z, a-z, 0-9, _ and -")
        return value

    @field_validator("key_secret", "webhook_secret")
    @classmethod
    def _secret_is_given(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().strip():
            raise ValueError("is empty: without it nobody can prove who they are, so the desk does not start")
        return value

    @field_validator("subdomain")
    @classmethod
    def _subdomain_is_bare(cls, value: str) -> str:
        bare = value.strip().lower().removesuffix(".zendesk.com")
        if bare and not _SUBDOMAIN.fullmatch(bare):
            raise ValueError("must be the name before .zendesk.com, such as 'shop'")
        return bare

    @field_validator("api_url")
    @classmethod
    def _url_is_absolute(cls, value: str) -> str:
        if value and (not _URL.fullmatch(value) or not urlsplit(value).hostname):
            raise ValueError("must be an address like https://shop.zendesk.com/sc, without query")
        return value.rstrip("/").removesuffix("/v2")

    @field_validator("target")
    @classmethod
    def _target_is_well_formed(cls, value: str) -> str:
        if not _RESPONDER.fullmatch(value):
            raise ValueError("must be a name, id or type on the switchboard, such as zd:agentWorkspace, or next")
        return value

    @field_validator("bot_avatar_url")
    @classmethod
    def _avatar_is_on_the_web(cls, value: str) -> str:
        if value and not value.startswith("https://"):
            raise ValueError("must be empty or an https address")
        return value

    @field_validator("media_hosts")
    @classmethod
    def _hosts_are_bare(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        lowered = tuple(host.lower().lstrip(".") for host in value)
        wrong = [host for host in lowered if not _HOST.fullmatch(host)]
        if wrong:
            raise ValueError(f"must be names of hosts: {', '.join(wrong)}")
        return lowered

    @field_validator("fields")
    @classmethod
    def _fields_are_numbered(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        wrong = [key for key in value if not (key.isascii() and key.isdecimal())]
        if wrong:
            raise ValueError(f"keys are the numbers of ticket fields, such as 360001 = 'app'; not {', '.join(wrong)}")
        _require_places(tuple(value.values()))
        return value

    @field_validator("tags_from")
    @classmethod
    def _tags_name_places(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        _require_places(value)
        return value

    @model_validator(mode="after")
    def _can_be_called(self) -> Self:
        if not (self.subdomain or self.api_url):
            raise ValueError("set subdomain (shop of shop.zendesk.com), or api_url")
        if self.target == self.switchboard_name:
            raise ValueError("target and switchboard_name are the same: conversations would be handed to ourselves")
        return self

    @property
    def line(self) -> SunshineSettings:
        """The same app as the channel's modules know it, with all that they need to call it."""
        return SunshineSettings(
            app_id=self.app_id,
            key_id=self.key_id,
            key_secret=self.key_secret,
            authentication=self.authentication,
            webhook_secret=self.webhook_secret,
            webhook_secret_previous=self.webhook_secret_previous,
            subdomain=self.subdomain,
            api_url=self.api_url,
            integration_name=self.integration_name,
            switchboard_name=self.switchboard_name,
            next_responder=self.target if self.target != "next" else "",
            is_first_responder=False,
            hears_standby=True,
            media_hosts=self.media_hosts,
            connect_timeout_s=self.connect_timeout_s,
            read_timeout_s=self.read_timeout_s,
            upload_timeout_s=self.upload_timeout_s,
            max_download_bytes=self.max_download_bytes,
            max_upload_bytes=self.max_upload_bytes,
        )


def is_place(name: str) -> bool:
    """Whether a case has something of that name."""
    return name in PLACES or _SLOT.fullmatch(name) is not None


def _require_places(names: tuple[str, ...]) -> None:
    wrong = [name for name in names if not is_place(name)]
    if wrong:
        known = ", ".join(sorted(PLACES))
        raise ValueError(f"{', '.join(wrong)}: not known; use {known} or slot:<name>")
