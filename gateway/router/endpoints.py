"""What is configured and open: each endpoint with its channel, its client, and its numbered accounts."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from gateway.core.channel import AccountSpec, Channel, Client, EndpointSettings
from gateway.core.ids import AccountId
from gateway.store.rows import Account


class OpenAccount(msgspec.Struct, frozen=True):
    """An account that this process serves, with what its sends need."""

    account: Account
    spec: AccountSpec
    channel: Channel
    settings: EndpointSettings
    client: Client


class Endpoints:
    """Every open account, by its number and by what a webhook calls it."""

    def __init__(self, accounts: Iterable[OpenAccount]) -> None:
        self._by_id = {entry.account.id: entry for entry in accounts}
        self._by_name = {
            (entry.account.channel, entry.account.endpoint, entry.account.external): entry
            for entry in self._by_id.values()
        }

    def all(self) -> list[OpenAccount]:
        return list(self._by_id.values())

    def find(self, channel: str, endpoint: str, external: str) -> OpenAccount | None:
        """The account that a webhook of this endpoint calls *external*."""
        return self._by_name.get((channel, endpoint, external))

    def get(self, account_id: AccountId) -> OpenAccount | None:
        """The account of that number, when it is configured here."""
        return self._by_id.get(account_id)
