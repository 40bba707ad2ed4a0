"""What an operator sets for one site: who may speak with it, how visitors prove who they are, what the widget shows."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from channels.filetypes import UPLOAD_TYPES
from channels.webchat.origins import EVERYONE, read_pattern
from channels.webchat.texts import Texts
from gateway.core.channel import EndpointSettings

MIN_SECRET_CHARS = 32

NonNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[int, Field(gt=0)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Starter(_Section):
    """A button below the welcome: ``label`` is shown, ``value`` is what the bot gets when it is pressed."""

    label: Texts
    value: Annotated[str, Field(min_length=1, max_length=1000)]


class FormField(_Section):
    """One question of the form before an anonymous visitor's first message. Without ``label`` it has a usual one."""

    name: Literal["name", "email", "phone"]
    required: bool = False
    label: Texts = ""


class WebchatSettings(EndpointSettings):
    """One web site. The README beside this file tells of every key, with its unit.

    Of rates, 0 means without limit. ``identity_secret_previous`` is accepted beside ``identity_secret`` while a new
    one is being introduced.
    """

    origins: Annotated[tuple[str, ...], Field(min_length=1)]
    identity_secret: SecretStr = SecretStr("")
    identity_secret_previous: SecretStr = SecretStr("")
    identity_jwks_url: str = ""
    identity_issuer: str = ""
    identity_audience: str = ""
    title: Texts = ""
    welcome: Texts = ""
    starters: Annotated[tuple[Starter, ...], Field(max_length=10)] = ()
    form: Annotated[tuple[FormField, ...], Field(max_length=3)] = ()
    accent: str = ""
    max_upload_bytes: Positive = 10_000_000
    upload_types: tuple[str, ...] = tuple(UPLOAD_TYPES)
    sessions_per_address_s: NonNegative = 10.0
    sessions_burst: Positive = 600
    messages_per_visitor_s: NonNegative = 5.0
    messages_burst: Positive = 20
    messages_per_address_s: NonNegative = 50.0
    messages_per_address_burst: Positive = 500
    uploads_per_visitor_min: NonNegative = 20.0
    sockets_per_address: Positive = 2_000
    sockets_per_visitor: Positive = 20
    session_days: Annotated[int, Field(gt=0, le=400)] = 30
    max_conversations: Annotated[int, Field(gt=0, le=1_000)] = 50

    @field_validator("origins")
    @classmethod
    def _origins_can_be_read(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            if origin.strip() != EVERYONE:
                read_pattern(origin)
        return value

    @field_validator("identity_secret", "identity_secret_previous")
    @classmethod
    def _secret_is_long(cls, value: SecretStr) -> SecretStr:
        secret = value.get_secret_value()
        if secret and len(secret.encode()) < MIN_SECRET_CHARS:
            raise ValueError(f"must have at least {MIN_SECRET_CHARS} characters, for instance of: openssl rand -hex 32")
        if secret.lstrip().startswith("-----BEGIN"):
            raise ValueError("is a key pair's; a secret is shared, keys are published at identity_jwks_url")
        return value

    @field_validator("identity_jwks_url")
    @classmethod
    def _keys_come_safely(cls, value: str) -> str:
        is_safe = re.fullmatch(r"https://[^\s/?#@]+/\S*|http://(127\.0\.0\.1|localhost)(:[0-9]+)?/\S*", value)
        if value and not is_safe:
            raise ValueError("must be an https address such as https://issuer.example/.well-known/jwks.json")
        return value

    @field_validator("accent")
    @classmethod
    def _accent_is_a_colour(cls, value: str) -> str:
        if value and not re.fullmatch(r"#[0-9a-fA-F]{6}", value):
            raise ValueError("must be a colour such as #0a7f5a, or empty")
        return value

    @field_validator("upload_types")
    @classmethod
    def _types_are_known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(value) - set(UPLOAD_TYPES))
        if unknown:
            raise ValueError(f"cannot be told from harmful files: {', '.join(unknown)}")
        return value

    @field_validator("form")
    @classmethod
    def _fields_are_asked_once(cls, value: tuple[FormField, ...]) -> tuple[FormField, ...]:
        if len({field.name for field in value}) < len(value):
            raise ValueError("asks for the same thing twice")
        return value

    @model_validator(mode="after")
    def _keys_have_an_audience(self) -> WebchatSettings:
        if self.identity_jwks_url and not self.identity_audience:
            raise ValueError(
                "identity_audience is empty: without it a token that the issuer gave to any other application "
                "would be accepted"
            )
        return self

    @property
    def accepts_identities(self) -> bool:
        """Whether visitors of this site can be signed in."""
        return bool(self.identity_secret.get_secret_value() or self.identity_jwks_url)
