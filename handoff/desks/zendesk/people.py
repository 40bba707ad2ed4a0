"""Who is who at Zendesk: the customer as a requester of ours, the agents by the names that customers may see."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping

from gateway.core.channel import Kept
from gateway.core.desks import Case
from gateway.core.ids import ContactId
from gateway.store.database import Database
from gateway.store.zendesk import KnownAgent, ZendeskTables
from handoff.desks.zendesk.client import ZendeskClient
from handoff.desks.zendesk.failures import Gone, Invalid
from handoff.desks.zendesk.markup import one_line
from handoff.desks.zendesk.settings import ZendeskSettings
from handoff.desks.zendesk.ticket import NAME_CHARS, customer_name
from handoff.desks.zendesk.wire import WireUser

KNOWN_FOR_S = 86_400.0
AT_HAND_S = 60.0
AT_HAND = 1_000
"""So long, and of so many, an agent's name need not be read from the database again."""

OWN_USER = "own_user"
STAFF = frozenset({"admin", "agent"})
NOBODY = "Agent"

_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8}){0,3}")
_ZENDESK_LOCALES = {"en": "en-US", "en-gb": "en-GB", "es-es": "es-ES", "pt": "pt-BR", "pt-pt": "pt"}


class People:
    """Remembers what was asked once: customers for ever, agents for a day."""

    def __init__(
        self, settings: ZendeskSettings, client: ZendeskClient, database: Database, tables: ZendeskTables, kept: Kept
    ) -> None:
        self._settings = settings
        self._client = client
        self._database = database
        self._tables = tables
        self._kept = kept
        self._own_id = 0
        self._at_hand: dict[int, tuple[float, KnownAgent]] = {}

    async def own_id(self) -> int:
        """The user whom the token belongs to. Asked once for each process."""
        if not self._own_id:
            self._own_id = (await self._client.me()).id
            await self._kept.put(OWN_USER, str(self._own_id))
        return self._own_id

    # ------------------------------------------------------------ customers

    async def requester(self, case: Case) -> int:
        """The user who stands for a contact: known by our own id of the contact, and by nothing else.

        A phone number or an address is never handed over: Zendesk would take whoever has it for the same person.
        """
        contact_id = case.contact.contact_id
        async with self._database.begin() as connection:
            known = await self._tables.customer(connection, contact_id)
        if known is not None:
            return known
        made = await self._make(user_external_id(contact_id), customer_name(case), self._locale(case))
        async with self._database.begin() as connection:
            await self._tables.know_customer(connection, contact_id, made.id)
        return made.id

    async def _make(self, external_id: str, name: str, locale: str) -> WireUser:
        """A language that the account has not switched on is left to Zendesk."""
        try:
            return await self._client.make_user(external_id, name, locale)
        except Invalid as error:
            if not locale or (error.places and "locale" not in error.places):
                raise
        return await self._client.make_user(external_id, name)

    def _locale(self, case: Case) -> str:
        return locale_of(case.contact.language or case.language, self._settings.locales)

    async def forget(self, contact_id: ContactId) -> None:
        """Zendesk does not have that user any more."""
        async with self._database.begin() as connection:
            await self._tables.forget_customer(connection, contact_id)

    # ------------------------------------------------------------ agents

    async def agent(self, user_id: int) -> KnownAgent:
        """Somebody of Zendesk; one who was deleted has no name and no role."""
        until, at_hand = self._at_hand.get(user_id, (0.0, None))
        if at_hand is not None and time.monotonic() < until:
            return at_hand
        found = await self._asked(user_id)
        if len(self._at_hand) >= AT_HAND:
            self._at_hand.clear()
        self._at_hand[user_id] = (time.monotonic() + AT_HAND_S, found)
        return found

    async def _asked(self, user_id: int) -> KnownAgent:
        async with self._database.begin() as connection:
            known = await self._tables.agent(connection, user_id, KNOWN_FOR_S)
        if known is not None:
            return known
        try:
            user = await self._client.user(user_id, is_urgent=True)
            found = KnownAgent(user_id, user.name or "", user.alias or "", user.role or "")
        except Gone:
            found = KnownAgent(user_id, "", "", "")
        async with self._database.begin() as connection:
            await self._tables.know_agent(connection, found)
        return found

    async def agent_name(self, user_id: int) -> str:
        """Under which name an agent appears to customers; never empty."""
        return self.shown(await self.agent(user_id))

    def shown(self, agent: KnownAgent) -> str:
        """As the settings want it: the alias if there is one, the first name, or all of it."""
        name, alias = one_line(agent.name, NAME_CHARS), one_line(agent.alias, NAME_CHARS)
        match self._settings.agent_name:
            case "alias" if alias:
                return alias
            case "full_name":
                return name or NOBODY
            case _:
                return name.split(" ")[0] or NOBODY

    async def is_staff(self, user_id: int) -> bool:
        return (await self.agent(user_id)).role in STAFF


def locale_of(language: str, locales: Mapping[str, str]) -> str:
    """Zendesk's name of a language (``es-CO`` -> ``es-419``); the settings' *locales* come first. Pure.

    Zendesk has Spanish as ``es``, ``es-ES`` and, for all of America, ``es-419``; English and Portuguese have a country.
    """
    tag = language.replace("_", "-").lower()
    base, _, rest = tag.partition("-")
    if not _LANGUAGE.fullmatch(tag):
        return ""
    named = {name.replace("_", "-").lower(): locale for name, locale in locales.items()}
    if found := named.get(tag) or named.get(base):
        return found
    if base == "es" and rest not in ("", "es"):
        return "es-419"
    return _ZENDESK_LOCALES.get(tag) or _ZENDESK_LOCALES.get(base, base)


def user_external_id(contact_id: ContactId) -> str:
    """Our name of a contact at Zendesk."""
    return f"tertulia:{contact_id}"
