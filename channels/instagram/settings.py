"""What an operator sets for one Meta app and its Instagram accounts."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from channels._meta.messaging.settings import ExternalId, MessagingAccount, MessagingSettings


class InstagramAccount(MessagingAccount):
    """One professional account. ``page_id`` is the Facebook page that it is tied to, if the token is that page's."""

    instagram_id: ExternalId
    page_id: ExternalId | None = None

    @property
    def external_id(self) -> str:
        return self.instagram_id

    @property
    def subscription_target(self) -> str:
        return self.page_id or "me"

    @property
    def token_owner(self) -> str:
        return self.page_id or ""


class InstagramSettings(MessagingSettings):
    """One Meta app with its Instagram accounts, each under a name of the operator's choice.

    ``api_url`` is https://graph.instagram.com for tokens of Instagram's own sign-in.
    """

    accounts: Annotated[dict[str, InstagramAccount], Field(min_length=1)]

    @field_validator("accounts")
    @classmethod
    def _accounts_are_distinct(cls, value: dict[str, InstagramAccount]) -> dict[str, InstagramAccount]:
        if len({account.instagram_id for account in value.values()}) < len(value):
            raise ValueError("names the same Instagram account twice")
        return value

    @property
    def by_name(self) -> dict[str, MessagingAccount]:
        return dict(self.accounts)
