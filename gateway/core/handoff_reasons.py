"""Why a person is asked for and how a handoff ends: two closed lists, each word with what people read for it.

What somebody else names (a provider's own reason, one that was typed at the terminal) is shown as it is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Asked(StrEnum):
    """Why a handoff begins."""

    ASKED = "asked"
    UNRESOLVED = "unresolved"
    RULE = "rule"
    SENTIMENT = "sentiment"
    FLOW = "flow"
    ACTION_FAILED = "action_failed"
    BOT_FAILED = "bot_failed"
    LEFT_MESSAGE = "left_message"
    REOPENED = "reopened"
    TAKEN_OVER = "taken_over"
    PROVIDER_INBOX = "provider_inbox"
    MOVED_AT_PROVIDER = "moved_at_provider"


class Ended(StrEnum):
    """Why a handoff ends."""

    SOLVED = "solved"
    RETURNED = "returned"
    GIVEN_BACK = "given_back"
    CUSTOMER_QUIET = "customer_quiet"
    AGENT_QUIET = "agent_quiet"
    DELETED = "deleted"
    REFUSED = "refused"
    WENT_ON_BY_EMAIL = "went_on_by_email"
    TAKEN_AT_PROVIDER = "taken_at_provider"
    QUIET_AT_PROVIDER = "quiet_at_provider"


CASE_ENDS = frozenset({Ended.SOLVED, Ended.CUSTOMER_QUIET})
"""Reasons that end the customer's case as well: what they say next opens another one."""

ASKED_WORDS: Mapping[Asked, str] = {
    Asked.ASKED: "the customer asked for a person",
    Asked.UNRESOLVED: "the bot did not understand",
    Asked.RULE: "a rule of the bot",
    Asked.SENTIMENT: "the customer sounds upset",
    Asked.FLOW: "a step of a dialogue",
    Asked.ACTION_FAILED: "a system did not answer",
    Asked.BOT_FAILED: "the bot failed",
    Asked.LEFT_MESSAGE: "the customer left a message while nobody was there",
    Asked.REOPENED: "the customer goes on with a solved case",
    Asked.TAKEN_OVER: "an agent stepped in",
    Asked.PROVIDER_INBOX: "somebody answered in the provider's own app",
    Asked.MOVED_AT_PROVIDER: "the provider moved the conversation",
}

ENDED_WORDS: Mapping[Ended, str] = {
    Ended.SOLVED: "solved",
    Ended.RETURNED: "an agent gave it back",
    Ended.GIVEN_BACK: "the desk gave it back",
    Ended.CUSTOMER_QUIET: "the customer did not answer any more",
    Ended.AGENT_QUIET: "the agent left the customer without an answer",
    Ended.DELETED: "the case was deleted at the desk",
    Ended.REFUSED: "the desk did not take it",
    Ended.WENT_ON_BY_EMAIL: "it goes on by e-mail",
    Ended.TAKEN_AT_PROVIDER: "somebody took it in the provider's own app",
    Ended.QUIET_AT_PROVIDER: "nobody answered in the provider's own app",
}

_ASKED: Mapping[str, str] = {reason.value: words for reason, words in ASKED_WORDS.items()}
_ENDED: Mapping[str, str] = {reason.value: words for reason, words in ENDED_WORDS.items()}


def asked_in_words(reason: str) -> str:
    """Why a person was asked for, for an agent to read; what is not on the list as it is written. Pure."""
    return _ASKED.get(reason, reason)


def ended_in_words(reason: str) -> str:
    """How a handoff ended, likewise."""
    return _ENDED.get(reason, reason)


def counted(reason: str) -> str:
    """The reason as a metric's label: of what is not on the lists there is no end."""
    return reason if reason in _ASKED or reason in _ENDED else "other"
