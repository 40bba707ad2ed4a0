"""What an operator sets for one Meta app and its pages."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from channels._meta.messaging.settings import ExternalId, MessagingAccount, MessagingSettings


class MessengerAccount(MessagingAccount):
    """One Facebook page. ``access_token`` is the page's."""

    page_id: ExternalId

    @property
    def external_id(self) -> str:
        return self.page_id

    @property
    def subscription_target(self) -> str:
        return self.page_id

    @property
    def token_owner(self) -> str:
        return self.page_id


class MessengerSettings(MessagingSettings):
    """One Meta app with its pages, each under a name of the operator's choice."""

    accounts: Annotated[dict[str, MessengerAccount], Field(min_length=1)]

    @field_validator("accounts")
    @classmethod
    def _pages_are_distinct(cls, value: dict[str, MessengerAccount]) -> dict[str, MessengerAccount]:
        if len({account.page_id for account in value.values()}) < len(value):
            raise ValueError("names the same page twice")
        return value

    @property
    def by_name(self) -> dict[str, MessagingAccount]:
        return dict(self.accounts)
