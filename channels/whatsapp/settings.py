"""What an operator sets for the WhatsApp numbers behind one Meta app; the rates' defaults are the documented ones."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from channels._meta.settings import MetaSettings
from gateway.core.channel import AccountSpec, Rates, Window

APP = "whatsapp"
DAY_S = 86_400.0

WINDOW = Window(free_s=DAY_S, ad_s=DAY_S, agent_s=DAY_S, has_templates=True, may_begin=True)
"""A click on an advertisement changes the price of three days, not how long anything may be said."""


class WhatsAppRates(BaseModel):
    """How fast a number may send; 0 means without limit. ``recipient_burst`` may go to one person at once."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    per_s: Annotated[float, Field(ge=0)] = 80.0
    per_recipient_s: Annotated[float, Field(ge=0)] = 1 / 6
    recipient_burst: Annotated[int, Field(ge=1)] = 45
    per_group_min: Annotated[float, Field(ge=0)] = 0.0
    concurrency: Annotated[int, Field(ge=1, le=1000)] = 64

    def as_rates(self) -> Rates:
        return Rates(self.per_s, self.per_recipient_s, self.recipient_burst, self.per_group_min, self.concurrency)


class WhatsAppAccount(BaseModel):
    """One number. ``waba_id`` is the WhatsApp Business Account that it belongs to.

    ``display_phone_number`` is the number itself (digits): it tells which number a notice of Meta's is about.
    ``access_token`` stands in for the endpoint's. ``webhook`` is what ``connect`` points at our address: that of the
    ``app``, or, when the app's own goes elsewhere, that of the whole ``business`` account or of this ``number`` alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    phone_number_id: Annotated[str, Field(pattern=r"^[0-9]{1,32}$")]
    waba_id: Annotated[str, Field(pattern=r"^[0-9]{1,32}$")]
    display_phone_number: Annotated[str, Field(pattern=r"^(\+?[0-9]{5,20})?$")] = ""
    access_token: SecretStr = SecretStr("")
    webhook: Literal["app", "business", "number"] = "app"
    rates: WhatsAppRates = WhatsAppRates()


class WhatsAppSettings(MetaSettings):
    """One Meta app and its numbers by name. ``access_token`` is a system user's, for every number without its own."""

    access_token: SecretStr = SecretStr("")
    accounts: dict[str, WhatsAppAccount] = Field(min_length=1)
    max_download_bytes: Annotated[int, Field(gt=0)] = 100_000_000
    max_upload_bytes: Annotated[int, Field(gt=0)] = 100_000_000
    media_hosts: tuple[str, ...] = ("lookaside.fbsbx.com",)

    @model_validator(mode="after")
    def _accounts_are_complete(self) -> Self:
        numbers = [account.phone_number_id for account in self.accounts.values()]
        if len(set(numbers)) < len(numbers):
            raise ValueError("two accounts have the same phone_number_id")
        for name, account in self.accounts.items():
            if not (account.access_token.get_secret_value() or self.access_token.get_secret_value()):
                raise ValueError(f"accounts.{name} has no access_token, and the endpoint has none either")
        return self

    def concerned(self, waba_id: str, display_phone_number: str) -> str:
        """The id of the number that a notice is about; the business account's first one when it names none.

        For a business account without a number of ours: *waba_id* itself, which is no account of this endpoint.
        """
        ours = [account for account in self.accounts.values() if account.waba_id == waba_id]
        shown = display_phone_number.removeprefix("+")
        for account in ours:
            if shown and account.display_phone_number.removeprefix("+") == shown:
                return account.phone_number_id
        return ours[0].phone_number_id if ours else waba_id

    def account(self, phone_number_id: str) -> WhatsAppAccount | None:
        """The number with that id; an empty one is the only number, if there is only one."""
        if not phone_number_id and len(self.accounts) == 1:
            return next(iter(self.accounts.values()))
        return next((one for one in self.accounts.values() if one.phone_number_id == phone_number_id), None)

    def token_of(self, account: WhatsAppAccount) -> SecretStr:
        return account.access_token if account.access_token.get_secret_value() else self.access_token

    def specs(self) -> tuple[AccountSpec, ...]:
        return tuple(
            AccountSpec(name, account.phone_number_id, APP, account.rates.as_rates(), WINDOW)
            for name, account in self.accounts.items()
        )
