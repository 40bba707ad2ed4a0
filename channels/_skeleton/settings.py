"""What an operator sets for one endpoint. Write the provider's documented rates as defaults."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from channels.line import LineTimes
from gateway.core.channel import EndpointSettings, Rates


class SkeletonRates(BaseModel):
    """How fast the account may send; 0 means without limit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    per_s: Annotated[float, Field(ge=0)] = 20.0
    per_recipient_s: Annotated[float, Field(ge=0)] = 0.0
    recipient_burst: Annotated[int, Field(ge=1)] = 1
    concurrency: Annotated[int, Field(ge=1, le=1000)] = 32

    def as_rates(self) -> Rates:
        return Rates(self.per_s, self.per_recipient_s, self.recipient_burst, 0.0, self.concurrency)


class SkeletonSettings(EndpointSettings):
    """One account. ``secret_previous`` is accepted beside ``secret`` while a new one is being introduced."""

    secret: SecretStr
    secret_previous: SecretStr = SecretStr("")
    token: SecretStr
    api_url: str = "https://api.skeleton.example/v1"
    rates: SkeletonRates = SkeletonRates()
    connect_timeout_s: Annotated[float, Field(gt=0)] = 5.0
    read_timeout_s: Annotated[float, Field(gt=0)] = 15.0
    upload_timeout_s: Annotated[float, Field(gt=0)] = 120.0
    max_download_bytes: Annotated[int, Field(gt=0)] = 20_000_000

    @field_validator("secret")
    @classmethod
    def _secret_is_there(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value():
            raise ValueError("is empty: without it anybody could forge messages, so the endpoint does not start")
        return value

    @field_validator("api_url")
    @classmethod
    def _url_is_absolute(cls, value: str) -> str:
        if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", value):
            raise ValueError("must be an address like https://api.skeleton.example/v1, without query")
        return value.rstrip("/")

    @property
    def times(self) -> LineTimes:
        return LineTimes(self.connect_timeout_s, self.read_timeout_s, self.upload_timeout_s)
