"""The bodies of the public API, as structs: requests are checked against them, the OpenAPI document is made of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from gateway.core.company import Category, Standing
from gateway.core.messages import Cards, Choice, ContactCard, Location, Media, Template, Text

LONGEST_TEXT = 20_000
MOST_PARTS = 20

Account = Annotated[
    str,
    msgspec.Meta(
        max_length=200,
        pattern=r"^$|^[a-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$",
        description="The account to write from, as `channel.endpoint.account`.",
        examples=["whatsapp.main.support"],
    ),
]
AddressKind = Annotated[
    str, msgspec.Meta(min_length=1, max_length=40, pattern=r"^[a-z][a-z0-9_]*$", examples=["phone", "bsuid", "chat"])
]
AddressValue = Annotated[str, msgspec.Meta(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f]+$")]
Words = Annotated[str, msgspec.Meta(max_length=LONGEST_TEXT, pattern=r"^[^\x00]*$")]
When = Annotated[
    datetime, msgspec.Meta(tz=True, description="ISO 8601 with its zone; without it the message goes at once.")
]

SendablePart = Text | Media | Location | ContactCard | Choice | Cards | Template


class ToAddress(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One address on the account: a telephone number, a lasting user id, a chat."""

    kind: AddressKind
    value: AddressValue


class TemplateBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A text that the provider approved; `values` fill its blanks in order."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
    language: Annotated[str, msgspec.Meta(min_length=2, max_length=15)]
    values: Annotated[tuple[Words, ...], msgspec.Meta(max_length=60)] = ()


class MessageRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A message to one customer.

    Say to whom with exactly one of `to` (which needs `account`), `contact_id` and `conversation_id`, and what with
    exactly one of `text`, `template` and `parts`.
    """

    account: Account = ""
    to: ToAddress | None = None
    contact_id: UUID | None = None
    conversation_id: UUID | None = None
    text: Words = ""
    markup: Literal["plain", "markdown"] = "plain"
    template: TemplateBody | None = None
    parts: Annotated[tuple[SendablePart, ...], msgspec.Meta(max_length=MOST_PARTS)] = ()
    at: When | None = None
    category: Category = "live"


class MessageAccepted(msgspec.Struct, frozen=True, kw_only=True):
    """The message is ours now: it is sent, or `status_url` explains why not.

    `uses_template`: the messaging window is closed; the template that the bot's author named goes first, and this
    message when the customer answers.
    """

    id: UUID
    status: Standing
    account: str
    conversation_id: UUID
    category: Category
    at: datetime
    uses_template: bool
    status_url: str


class MessageStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How a message stands. `reason` and `detail` say why it was not sent, or not delivered."""

    id: UUID
    status: Standing
    account: str
    conversation_id: UUID
    category: Category
    at: datetime
    reason: str
    detail: str


class ContactChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is known better about a customer."""

    time_zone: Annotated[
        str,
        msgspec.Meta(
            max_length=200,
            description="Where the customer's day begins, by the IANA database; empty: nobody knows.",
            examples=["America/Bogota"],
        ),
    ]


class LearningConsent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether the customer agrees that their texts, made anonymous, teach the bot.

    `evidence` is what shows it: a form's number, a message's id. `at`: when they said so; without it, now.
    """

    is_given: bool
    evidence: Annotated[str, msgspec.Meta(min_length=1, max_length=1000, pattern=r"^[^\x00]*[^\x00\s][^\x00]*$")]
    at: Annotated[datetime, msgspec.Meta(tz=True, description="ISO 8601 with its zone.")] | None = None


class ConsentWord(msgspec.Struct, frozen=True, kw_only=True):
    """What a customer said, who wrote it down, and what shows it."""

    is_given: bool
    source: str
    evidence: str
    at: datetime


class ContactFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A customer as they are known. `id` is that of the contact that the one asked for is part of by now.

    `time_zone` is empty where nobody knows it: the bot's counts then. `learning` is null while they never said a word
    on it. `accounts` are those that the key may use.
    """

    id: UUID
    name: str
    language: str
    time_zone: str
    learning: ConsentWord | None
    accounts: tuple[str, ...]


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What was wrong (`code` for programs, `message` for people), `where`, and what to do about it (`advice`)."""

    code: str
    message: str
    where: str = ""
    advice: str = ""


class ProblemBody(msgspec.Struct, frozen=True):
    """The form of every refusal."""

    error: Problem
