"""The author's own rules for asking a person: by intent, slot, sentiment, contact and app."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping

from config.bot_handoff import HandoffRule, SlotTest
from config.bot_handoff_rules import folded
from config.bot_model import Bot, SlotValue
from gateway.core.errors import TertuliaError
from gateway.core.handoff_reasons import Asked
from gateway.core.ids import ContactId
from gateway.dialogue.draft import Draft

ContactDetails = Callable[[ContactId, Collection[str]], Awaitable[Mapping[str, str]]]
"""What is known of a contact under these names; unknown ones are left out."""


class Rules:
    """Judges a turn that was understood. What is known of a contact is asked for only when all else fits."""

    def __init__(self, bot: Bot, details: ContactDetails | None = None) -> None:
        """Without *details* no rule about a contact holds."""
        self._bot = bot
        self._rules = bot.handoff.rules
        self._wanted = bot.handoff.contact_details
        self._details = details

    async def hands_over(self, draft: Draft, *, keeps: int) -> bool:
        """Ask for a person when a rule holds; of the turn's replies only the first *keeps* are still said then."""
        rule = await self._matching(draft)
        if rule is None:
            return False
        del draft.replies[keeps:]
        draft.calling = None
        draft.rating = None
        draft.ends_solved = False
        intent = draft.topic
        draft.ask_for_person(Asked.RULE, rule.reason, is_urgent=rule.is_urgent)
        draft.note(f"handoff: rule {rule.reason}")
        draft.resolve("handoff", intent, source=f"rule:{rule.reason}")
        return True

    async def _matching(self, draft: Draft) -> HandoffRule | None:
        if not self._rules or draft.hand_off or draft.leaving is not None or _is_rating(draft):
            return None
        for rule in self._rules:
            if self._fits(rule, draft) and (not rule.contact or await self._fits_contact(rule, draft)):
                return rule
        return None

    def _fits(self, rule: HandoffRule, draft: Draft) -> bool:
        """Small talk is of a rule only that names it."""
        if draft.topic in self._bot.small_talk and draft.topic not in rule.intents:
            return False
        return (
            (not rule.intents or draft.topic in rule.intents)
            and (not rule.sentiments or draft.sentiment in rule.sentiments)
            and (not rule.apps or draft.turn.app in rule.apps)
            and (not rule.channels or draft.turn.channel in rule.channels)
            and all(_holds(test, draft.slots.get(test.slot)) for test in rule.slots)
        )

    async def _fits_contact(self, rule: HandoffRule, draft: Draft) -> bool:
        known = await self._known(draft)
        return all(folded(known[name]) in values for name, values in rule.contact.items() if name in known) and all(
            name in known for name in rule.contact
        )

    async def _known(self, draft: Draft) -> Mapping[str, str]:
        """Asked for once a turn; who cannot be asked about is nobody in particular."""
        contact_id = draft.turn.contact_id
        if draft.contact is None:
            draft.contact = {}
            if self._details is not None and contact_id is not None:
                try:
                    draft.contact = await self._details(contact_id, self._wanted)
                except (TertuliaError, TimeoutError) as error:
                    draft.note(f"handoff: the contact is not known ({type(error).__name__})")
        return draft.contact


def _is_rating(draft: Draft) -> bool:
    """Whoever answers a question that nobody has to answer asks for nothing."""
    was = draft.before.flow
    is_flow = draft.resolution is not None and draft.resolution.link == "flow"
    return is_flow and was is not None and was.name in draft.bot.flows and draft.bot.flows[was.name].is_optional


def _holds(test: SlotTest, value: SlotValue) -> bool:
    if value is None:
        return False
    if test.is_one_of and folded(value) not in test.is_one_of:
        return False
    if test.above is None and test.below is None:
        return True
    number = _number(value)
    if number is None:
        return False
    return (test.above is None or number > test.above) and (test.below is None or number < test.below)


def _number(value: SlotValue) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    try:
        return float(value)
    except ValueError:
        return None
