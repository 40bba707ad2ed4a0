"""What an operator sets for one Zendesk Support account; the rates' defaults are the documented ones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator, model_validator

from gateway.core.desks import DeskSettings

_SUBDOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_URL = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")
_SLOT = re.compile(r"slot:[A-Za-z0-9_.-]{1,64}")
_LOCALE = r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,3}$"
_BLANK = re.compile(r"\{([^{}]*)\}")

PLACES = frozenset(
    {
        "app",
        "account",
        "intent",
        "language",
        "sentiment",
        "reason",
        "detail",
        "link",
        "name",
        "urgent",
        "contact",
        "conversation",
        "handoff",
    }
)
"""What of a case can be put into a field, a subject or a rule; ``slot:<name>`` besides."""

Seconds = Annotated[float, Field(gt=0)]
Id = Annotated[int, Field(gt=0)]
Texts = Annotated[tuple[str, ...], BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)]


def is_place(name: str) -> bool:
    """Whether a case has something of that name."""
    return name in PLACES or _SLOT.fullmatch(name) is not None


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class GroupRule(_Section):
    """Cases that fit ``when`` go to this group; the first rule that fits counts.

    ``when`` names places of the case, and for each the value, or one of the values, that it must have.
    """

    group: Id
    when: Mapping[str, Texts] = {}

    @field_validator("when")
    @classmethod
    def _names_places(cls, value: Mapping[str, Texts]) -> Mapping[str, Texts]:
        _require_places(value)
        return value


class ZendeskRates(_Section):
    """How much Zendesk takes. ``updates_per_ticket`` in ``ticket_window_s``; ``updates`` and ``requests`` a minute.

    ``requests`` is that of the plan (Team 200, Growth and Professional 400, Enterprise 700, High Volume 2500); what
    Zendesk's answers say of it goes first. ``reserve`` is the share of everything that is left to others.
    ``minute_s`` is shorter than 60 only for a stand-in whose minutes run faster.
    """

    updates_per_ticket: Annotated[int, Field(ge=3)] = 30
    ticket_window_s: Seconds | None = None
    updates: Annotated[int, Field(ge=3)] = 100
    requests: Annotated[int, Field(ge=10)] = 400
    exports: Annotated[int, Field(ge=2)] = 10
    minute_s: Seconds = 60.0
    reserve: Annotated[float, Field(ge=0, le=0.9)] = 0.1

    @property
    def ticket_s(self) -> float:
        """The window of one ticket: ten minutes, unless it was set."""
        return self.ticket_window_s or 10 * self.minute_s


class ZendeskSettings(DeskSettings):
    """One Zendesk account. The README beside this file tells of every key. Times are in seconds.

    Either ``oauth_token``, or ``email`` with ``api_token`` as long as Zendesk accepts those. ``webhook_secret`` may be
    empty: `tertulia desk connect` finds it out and keeps it; ``webhook_secret_previous`` is accepted besides.
    """

    subdomain: str = ""
    api_url: str = ""
    oauth_token: SecretStr = SecretStr("")
    email: str = ""
    api_token: SecretStr = SecretStr("")
    webhook_secret: SecretStr = SecretStr("")
    webhook_secret_previous: SecretStr = SecretStr("")
    webhook_name: Annotated[str, Field(min_length=1, max_length=100)] = "Tertulia"
    uses_trigger: bool = False
    signature_window_s: Seconds = 300.0

    subject: Annotated[str, Field(min_length=1, max_length=300)] = "{app}: {name}"
    tags: Texts = ("bot",)
    tags_from: tuple[str, ...] = ("app", "intent")
    form: Id | None = None
    brand: Id | None = None
    group: Id | None = None
    priority: Literal["", "low", "normal", "high", "urgent"] = ""
    urgent_priority: Literal["", "low", "normal", "high", "urgent"] = "urgent"
    fields: Mapping[str, str] = {}
    groups: tuple[GroupRule, ...] = ()

    locales: Mapping[Annotated[str, Field(pattern=_LOCALE)], Annotated[str, Field(pattern=_LOCALE)]] = {}
    agent_name: Literal["alias", "first_name", "full_name"] = "alias"
    own_user_answers: bool = False
    solves_when_ended: bool = True
    attaches_files: bool = True
    transcript_files: Annotated[int, Field(ge=0, le=50)] = 10
    max_upload_bytes: Annotated[int, Field(gt=0, le=50_000_000)] = 50_000_000
    max_download_bytes: Annotated[int, Field(gt=0)] = 50_000_000
    attachment_hosts: tuple[str, ...] = ("zendesk.com", "zdusercontent.com")

    concurrency: Annotated[int, Field(ge=1, le=32)] = 6
    connect_timeout_s: Seconds = 5.0
    read_timeout_s: Seconds = 15.0
    upload_timeout_s: Seconds = 45.0
    unclear_wait_s: Annotated[float, Field(ge=0)] = 25.0
    broken_wait_s: Annotated[float, Field(ge=0)] = 3.0
    file_wait_s: Annotated[float, Field(ge=0)] = 30.0
    rates: ZendeskRates = ZendeskRates()

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
            raise ValueError("must be an address like https://shop.zendesk.com, without query")
        return value.rstrip("/").removesuffix("/api/v2")

    @field_validator("fields")
    @classmethod
    def _fields_are_numbered(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        wrong = [key for key in value if not (key.isascii() and key.isdecimal())]
        if wrong:
            raise ValueError(f"keys are the numbers of ticket fields, such as 360001 = 'app'; not {', '.join(wrong)}")
        _require_places(value.values())
        return value

    @field_validator("tags_from")
    @classmethod
    def _tags_name_places(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        _require_places(value)
        return value

    @field_validator("subject")
    @classmethod
    def _subject_names_places(cls, value: str) -> str:
        _require_places(_BLANK.findall(value))
        return value

    @model_validator(mode="after")
    def _can_sign_in(self) -> Self:
        if not (self.subdomain or self.api_url):
            raise ValueError("set subdomain (shop of shop.zendesk.com), or api_url")
        if not self.has_oauth and not (self.email.strip() and self.api_token.get_secret_value().strip()):
            raise ValueError("set oauth_token; or email and api_token, which Zendesk ends on 2027-04-30")
        return self

    @property
    def has_oauth(self) -> bool:
        return bool(self.oauth_token.get_secret_value().strip())

    @property
    def base_url(self) -> str:
        """Where the API lies, without ``/api/v2`` and without a slash at its end."""
        return self.api_url or f"https://{self.subdomain}.zendesk.com"

    @property
    def field_places(self) -> Mapping[int, str]:
        """The custom fields by their numbers, with what goes into each."""
        return {int(key): place for key, place in self.fields.items()}


def _require_places(names: object) -> None:
    wrong = [str(name) for name in names if not is_place(str(name))] if hasattr(names, "__iter__") else []
    if wrong:
        known = ", ".join(sorted(PLACES))
        raise ValueError(f"{', '.join(wrong)}: not known; use {known} or slot:<name>")
