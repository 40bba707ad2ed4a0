"""Where a reply has to go: to the number that wrote, from the number that was written to.

A person is known by a name that lasts, which is not always what Twilio sends to. What a message told of the way back
is kept with the address as its traits, and comes back with every message to it.
"""

from __future__ import annotations

import msgspec


class Route(msgspec.Struct, frozen=True):
    """``to`` is the other side's address as it wrote, ``by`` the number of ours if it is not the account's."""

    to: str
    by: str = ""

    def as_traits(self) -> str:
        """One line, which is never empty: nothing would mean that nothing is new."""
        return f"{self.to} {self.by}".rstrip()


def read_route(traits: str, recipient: str) -> Route:
    """The way to *recipient*, as its last message told it."""
    to, _, by = traits.partition(" ")
    return Route(to or recipient, by)
