"""The shape of Sunshine's webhooks and answers, as far as they are used: an error names the field.

What is absent has a neutral default. Names are the wire's in camel case.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

Id = Annotated[str, Meta(min_length=1, max_length=128)]
Moment = Annotated[datetime, Meta(tz=True)]


class OurReference(Struct, frozen=True):
    """What we put into the metadata of our own messages: which message, and which of its calls.

    ``tertulia_post`` is the desk's, on what it mirrors into the conversations of agents.
    """

    tertulia_message: str = ""
    tertulia_call: int = 0
    tertulia_post: str = ""


NOTHING = msgspec.Raw(b"null")


class Responder(Struct, frozen=True, rename="camel", gc=False):
    """A place on the switchboard."""

    id: str = ""
    name: str = ""
    integration_type: str = ""


class Conversation(Struct, frozen=True, rename="camel"):
    id: Id
    active_switchboard_integration: Responder | None = None
    pending_switchboard_integration: Responder | None = None


class Person(Struct, frozen=True, rename="camel", gc=False):
    """The names under which somebody is known, as the profile tells."""

    given_name: str | None = None
    surname: str | None = None
    email: str | None = None
    locale: str | None = None


class Identity(Struct, frozen=True, gc=False):
    type: str = ""
    value: str | None = None


class User(Struct, frozen=True, rename="camel"):
    id: str = ""
    external_id: str | None = None
    zendesk_id: str | None = None
    authenticated: bool = False
    profile: Person | None = None
    identities: tuple[Identity, ...] = ()


class Author(Struct, frozen=True, rename="camel"):
    type: str
    user_id: str | None = None
    display_name: str | None = None
    avatar_url: str | None = None
    subtypes: tuple[str, ...] = ()
    user: User | None = None


class Campaign(Struct, frozen=True, gc=False):
    id: str | None = None


class Source(Struct, frozen=True, rename="camel"):
    type: str = ""
    integration_id: str | None = None
    campaign: Campaign | None = None


class Coordinates(Struct, frozen=True, gc=False):
    lat: float
    long: float


class Place(Struct, frozen=True, gc=False):
    address: str | None = None
    name: str | None = None


class Action(Struct, frozen=True, gc=False):
    """A button under a message; each kind fills what it has."""

    type: str = ""
    text: str = ""
    payload: str = ""
    uri: str = ""


class Item(Struct, frozen=True, rename="camel"):
    title: str = ""
    description: str | None = None
    media_url: str | None = None
    actions: tuple[Action, ...] = ()


class Selected(Struct, frozen=True, gc=False):
    name: str = ""
    label: str = ""


class Field(Struct, frozen=True, rename="camel"):
    """One answer of a form."""

    name: str = ""
    label: str = ""
    text: str | None = None
    email: str | None = None
    select: tuple[Selected, ...] | None = None
    quoted_message_id: str | None = None


class Content(Struct, frozen=True, rename="camel"):
    """Any of the kinds of content; each fills what it has."""

    type: str
    text: str | None = None
    html_text: str | None = None
    markdown_text: str | None = None
    payload: str | None = None
    actions: tuple[Action, ...] = ()
    media_url: str | None = None
    media_type: str | None = None
    media_size: float | None = None
    alt_text: str | None = None
    attachment_id: str | None = None
    coordinates: Coordinates | None = None
    location: Place | None = None
    fields: tuple[Field, ...] = ()
    text_fallback: str | None = None
    items: tuple[Item, ...] = ()


class QuotedOne(Struct, frozen=True, gc=False):
    id: str = ""


class Quoted(Struct, frozen=True, rename="camel"):
    message: QuotedOne | None = None
    external_message_id: str | None = None


class Message(Struct, frozen=True, rename="camel"):
    """A message; of one whose delivery is told there is only the id."""

    id: Id
    received: Moment | None = None
    author: Author | None = None
    content: Content | None = None
    source: Source | None = None
    metadata: msgspec.Raw = NOTHING
    quoted_message: Quoted | None = None
    deleted: bool = False


class Postback(Struct, frozen=True, gc=False):
    payload: str | None = None
    text: str | None = None


class Activity(Struct, frozen=True):
    type: str
    author: Author | None = None


class Destination(Struct, frozen=True, gc=False):
    type: str = ""


class DeliveryError(Struct, frozen=True, gc=False):
    code: str | int | None = None
    message: str | None = None


class ReferralDetails(Struct, frozen=True, rename="camel", gc=False):
    source: str | None = None
    type: str | None = None
    ad_id: str | None = None


class Referral(Struct, frozen=True):
    code: str | None = None
    details: ReferralDetails | None = None


class Merged(Struct, frozen=True):
    surviving: Conversation | None = None
    discarded: Conversation | None = None


class Payload(Struct, frozen=True, rename="camel"):
    """What any of the triggers carries; each fills what it has."""

    conversation: Conversation | None = None
    message: Message | None = None
    user: User | None = None
    source: Source | None = None
    postback: Postback | None = None
    activity: Activity | None = None
    destination: Destination | None = None
    error: DeliveryError | None = None
    referral: Referral | None = None
    creation_reason: str | None = None
    reason: str | None = None
    merged_conversations: Merged | None = None


class Event(Struct, frozen=True, rename="camel"):
    id: Id
    type: Annotated[str, Meta(min_length=1, max_length=128)]
    created_at: Moment
    payload: Payload


class App(Struct, frozen=True, gc=False):
    id: str


class Webhook(Struct, frozen=True):
    """One request: normally with one event."""

    app: App
    events: tuple[Event, ...]


class RawWebhook(Struct, frozen=True):
    """The same with its events unread, for when one of them is not understood."""

    app: msgspec.Raw
    events: list[msgspec.Raw]


class EventKind(Struct, frozen=True):
    type: str


decode_webhook = msgspec.json.Decoder(Webhook).decode
decode_raw_webhook = msgspec.json.Decoder(RawWebhook).decode
decode_event = msgspec.json.Decoder(Event).decode
decode_event_kind = msgspec.json.Decoder(EventKind).decode
decode_app = msgspec.json.Decoder(App).decode
decode_anything = msgspec.json.Decoder().decode
decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


# ---------------------------------------------------------------- what calls are answered


class TakenMessage(Struct, frozen=True):
    id: str


class Posted(Struct, frozen=True):
    messages: Annotated[tuple[TakenMessage, ...], Meta(min_length=1)]


class ListedMessage(Struct, frozen=True):
    id: str
    received: datetime | None = None
    metadata: msgspec.Raw = NOTHING


class ListedMessages(Struct, frozen=True):
    messages: tuple[ListedMessage, ...] = ()


class Attachment(Struct, frozen=True, rename="camel"):
    media_url: Annotated[str, Meta(min_length=1)]
    media_type: str | None = None


class Attached(Struct, frozen=True):
    attachment: Attachment


class Problem(Struct, frozen=True):
    code: str = ""
    title: str = ""


class Problems(Struct, frozen=True):
    errors: tuple[Problem, ...] = ()


decode_reference = msgspec.json.Decoder(OurReference).decode
decode_posted = msgspec.json.Decoder(Posted).decode
decode_listed_messages = msgspec.json.Decoder(ListedMessages).decode
decode_attached = msgspec.json.Decoder(Attached).decode
decode_problems = msgspec.json.Decoder(Problems).decode


# ---------------------------------------------------------------- what is registered


class RegisteredWebhook(Struct, frozen=True, rename="camel"):
    id: str = ""
    target: str = ""
    triggers: tuple[str, ...] = ()
    secret: str | None = None
    include_full_user: bool = False
    include_full_source: bool = False


class Inheritance(Struct, frozen=True):
    """Whether a channel's first responder is that of the whole switchboard."""

    inherited: bool = False


class Integration(Struct, frozen=True, rename="camel"):
    id: str
    type: str = ""
    display_name: str | None = None
    status: str | None = None
    webhooks: tuple[RegisteredWebhook, ...] = ()
    default_responder_id: str | None = None
    default_responder: Inheritance | None = None


class Cursor(Struct, frozen=True, rename="camel"):
    has_more: bool = False
    after_cursor: str | None = None


class Integrations(Struct, frozen=True):
    integrations: tuple[Integration, ...] = ()
    meta: Cursor | None = None


class MadeIntegration(Struct, frozen=True):
    integration: Integration


class Switchboard(Struct, frozen=True, rename="camel"):
    id: str
    enabled: bool = False
    default_switchboard_integration_id: str | None = None


class Switchboards(Struct, frozen=True):
    switchboards: tuple[Switchboard, ...] = ()


class MadeSwitchboard(Struct, frozen=True):
    switchboard: Switchboard


class Seat(Struct, frozen=True, rename="camel"):
    """One place on a switchboard, as it is configured."""

    id: str
    name: str = ""
    integration_id: str | None = None
    integration_type: str | None = None
    deliver_standby_events: bool = False
    next_switchboard_integration_id: str | None = None


class Seats(Struct, frozen=True, rename="camel"):
    switchboard_integrations: tuple[Seat, ...] = ()


class MadeSeat(Struct, frozen=True, rename="camel"):
    switchboard_integration: Seat


class MadeWebhook(Struct, frozen=True):
    webhook: RegisteredWebhook


decode_integrations = msgspec.json.Decoder(Integrations).decode
decode_made_integration = msgspec.json.Decoder(MadeIntegration).decode
decode_made_webhook = msgspec.json.Decoder(MadeWebhook).decode
decode_switchboards = msgspec.json.Decoder(Switchboards).decode
decode_made_switchboard = msgspec.json.Decoder(MadeSwitchboard).decode
decode_seats = msgspec.json.Decoder(Seats).decode
decode_made_seat = msgspec.json.Decoder(MadeSeat).decode
