"""What the names in a batch come to: whose they are, who is a stranger, which pass to somebody else. Pure.

The rules. A person has at most one name of a lasting kind on an account. A name of another kind is given to whoever
came with it last: numbers are recycled. Somebody who is known by such a name only is taken over by a lasting name that
comes with it, conversation and all; somebody who has a lasting name of that kind already is somebody else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol
from uuid import UUID

import msgspec

from gateway.core.ids import AccountId, AddressId, ContactId, ConversationId, new_id
from gateway.core.inbound import PASSING_KINDS, AddressKey, Profile
from gateway.store.rows import Known

AliasKey = tuple[AccountId, str, str]


class Named(Protocol):
    """Whatever concerns one person. ``makes_known``: somebody who is not known yet becomes so by it.

    ``moves``: the person is from now on written to at the (only) alias; ``yields``: unless somebody else has it.
    """

    @property
    def account_id(self) -> AccountId: ...
    @property
    def address(self) -> AddressKey: ...
    @property
    def aliases(self) -> tuple[AddressKey, ...]: ...
    @property
    def profile(self) -> Profile: ...
    @property
    def person(self) -> str: ...
    @property
    def traits(self) -> str: ...
    @property
    def makes_known(self) -> bool: ...
    @property
    def moves(self) -> bool: ...
    @property
    def yields(self) -> bool: ...


class Stranger(msgspec.Struct, frozen=True):
    """Somebody who was met just now, by *item*."""

    conversation_id: ConversationId
    item: Named


class Inferred(msgspec.Struct, frozen=True):
    """Two contacts that are one person if the number did not change hands in between: a person must confirm it."""

    contact_id: ContactId
    other_id: ContactId
    kind: str


def alias_keys(item: Named) -> list[AliasKey]:
    """The keys to look under, the address itself first."""
    account_id = item.account_id
    return [(account_id, key.kind, key.value) for key in (item.address, *item.aliases)]


class Naming:
    """Give it the items of a batch in order; then read what must be written.

    *found* is what the database knows of their names, *names_of* the names by kind of every address that one of them
    disputes, *contact_of* the contact that an item names (``None``: a new one).

    ``people``: everybody concerned as they are now, ``names``: whose each name is. ``claims``: new names. ``rebound``:
    names that pass over, with the address that had them. ``described``: people whose address row changed.
    ``outdated``: people of whom other processes may remember something old.
    """

    def __init__(
        self,
        found: Mapping[AliasKey, Known],
        names_of: Mapping[UUID, Mapping[str, str]],
        contact_of: Callable[[Named], ContactId | None],
    ) -> None:
        self.people: dict[ConversationId, Known] = {one.conversation_id: one for one in found.values()}
        self.names: dict[AliasKey, ConversationId] = {key: one.conversation_id for key, one in found.items()}
        self.claims: dict[AliasKey, ConversationId] = {}
        self.rebound: dict[AliasKey, tuple[AddressId, ConversationId]] = {}
        self.strangers: list[Stranger] = []
        self.described: set[ConversationId] = set()
        self.outdated: set[ConversationId] = set()
        self.inferred: list[Inferred] = []
        self._names_of = {address_id: dict(names) for address_id, names in names_of.items()}
        self._contact_of = contact_of

    def place(self, item: Named) -> ConversationId | None:
        """The conversation of *item*; ``None`` when it concerns nobody who is known."""
        own, *others = alias_keys(item)
        place = self.names.get(own)
        if place is None:
            if not item.makes_known:
                return None
            place = self._taken_over(own, others) or self._met(item, own)
        self._names(place)[own[1]] = own[2]
        if item.yields and any(self.names.get(key, place) != place for key in others):
            return place
        for key in others:
            if item.moves and self._is_anothers(key, place):
                continue
            self._give(key, place, own)
        if item.moves:
            self._move(item, place)
        if item.traits:
            self._describe(place, traits=item.traits)
        return place

    def _taken_over(self, own: AliasKey, others: list[AliasKey]) -> ConversationId | None:
        """Somebody known by another of these names only, who has the name *own* from now on."""
        for key in others:
            place = self.names.get(key)
            if place is not None and own[1] not in self._names(place):
                self._claim(own, place)
                self._describe(place, recipient=own[2])
                return place
        return None

    def _met(self, item: Named, own: AliasKey) -> ConversationId:
        place = ConversationId(new_id())
        contact_id = self._contact_of(item) or ContactId(new_id())
        self.people[place] = Known(place, AddressId(new_id()), contact_id, own[2], item.profile.name)
        self.strangers.append(Stranger(place, item))
        self._claim(own, place)
        return place

    def _is_anothers(self, key: AliasKey, place: ConversationId) -> bool:
        """Whether a lasting name that somebody moves to has a conversation already: it keeps it, the person has two."""
        other = self.names.get(key)
        if other is None or other == place or key[1] in PASSING_KINDS:
            return False
        self._infer(place, other, key[1])
        return True

    def _infer(self, place: ConversationId, other: ConversationId, kind: str) -> None:
        one, another = self.people[place].contact_id, self.people[other].contact_id
        if one != another:
            self.inferred.append(Inferred(one, another, kind))

    def _give(self, key: AliasKey, place: ConversationId, own: AliasKey) -> None:
        """The name *key* is that of *place* from now on, whoever had it."""
        before = self.names.get(key)
        if before is None:
            self._claim(key, place)
        elif before != place:
            self._pass_over(key, before, place, own[1])
        self._names(place)[key[1]] = key[2]

    def _pass_over(self, key: AliasKey, before: ConversationId, place: ConversationId, lasting: str) -> None:
        had = self._names(before)
        if lasting not in had:
            self._infer(place, before, key[1])
        elif self.people[before].recipient == key[2]:
            self._describe(before, recipient=had[lasting])
        if had.get(key[1]) == key[2]:
            del had[key[1]]
        if key in self.claims:
            self.claims[key] = place
        else:
            first = self.rebound[key][0] if key in self.rebound else self.people[before].address_id
            self.rebound[key] = (first, place)
        self.names[key] = place
        self._outdate(before)

    def _move(self, item: Named, place: ConversationId) -> None:
        """A name replaces the one of its kind as the place to write to; another kind never replaces a lasting name."""
        address, alias = item.address, item.aliases[0]
        if alias.kind != address.kind:
            lasting = alias if address.kind in PASSING_KINDS else address
            self._describe(place, recipient=lasting.value)
        elif self.people[place].recipient == address.value:
            self._describe(place, recipient=alias.value)

    def _claim(self, key: AliasKey, place: ConversationId) -> None:
        self.claims[key] = place
        self.names[key] = place
        self._names(place)[key[1]] = key[2]

    def _describe(self, place: ConversationId, *, recipient: str = "", traits: str = "") -> None:
        one = self.people[place]
        changed = msgspec.structs.replace(one, recipient=recipient or one.recipient, traits=traits or one.traits)
        if changed == one:
            return
        self.people[place] = changed
        if all(stranger.conversation_id != place for stranger in self.strangers):
            self.described.add(place)
            self._outdate(place)

    def _outdate(self, place: ConversationId) -> None:
        if all(stranger.conversation_id != place for stranger in self.strangers):
            self.outdated.add(place)

    def _names(self, place: ConversationId) -> dict[str, str]:
        return self._names_of.setdefault(self.people[place].address_id, {})
