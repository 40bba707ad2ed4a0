"""What a signed-in visitor has at a site: their conversations, and the one that they began before they signed in."""

from __future__ import annotations

from channels.doors import DoorEndpoint, DoorParts
from channels.webchat.visitors import ADDRESS_KIND, Visitor
from gateway.core.inbound import AddressKey, AddressMoved
from gateway.store.visitors import VisitorConversation, VisitorPlace, conversations_of, introduce, place_of

CHANNEL = "webchat"
MOVES = 3


class Belongings:
    """The conversations of one site's visitors; each may have *limit*."""

    def __init__(self, endpoint: DoorEndpoint, parts: DoorParts, limit: int) -> None:
        self._endpoint_name = endpoint.name
        self._account_id = endpoint.account_id
        self._database = parts.database
        self._receive = parts.receive
        self._clock = parts.clock
        self._limit = limit

    async def conversations(self, visitor: Visitor) -> list[VisitorConversation]:
        """Those that were begun, the one with the newest message first."""
        addresses = [visitor.address(number).value for number in range(self._limit)]
        return await conversations_of(self._database, self._account_id, ADDRESS_KIND, addresses)

    async def free_number(self, visitor: Visitor) -> int | None:
        """The first number that has no conversation yet; ``None`` when all have one."""
        taken = {number_in(entry.address) for entry in await self.conversations(visitor)}
        return next((number for number in range(self._limit) if number not in taken), None)

    async def carry_over(self, known: Visitor | None, visitor: Visitor) -> int | None:
        """Let the signed-in visitor go on with what they began anonymously; the number that it has with them.

        Only a conversation that nobody else has signed in to: who kept an old token gets no other person's. The keys
        of the moves belong to the conversation, so that of two people who come at once one gets it.
        """
        if known is None or known.is_identified:
            return None
        alone = known.address(0)
        place = await self._place(alone)
        for attempt in range(MOVES):
            if place is None or place.recipient != alone.value:
                break
            # Another device's first message may take the free number at the same moment: then it stays where it is.
            place = await self._move(known, visitor, f"carried:{known.id}:{attempt}")
        if place is None or not place.recipient.startswith(f"{visitor.id}/"):
            return None
        await introduce(self._database, self._account_id, ADDRESS_KIND, alone.value, visitor.name, visitor.details)
        return number_in(place.recipient)

    async def _place(self, address: AddressKey) -> VisitorPlace | None:
        return await place_of(self._database, self._account_id, address.kind, address.value)

    async def _move(self, known: Visitor, visitor: Visitor, event_key: str) -> VisitorPlace | None:
        """Give the anonymous conversation the visitor's first free number, unless that key did so before."""
        number = await self.free_number(visitor)
        if number is None:
            return None
        alone, alias = known.address(0), visitor.address(number)
        moved = AddressMoved(event_key=event_key, at=self._clock.now(), address=alone, alias=alias, if_free=True)
        await self._receive.accept(CHANNEL, self._endpoint_name, [moved])
        return await self._place(alone)


def number_in(address: str) -> int:
    """The number of the conversation that an address of a visitor names."""
    return int(address.partition("/")[2])
