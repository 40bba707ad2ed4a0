"""What an operator sets for one Meta app and its accounts; the rates' defaults are the documented ones."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from channels._meta.settings import MetaSettings
from gateway.core.channel import Rates

ExternalId = Annotated[str, Field(pattern=r"^[0-9]{1,32}$")]


class MessagingRates(BaseModel):
    """How fast an account may send; 0 means without limit. The defaults are Meta's, of 2026-03-23."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    per_s: Annotated[float, Field(ge=0)] = 300.0
    heavy_per_s: Annotated[float, Field(ge=0)] = 10.0
    per_recipient_s: Annotated[float, Field(ge=0)] = 0.0
    recipient_burst: Annotated[int, Field(ge=1)] = 1
    concurrency: Annotated[int, Field(ge=1, le=1000)] = 64

    def as_rates(self) -> Rates:
        return Rates(
            per_s=self.per_s,
            per_recipient_s=self.per_recipient_s,
            recipient_burst=self.recipient_burst,
            concurrency=self.concurrency,
            heavy_per_s=self.heavy_per_s,
        )


class MessagingAccount(BaseModel):
    """One account that customers write to. ``rates`` stand in for those of the endpoint."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    access_token: SecretStr
    rates: MessagingRates | None = None

    @field_validator("access_token")
    @classmethod
    def _token_is_there(cls, value: SecretStr) -> SecretStr:
        token = value.get_secret_value()
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise ValueError("must be the account's access token, as the app's dashboard gives it")
        return value

    @property
    def external_id(self) -> str:
        """The account's id at Meta, as webhooks name it."""
        raise NotImplementedError

    @property
    def subscription_target(self) -> str:
        """Whose events the app is subscribed to; ``me`` is whomever the token belongs to."""
        return "me"

    @property
    def token_owner(self) -> str:
        """The id that the token should be of; empty when that cannot be told."""
        return ""


class MessagingSettings(MetaSettings):
    """One Meta app. ``slows_from_percent``: from that share of an allowance on, an account slows down.

    ``marks_seen`` tells customers that their message was read. ``has_human_agent``: Meta allowed the app to let people
    answer for seven days; without it they have a day, as the bot. ``subscribed_fields`` stand in for the events that we
    use, where Meta calls them otherwise. ``asks_names``: Meta is asked who wrote. ``profile_fields`` stand in for what
    is asked (``locale`` besides, where Meta allowed the app that).
    """

    rates: MessagingRates = MessagingRates()
    marks_seen: bool = True
    has_human_agent: bool = True
    subscribed_fields: tuple[str, ...] = ()
    asks_names: bool = True
    profile_fields: tuple[str, ...] = ()
    slows_from_percent: Annotated[float, Field(gt=0, le=100)] = 80.0

    @property
    def agents_picture(self) -> str:
        """The address of the picture beside what agents say who bring none; empty: there is none."""
        return ""

    @property
    def by_name(self) -> dict[str, MessagingAccount]:
        """The accounts by the name that the operator gave them."""
        raise NotImplementedError

    @property
    def by_id(self) -> dict[str, MessagingAccount]:
        """The accounts by their id at Meta."""
        return {account.external_id: account for account in self.by_name.values()}
