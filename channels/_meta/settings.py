"""What an operator sets for one Meta app, whichever of its platforms an endpoint is for."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, SecretStr, field_validator

from channels.line import LineTimes
from gateway.core.channel import EndpointSettings

_URL = re.compile(r"https?://[^\s/?#]+(/[^\s?#]*)?")
_VERSION = re.compile(r"v[0-9]{1,3}\.[0-9]{1,2}")


class MetaSettings(EndpointSettings):
    """One Meta app. ``app_secret`` proves webhooks; ``verify_token`` is a text of ours that Meta repeats once.

    ``app_secret_previous`` is accepted beside ``app_secret`` while a new one is being introduced. ``app_id`` tells our
    own app from others, and lets ``connect`` and ``doctor`` see more. ``sends_appsecret_proof`` is needed when the app
    requires it. An empty ``api_version`` leaves it to Meta. Times are in seconds. ``media_hosts`` are the domains
    from which customers' files are fetched; an empty list allows none but the API's own.
    """

    app_secret: SecretStr
    app_secret_previous: SecretStr = SecretStr("")
    verify_token: SecretStr
    app_id: str = ""
    api_url: str = "https://graph.facebook.com"
    api_version: str = "v23.0"
    sends_appsecret_proof: bool = False
    connect_timeout_s: Annotated[float, Field(gt=0)] = 5.0
    read_timeout_s: Annotated[float, Field(gt=0)] = 15.0
    upload_timeout_s: Annotated[float, Field(gt=0)] = 120.0
    concurrency: Annotated[int, Field(ge=1, le=1000)] = 64
    max_download_bytes: Annotated[int, Field(gt=0)] = 25_000_000
    max_upload_bytes: Annotated[int, Field(gt=0)] = 25_000_000
    media_hosts: tuple[str, ...] = ("fbcdn.net", "fbsbx.com", "cdninstagram.com", "facebook.com", "instagram.com")

    @field_validator("app_secret", "verify_token")
    @classmethod
    def _secret_is_there(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value():
            raise ValueError("is empty: without it anybody could pretend to be Meta, so the endpoint does not start")
        return value

    @field_validator("app_id")
    @classmethod
    def _app_id_is_a_number(cls, value: str) -> str:
        if value and not (value.isascii() and value.isdecimal()):
            raise ValueError("must be the number of the app, as its dashboard shows it")
        return value

    @field_validator("api_url")
    @classmethod
    def _url_is_absolute(cls, value: str) -> str:
        if not _URL.fullmatch(value):
            raise ValueError("must be an address like https://graph.facebook.com, without version and query")
        return value.rstrip("/")

    @field_validator("api_version")
    @classmethod
    def _version_is_well_formed(cls, value: str) -> str:
        if value and not _VERSION.fullmatch(value):
            raise ValueError("must look like v23.0, or be empty")
        return value

    @property
    def times(self) -> LineTimes:
        return LineTimes(self.connect_timeout_s, self.read_timeout_s, self.upload_timeout_s)

    @property
    def can_examine_tokens(self) -> bool:
        """Whether the host tells about tokens; Instagram's own does not."""
        return not self.api_url.endswith("//graph.instagram.com")
