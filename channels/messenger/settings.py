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
    """One Meta app with its pages, each under a name of the operator's choice.

    ``agent_picture_url``: the picture beside the name of agents whose desk gives none; Meta shows no name without one.
    """

    agent_picture_url: Annotated[str, Field(max_length=2048)] = ""
    accounts: Annotated[dict[str, MessengerAccount], Field(min_length=1)]

    @field_validator("accounts")
    @classmethod
    def _pages_are_distinct(cls, value: dict[str, MessengerAccount]) -> dict[str, MessengerAccount]:
        if len({account.page_id for account in value.values()}) < len(value):
            raise ValueError("names the same page twice")
        return value

    @field_validator("agent_picture_url")
    @classmethod
    def _picture_can_be_fetched(cls, value: str) -> str:
        if value and not (value.isascii() and value.isprintable() and value.startswith("https://")):
            raise ValueError("must be the https:// address of a picture that Meta can fetch")
        return value

    @property
    def agents_picture(self) -> str:
        return self.agent_picture_url

    @property
    def by_name(self) -> dict[str, MessagingAccount]:
        return dict(self.accounts)
