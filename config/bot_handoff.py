"""What an author says about asking for a person: their rules, and whether a message may be left."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

LEAVE_MESSAGE = "/leave_message"
KEEP_BOT = "/keep_bot"
SAME_CASE = "/same_case"
NEW_CASE = "/new_case"
"""The values of the buttons around a handoff; the author writes the words on them."""

OFFER_REPLY = "utter_offer_message"
REOPEN_REPLY = "utter_reopen"


class SlotTest(msgspec.Struct, frozen=True, kw_only=True):
    """``is_one_of`` are folded texts (empty: any value at all); a number lies above ``above`` and below ``below``."""

    slot: str
    is_one_of: frozenset[str] = frozenset()
    above: float | None = None
    below: float | None = None


class HandoffRule(msgspec.Struct, frozen=True, kw_only=True):
    """Ask for a person when all of it holds; what is empty is not asked for.

    ``contact`` are details of the contact by name, each with the folded texts that fit (``vip: {true}``).
    """

    reason: str
    is_urgent: bool = False
    intents: frozenset[str] = frozenset()
    slots: tuple[SlotTest, ...] = ()
    sentiments: frozenset[str] = frozenset()
    contact: Mapping[str, frozenset[str]] = {}
    apps: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()


class HandoffTalk(msgspec.Struct, frozen=True, kw_only=True):
    """``leaves_messages``: outside of the opening hours the customer may leave a message instead of waiting."""

    rules: tuple[HandoffRule, ...] = ()
    leaves_messages: bool = False

    @property
    def contact_details(self) -> frozenset[str]:
        """What must be known of a contact to judge the rules."""
        return frozenset(name for rule in self.rules for name in rule.contact)


NO_TALK = HandoffTalk()
