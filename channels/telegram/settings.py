"""What an operator sets for one Telegram bot; the rates' defaults are the documented ones."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from gateway.core.channel import EndpointSettings, Rates

_TOKEN = re.compile(r"[0-9]{1,16}:[A-Za-z0-9_-]+")
_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")
_USERNAME = re.compile(r"[A-Za-z0-9_]{1,64}")

UPDATE_KINDS = (
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "business_connection",
    "business_message",
    "edited_business_message",
    "deleted_business_messages",
    "message_reaction",
    "message_reaction_count",
    "inline_query",
    "chosen_inline_result",
    "callback_query",
    "shipping_query",
    "pre_checkout_query",
    "poll",
    "poll_answer",
    "my_chat_member",
    "chat_member",
    "chat_join_request",
    "chat_boost",
    "removed_chat_boost",
    "purchased_paid_media",
    "managed_bot",
    "guest_message",
)
"""Every kind of update that Bot API 10.0 knows."""

USED_KINDS = ("message", "edited_message", "callback_query", "message_reaction", "my_chat_member")
"""The kinds that become events; the only ones that are subscribed to."""


class TelegramRates(BaseModel):
    """How fast the bot may send; 0 means without limit. The defaults are Telegram's guidance."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    per_s: Annotated[float, Field(ge=0)] = 30.0
    per_recipient_s: Annotated[float, Field(ge=0)] = 1.0
    recipient_burst: Annotated[int, Field(ge=1)] = 3
    per_group_min: Annotated[float, Field(ge=0)] = 20.0
    concurrency: Annotated[int, Field(ge=1, le=1000)] = 64

    def as_rates(self) -> Rates:
        return Rates(self.per_s, self.per_recipient_s, self.recipient_burst, self.per_group_min, self.concurrency)


class TelegramSettings(EndpointSettings):
    """One bot. ``username`` (without @) lets the bot know when a group mentions it.

    ``secret_token_previous`` is accepted beside ``secret_token`` while a new one is being introduced.
    Times are in seconds; ``max_connections`` is how many webhooks Telegram may send at once.
    """

    token: SecretStr
    secret_token: SecretStr
    secret_token_previous: SecretStr = SecretStr("")
    api_url: str = "https://api.telegram.org"
    username: str = ""
    rates: TelegramRates = TelegramRates()
    connect_timeout_s: Annotated[float, Field(gt=0)] = 5.0
    read_timeout_s: Annotated[float, Field(gt=0)] = 15.0
    upload_timeout_s: Annotated[float, Field(gt=0)] = 120.0
    allowed_updates: tuple[str, ...] = USED_KINDS
    max_connections: Annotated[int, Field(ge=1, le=100)] = 40
    max_download_bytes: Annotated[int, Field(gt=0)] = 20_000_000
    max_upload_bytes: Annotated[int, Field(gt=0)] = 50_000_000

    @field_validator("token")
    @classmethod
    def _token_is_well_formed(cls, value: SecretStr) -> SecretStr:
        if not _TOKEN.fullmatch(value.get_secret_value()):
            raise ValueError("must look like 123456:ABC-DEF, as @BotFather gave it")
        return value

    @field_validator("secret_token")
    @classmethod
    def _secret_is_well_formed(cls, value: SecretStr) -> SecretStr:
        secret = value.get_secret_value()
        if not secret:
            raise ValueError("is empty: without it anybody could forge messages, so the endpoint does not start")
        if not _SECRET.fullmatch(secret):
            raise ValueError("must be 1 to 256 characters out of A-Z, a-z, 0-9, _ and -")
        return value

    @field_validator("secret_token_previous")
    @classmethod
    def _previous_is_well_formed(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() and not _SECRET.fullmatch(value.get_secret_value()):
            raise ValueError("must be empty, or 1 to 256 characters out of A-Z, a-z, 0-9, _ and -")
        return value

    @field_validator("api_url")
    @classmethod
    def _url_is_absolute(cls, value: str) -> str:
        if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", value):
            raise ValueError("must be an address like https://api.telegram.org, without query")
        return value.rstrip("/")

    @field_validator("username")
    @classmethod
    def _username_is_bare(cls, value: str) -> str:
        bare = value.removeprefix("@")
        if bare and not _USERNAME.fullmatch(bare):
            raise ValueError("must be the bot's username, such as shop_bot")
        return bare

    @field_validator("allowed_updates")
    @classmethod
    def _kinds_are_known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(value) - set(UPDATE_KINDS))
        if unknown:
            raise ValueError(f"names no kind of update: {', '.join(unknown)}")
        return value

    @property
    def bot_id(self) -> int:
        """The bot's own user id, which its token begins with."""
        return int(self.token.get_secret_value().partition(":")[0])
