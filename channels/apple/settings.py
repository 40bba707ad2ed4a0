"""What an operator sets for one messaging platform at Apple (an MSP id) and the businesses that it speaks for."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from channels.line import LineTimes
from gateway.core.channel import EndpointSettings, Rates

_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


class AppleRates(BaseModel):
    """How fast a business may send; 0 means without limit. Apple publishes no numbers, so nothing is held back."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    per_s: Annotated[float, Field(ge=0)] = 0.0
    per_recipient_s: Annotated[float, Field(ge=0)] = 0.0
    recipient_burst: Annotated[int, Field(ge=1)] = 1
    concurrency: Annotated[int, Field(ge=1, le=1000)] = 32

    def as_rates(self) -> Rates:
        return Rates(self.per_s, self.per_recipient_s, self.recipient_burst, 0.0, self.concurrency)


class AppleAccount(BaseModel):
    """One business, by the id that customers' links hold (``urn:biz:<id>``)."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    business_id: str

    @field_validator("business_id")
    @classmethod
    def _id_is_bare(cls, value: str) -> str:
        bare = bare_business_id(value.strip())
        if not _ID.fullmatch(bare):
            raise ValueError("must be the business id that Apple gave, such as 7b1f0a52-…")
        return bare


class AppleSettings(EndpointSettings):
    """One MSP id with its secret, which Apple shows as base64 text, and the accounts behind it.

    ``secret_previous`` is accepted beside ``secret`` while a new one is being introduced. Times are in seconds:
    ``token_age_s`` is how old the token of a webhook may be. ``msp_agent`` is what Apple's logs call us.
    """

    msp_id: str
    secret: SecretStr
    secret_previous: SecretStr = SecretStr("")
    api_url: str = "https://mspgw.push.apple.com/v1"
    accounts: dict[str, AppleAccount]
    rates: AppleRates = AppleRates()
    msp_agent: Annotated[str, Field(max_length=64, pattern=r"^[ -~]*$")] = "tertulia"
    token_age_s: Annotated[float, Field(gt=0, le=86_400)] = 3600.0
    connect_timeout_s: Annotated[float, Field(gt=0)] = 5.0
    read_timeout_s: Annotated[float, Field(gt=0)] = 15.0
    upload_timeout_s: Annotated[float, Field(gt=0)] = 120.0
    max_download_bytes: Annotated[int, Field(gt=0)] = 100_000_000
    max_upload_bytes: Annotated[int, Field(gt=0)] = 100_000_000

    @field_validator("msp_id")
    @classmethod
    def _msp_id_is_bare(cls, value: str) -> str:
        bare = value.strip()
        if not _ID.fullmatch(bare):
            raise ValueError("must be the MSP id that Apple gave, such as 5e6c9d04-…")
        return bare

    @field_validator("secret")
    @classmethod
    def _secret_is_well_formed(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().strip():
            raise ValueError("is empty: without it anybody could forge messages, so the endpoint does not start")
        return _require_base64(value)

    @field_validator("secret_previous")
    @classmethod
    def _previous_is_well_formed(cls, value: SecretStr) -> SecretStr:
        return _require_base64(value) if value.get_secret_value() else value

    @field_validator("api_url")
    @classmethod
    def _url_is_absolute(cls, value: str) -> str:
        if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", value):
            raise ValueError("must be an address like https://mspgw.push.apple.com/v1, without query")
        return value.rstrip("/")

    @field_validator("accounts")
    @classmethod
    def _accounts_are_distinct(cls, value: dict[str, AppleAccount]) -> dict[str, AppleAccount]:
        if not value:
            raise ValueError("name at least one business: [channels.apple.<endpoint>.accounts.<name>] business_id = …")
        if len({account.business_id for account in value.values()}) < len(value):
            raise ValueError("two accounts have the same business_id")
        return value

    @property
    def times(self) -> LineTimes:
        return LineTimes(self.connect_timeout_s, self.read_timeout_s, self.upload_timeout_s)


def bare_business_id(value: str) -> str:
    """A business id as settings, webhooks and calls all spell it here: without ``urn:biz:``, in lower case."""
    return value.removeprefix("urn:biz:").lower()


def key_of(secret: SecretStr) -> bytes:
    """The bytes that sign and verify; empty for an empty or unusable secret, which then proves nothing."""
    try:
        return base64.b64decode(secret.get_secret_value())
    except (binascii.Error, ValueError):
        return b""


def _require_base64(value: SecretStr) -> SecretStr:
    text = value.get_secret_value().strip()
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("must be the base64 text that Apple shows, as it is") from None
    if len(key) < 16:
        raise ValueError("is too short to be Apple's secret")
    return SecretStr(text)
