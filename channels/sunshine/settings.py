"""What an operator sets for one app of Sunshine Conversations, behind Zendesk messaging."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from channels.line import LineTimes
from gateway.core.channel import EndpointSettings, Rates

_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_SUBDOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_RESPONDER = re.compile(r"[A-Za-z0-9_:-]{1,128}")
_HOST = re.compile(r"[a-z0-9.-]{3,253}")

MEDIA_HOSTS = ("zendesk.com", "zdusercontent.com", "smooch.io")
"""Where the files of messages have been seen; subdomains belong to them."""

TRIGGERS = (
    "conversation:message",
    "conversation:message:delivery:channel",
    "conversation:message:delivery:failure",
    "conversation:message:delivery:user",
    "conversation:postback",
    "conversation:read",
    "conversation:referral",
    "conversation:create",
    "switchboard:acceptControl",
    "switchboard:acceptControl:failure",
    "switchboard:offerControl",
    "switchboard:offerControl:failure",
    "switchboard:passControl",
    "switchboard:passControl:failure",
    "switchboard:releaseControl",
    "user:merge",
)
"""The triggers that become events; the only ones that are subscribed to."""


class SunshineRates(BaseModel):
    """How fast the app may send; 0 means without limit. Zendesk publishes no numbers: these keep well below trouble."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    per_s: Annotated[float, Field(ge=0)] = 10.0
    per_recipient_s: Annotated[float, Field(ge=0)] = 5.0
    recipient_burst: Annotated[int, Field(ge=1)] = 5
    concurrency: Annotated[int, Field(ge=1, le=1000)] = 32

    def as_rates(self) -> Rates:
        return Rates(self.per_s, self.per_recipient_s, self.recipient_burst, concurrency=self.concurrency)


class SunshineSettings(EndpointSettings):
    """One app. ``subdomain`` is that of the Zendesk account; ``api_url`` stands in for it where the API lies elsewhere.

    ``webhook_secret`` is what Zendesk gave when the webhook was made, and ``webhook_secret_previous`` is accepted too.
    ``switchboard_name`` is our place on the switchboard and ``next_responder`` where control goes after us.
    ``uploads_files``: our files are copied to Zendesk, where they last as long as the conversation; else the customer's
    browser fetches them behind a link of ours that expires. ``marks_read``: the customer sees that a message was read.
    ``is_first_responder``: ``connect`` makes us the one who is asked first. Times are in seconds.
    """

    app_id: str
    key_id: str
    key_secret: SecretStr
    authentication: Literal["basic", "jwt"] = "basic"
    webhook_secret: SecretStr
    webhook_secret_previous: SecretStr = SecretStr("")
    subdomain: str = ""
    api_url: str = ""
    integration_name: Annotated[str, Field(min_length=1, max_length=100)] = "Tertulia"
    switchboard_name: str = "bot"
    next_responder: str = "zd:agentWorkspace"
    is_first_responder: bool = True
    hears_standby: bool = True
    display_name: Annotated[str, Field(max_length=128)] = ""
    avatar_url: Annotated[str, Field(max_length=2048)] = ""
    marks_ai: bool = True
    marks_read: bool = True
    uploads_files: bool = True
    media_hosts: tuple[str, ...] = MEDIA_HOSTS
    rates: SunshineRates = SunshineRates()
    connect_timeout_s: Annotated[float, Field(gt=0)] = 5.0
    read_timeout_s: Annotated[float, Field(gt=0)] = 15.0
    upload_timeout_s: Annotated[float, Field(gt=0)] = 120.0
    max_download_bytes: Annotated[int, Field(gt=0)] = 50_000_000
    max_upload_bytes: Annotated[int, Field(gt=0)] = 50_000_000

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
            raise ValueError("is empty: without it nobody can prove who they are, so the endpoint does not start")
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
        if value and not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", value):
            raise ValueError("must be an address like https://shop.zendesk.com/sc, without query")
        if value and not urlsplit(value).hostname:  # which raises ValueError for brackets without an end
            raise ValueError("names no host")
        return value.rstrip("/").removesuffix("/v2")

    @field_validator("avatar_url")
    @classmethod
    def _avatar_is_on_the_web(cls, value: str) -> str:
        if value and not value.startswith("https://"):
            raise ValueError("must be empty or an https address")
        return value

    @field_validator("next_responder")
    @classmethod
    def _responder_is_well_formed(cls, value: str) -> str:
        if value and not _RESPONDER.fullmatch(value):
            raise ValueError("must be empty, or a name or type on the switchboard, such as zd:agentWorkspace")
        return value

    @field_validator("media_hosts")
    @classmethod
    def _hosts_are_bare(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        lowered = tuple(host.lower().lstrip(".") for host in value)
        wrong = [host for host in lowered if not _HOST.fullmatch(host)]
        if wrong:
            raise ValueError(f"must be names of hosts: {', '.join(wrong)}")
        return lowered

    @model_validator(mode="after")
    def _has_an_address(self) -> Self:
        if not (self.subdomain or self.api_url):
            raise ValueError("set subdomain (shop of shop.zendesk.com), or api_url")
        return self

    @property
    def times(self) -> LineTimes:
        return LineTimes(self.connect_timeout_s, self.read_timeout_s, self.upload_timeout_s)

    @property
    def base_url(self) -> str:
        """Where the API lies, without ``/v2`` and without a slash at its end."""
        return self.api_url or f"https://{self.subdomain}.zendesk.com/sc"

    @property
    def scope(self) -> str:
        """What a token of this key may claim, which its beginning tells."""
        beginning = self.key_id.partition("_")[0]
        return {"act": "account", "svc": "account", "int": "integration"}.get(beginning, "app")
