"""What an operator sets for one Twilio account and its senders; the rates' defaults are the documented ones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from channels.line import LineTimes
from gateway.core.channel import EndpointSettings, Rates, Window

App = Literal["whatsapp", "sms"]

WHATSAPP = "whatsapp:"
DAY_S = 86_400.0

_ACCOUNT_SID = re.compile(r"AC[0-9a-fA-F]{32}")
_KEY_SID = re.compile(r"SK[0-9a-fA-F]{32}")
_SERVICE_SID = re.compile(r"MG[0-9a-fA-F]{32}")
_CONTENT_SID = re.compile(r"HX[0-9a-fA-F]{32}")
_ADDRESS = re.compile(r"whatsapp:\+[0-9]{6,15}|\+[0-9]{6,15}|[0-9]{3,8}")
_URL = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")
_WEBHOOK_URL = re.compile(r"https?://[^\s/?#@]+/[^\s#]*")

NonNegative = Annotated[float, Field(ge=0)]
Seconds = Annotated[float, Field(gt=0)]
Bytes = Annotated[int, Field(gt=0)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class TwilioRates(_Section):
    """How fast one sender may send; 0 means without limit. What is not set is the documented value of its app."""

    per_s: NonNegative | None = None
    per_recipient_s: NonNegative | None = None
    recipient_burst: Annotated[int, Field(ge=1)] | None = None
    concurrency: Annotated[int, Field(ge=1, le=1000)] | None = None

    def as_rates(self, app: App) -> Rates:
        """The rates of a sender of that app, what was set before what is documented."""
        usual = _USUAL_RATES[app]
        return Rates(
            per_s=usual.per_s if self.per_s is None else self.per_s,
            per_recipient_s=usual.per_recipient_s if self.per_recipient_s is None else self.per_recipient_s,
            recipient_burst=self.recipient_burst or usual.recipient_burst,
            concurrency=self.concurrency or usual.concurrency,
        )


_USUAL_RATES: Mapping[App, Rates] = {
    "whatsapp": Rates(per_s=80.0, per_recipient_s=1 / 6, recipient_burst=45, concurrency=64),
    "sms": Rates(per_s=1.0, concurrency=16),
}
"""A WhatsApp sender; Meta bears 45 messages to one person at once, then one in six seconds. An American long code."""

WINDOWS: Mapping[App, Window] = {
    "whatsapp": Window(free_s=DAY_S, ad_s=DAY_S, agent_s=DAY_S, has_templates=True, may_begin=True),
    "sms": Window(has_templates=True, may_begin=True),
}


class TwilioAccount(_Section):
    """One sender: ``address`` is ``whatsapp:+…``, ``+…`` or a short code.

    With ``messaging_service_sid`` it sends through that service, and what the service's other numbers receive is its
    too. ``has_mms``: the number can send files; else their addresses go as text.
    """

    address: str
    messaging_service_sid: str = ""
    has_mms: bool = False
    rates: TwilioRates = TwilioRates()

    @field_validator("address")
    @classmethod
    def _address_is_well_formed(cls, value: str) -> str:
        if not _ADDRESS.fullmatch(value):
            raise ValueError("must look like whatsapp:+14155238886, +14155238886 or 12345")
        return value

    @field_validator("messaging_service_sid")
    @classmethod
    def _service_is_well_formed(cls, value: str) -> str:
        if value and not _SERVICE_SID.fullmatch(value):
            raise ValueError("must be MG and 32 hexadecimal digits")
        return value

    @property
    def app(self) -> App:
        return app_of(self.address)


class TwilioSettings(EndpointSettings):
    """One account (or subaccount) of Twilio. The README beside this file tells of every key.

    ``auth_token_previous`` is accepted beside ``auth_token`` while it is being replaced. ``shared_keys`` are the
    secrets of webhook keys by their ids. Times are in seconds.
    """

    account_sid: str
    auth_token: SecretStr
    auth_token_previous: SecretStr = SecretStr("")
    shared_keys: Mapping[str, SecretStr] = {}
    api_key_sid: str = ""
    api_key_secret: SecretStr = SecretStr("")
    api_url: str = "https://api.twilio.com"
    content_url: str = ""
    messaging_url: str = ""
    webhook_url: str = ""
    accounts: Annotated[Mapping[str, TwilioAccount], Field(min_length=1)]
    templates: Mapping[str, str] = {}
    smart_encoded: bool = False
    validity_period_s: Annotated[int, Field(ge=0, le=36_000)] = 0
    connect_timeout_s: Seconds = 5.0
    read_timeout_s: Seconds = 15.0
    max_download_bytes: Bytes = 20_000_000

    @field_validator("account_sid")
    @classmethod
    def _account_is_well_formed(cls, value: str) -> str:
        if not _ACCOUNT_SID.fullmatch(value):
            raise ValueError("must be AC and 32 hexadecimal digits, as the console shows it")
        return value

    @field_validator("auth_token")
    @classmethod
    def _token_is_there(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().strip():
            raise ValueError("is empty: without it anybody could forge messages, so the endpoint does not start")
        return value

    @field_validator("shared_keys")
    @classmethod
    def _keys_are_there(cls, value: Mapping[str, SecretStr]) -> Mapping[str, SecretStr]:
        if not all(name.strip() and secret.get_secret_value().strip() for name, secret in value.items()):
            raise ValueError("each key needs its id and its secret")
        return value

    @field_validator("api_url", "content_url", "messaging_url")
    @classmethod
    def _url_is_absolute(cls, value: str) -> str:
        if value and not _URL.fullmatch(value):
            raise ValueError("must be an address like https://api.twilio.com, without query")
        return value.rstrip("/")

    @field_validator("webhook_url")
    @classmethod
    def _webhook_is_absolute(cls, value: str) -> str:
        if value and not _WEBHOOK_URL.fullmatch(value):
            raise ValueError("must be the whole address that Twilio calls, with its path and without fragment")
        return value

    @field_validator("accounts")
    @classmethod
    def _addresses_are_distinct(cls, value: Mapping[str, TwilioAccount]) -> Mapping[str, TwilioAccount]:
        if len({account.address for account in value.values()}) < len(value):
            raise ValueError("two accounts have the same address")
        return value

    @field_validator("templates")
    @classmethod
    def _templates_have_sids(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        wrong = sorted(name for name, sid in value.items() if not is_content_sid(sid))
        if wrong:
            raise ValueError(f"{', '.join(wrong)}: must be HX and 32 hexadecimal digits")
        return value

    @model_validator(mode="after")
    def _key_is_whole(self) -> TwilioSettings:
        has_secret = bool(self.api_key_secret.get_secret_value())
        if has_secret != bool(self.api_key_sid):
            raise ValueError("api_key_sid and api_key_secret belong together")
        if self.api_key_sid and not _KEY_SID.fullmatch(self.api_key_sid):
            raise ValueError("api_key_sid must be SK and 32 hexadecimal digits")
        return self

    # ------------------------------------------------------------ what follows from it

    @cached_property
    def by_address(self) -> Mapping[str, TwilioAccount]:
        """The senders by the provider's name of each."""
        return {account.address: account for account in self.accounts.values()}

    @cached_property
    def by_service(self) -> Mapping[tuple[str, App], TwilioAccount]:
        """The sender that stands for all numbers of a messaging service, where there is just one of its app."""
        found: dict[tuple[str, App], list[TwilioAccount]] = {}
        for account in self.accounts.values():
            if account.messaging_service_sid:
                found.setdefault((account.messaging_service_sid, account.app), []).append(account)
        return {key: accounts[0] for key, accounts in found.items() if len(accounts) == 1}

    def account_of(self, ours: str, service_sid: str) -> str:
        """The account that an address of ours belongs to: itself, or the one that stands for its service's numbers."""
        if ours in self.by_address or not service_sid:
            return ours
        account = self.by_service.get((service_sid, app_of(ours)))
        return ours if account is None else account.address

    @property
    def times(self) -> LineTimes:
        """What is sent is small: nothing is uploaded."""
        return LineTimes(self.connect_timeout_s, self.read_timeout_s, self.read_timeout_s)

    @property
    def login(self) -> tuple[str, str]:
        """Name and password for the API: the API key's where there is one."""
        if self.api_key_sid:
            return self.api_key_sid, self.api_key_secret.get_secret_value()
        return self.account_sid, self.auth_token.get_secret_value()

    @property
    def content_base(self) -> str:
        return self.content_url or _sibling(self.api_url, "content")

    @property
    def messaging_base(self) -> str:
        return self.messaging_url or _sibling(self.api_url, "messaging")

    def content_sid(self, name: str, language: str) -> str:
        """The content of a template that the author names: a sid, or what ``templates`` says; empty: unknown.

        ``welcome/es-MX`` goes before ``welcome/es``, and that before ``welcome``.
        """
        if is_content_sid(name):
            return name
        short = re.split("[-_]", language)[0]
        wanted = (f"{name}/{language}", f"{name}/{short}", name)
        return next((self.templates[key] for key in wanted if key in self.templates), "")


def app_of(address: str) -> App:
    """What the customer sees at that address."""
    return "whatsapp" if address.startswith(WHATSAPP) else "sms"


def is_content_sid(text: str) -> bool:
    return _CONTENT_SID.fullmatch(text) is not None


def _sibling(api_url: str, name: str) -> str:
    """Twilio has a host for each product; a stand-in serves all of them at one address."""
    scheme, _, rest = api_url.partition("://")
    return f"{scheme}://{name}.{rest.removeprefix('api.')}" if rest.startswith("api.") else api_url
