"""The shape of the Messenger Platform's webhooks, as far as they are used: decoding checks it.

Ids may be texts or numbers; times are milliseconds since 1970. Fields that are absent have a neutral default, and
what is there as ``null`` counts as absent where that was seen.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct

Id = str | int
Milliseconds = Annotated[int, Meta(ge=0, le=253_402_300_799_000)]
Mid = Annotated[str, Meta(min_length=1, max_length=280)]
Word = str | None


class Party(Struct, frozen=True, gc=False):
    """A person or an account. ``user_ref`` is a guest's name, who has no id yet."""

    id: Id = ""
    user_ref: str = ""


class QuickReply(Struct, frozen=True, gc=False):
    payload: Word = None


class Story(Struct, frozen=True, gc=False):
    url: Word = None
    id: Id | None = None


class RepliedTo(Struct, frozen=True):
    mid: Word = None
    story: Story | None = None


class Coordinates(Struct, frozen=True, gc=False):
    lat: Annotated[float, Meta(ge=-90, le=90)]
    long: Annotated[float, Meta(ge=-180, le=180)]


class Element(Struct, frozen=True, gc=False):
    """A product or a card of a template."""

    id: Id | None = None
    retailer_id: Id | None = None
    image_url: Word = None
    title: Word = None
    subtitle: Word = None


class Product(Struct, frozen=True):
    elements: tuple[Element, ...] = ()


class Payload(Struct, frozen=True):
    url: Word = None
    title: Word = None
    sticker_id: Id | None = None
    coordinates: Coordinates | None = None
    product: Product | None = None
    template_type: Word = None
    text: Word = None
    elements: tuple[Element, ...] | None = None


class Attachment(Struct, frozen=True):
    type: str
    payload: Payload | None = None
    title: Word = None
    url: Word = None


class AdContext(Struct, frozen=True, gc=False):
    ad_title: Word = None
    photo_url: Word = None
    video_url: Word = None
    post_id: Id | None = None
    product_id: Id | None = None


class ReferredProduct(Struct, frozen=True, gc=False):
    id: Id | None = None


class Referral(Struct, frozen=True):
    ref: Word = None
    source: Word = None
    type: Word = None
    ad_id: Id | None = None
    referer_uri: Word = None
    ads_context_data: AdContext | None = None
    product: ReferredProduct | None = None


class Message(Struct, frozen=True):
    mid: Mid
    text: Word = None
    quick_reply: QuickReply | None = None
    reply_to: RepliedTo | None = None
    attachments: tuple[Attachment, ...] | None = None
    is_echo: bool = False
    is_deleted: bool = False
    is_unsupported: bool = False
    app_id: Id | None = None
    metadata: Word = None
    referral: Referral | None = None
    sticker_id: Id | None = None


class Postback(Struct, frozen=True):
    """In *standby* the payload is missing."""

    mid: Word = None
    title: Word = None
    payload: Word = None
    referral: Referral | None = None


class Delivery(Struct, frozen=True):
    mids: tuple[Mid, ...] | None = None
    watermark: Milliseconds | None = None


class Read(Struct, frozen=True, gc=False):
    watermark: Milliseconds | None = None
    mid: Mid | None = None


class Reaction(Struct, frozen=True, gc=False):
    mid: Mid
    action: str
    reaction: Word = None
    emoji: Word = None


class Edit(Struct, frozen=True, gc=False):
    mid: Mid
    text: Word = None
    num_edit: Id | None = None


class OptIn(Struct, frozen=True, gc=False):
    type: Word = None
    ref: Word = None
    user_ref: Word = None
    payload: Word = None
    notification_messages_status: Word = None


class Handover(Struct, frozen=True, gc=False):
    new_owner_app_id: Id | None = None
    previous_owner_app_id: Id | None = None
    metadata: Word = None


class Policy(Struct, frozen=True, gc=False):
    action: str
    reason: Word = None


class PriorMessage(Struct, frozen=True, gc=False):
    source: Word = None
    identifier: Word = None


NOTHING = Raw(b"")

IGNORED_KINDS = (
    "request_thread_control",
    "app_roles",
    "account_linking",
    "messaging_customer_information",
    "messaging_feedback",
    "response_feedback",
    "send_cart",
    "messaging_in_thread_lead_form_submit",
    "business_integrity",
    "game_play",
    "order",
    "payment",
    "checkout_update",
    "pre_checkout",
    "message_context",
    "calls",
    "marketing_message_delivery_failed",
)
"""What an item may be about that we have no use for."""


class Item(Struct, frozen=True, rename={"policy": "policy-enforcement"}):
    """One event. What it is about is the one field that is there besides the parties and the time."""

    sender: Party | None = None
    recipient: Party | None = None
    timestamp: Milliseconds | None = None
    message: Message | None = None
    postback: Postback | None = None
    delivery: Delivery | None = None
    read: Read | None = None
    reaction: Reaction | None = None
    message_edit: Edit | None = None
    referral: Referral | None = None
    optin: OptIn | None = None
    pass_thread_control: Handover | None = None
    take_thread_control: Handover | None = None
    policy: Policy | None = None
    prior_message: PriorMessage | None = None
    request_thread_control: Raw = NOTHING
    app_roles: Raw = NOTHING
    account_linking: Raw = NOTHING
    messaging_customer_information: Raw = NOTHING
    messaging_feedback: Raw = NOTHING
    response_feedback: Raw = NOTHING
    send_cart: Raw = NOTHING
    messaging_in_thread_lead_form_submit: Raw = NOTHING
    business_integrity: Raw = NOTHING
    game_play: Raw = NOTHING
    order: Raw = NOTHING
    payment: Raw = NOTHING
    checkout_update: Raw = NOTHING
    pre_checkout: Raw = NOTHING
    message_context: Raw = NOTHING
    calls: Raw = NOTHING
    marketing_message_delivery_failed: Raw = NOTHING


class Change(Struct, frozen=True):
    """News of the page or the profile. ``value`` is an item where Meta tests a webhook."""

    field: str
    value: Raw = Raw(b"null")


class Entry(Struct, frozen=True):
    """The events of one account; ``time`` is when they were put together."""

    id: Id
    time: int = 0
    messaging: tuple[Item, ...] = ()
    standby: tuple[Item, ...] = ()
    changes: tuple[Change, ...] = ()


class Webhook(Struct, frozen=True):
    object: str
    entry: tuple[Entry, ...]


class SendAnswer(Struct, frozen=True):
    """What a successful call answers, as far as it is used; a sender action has no message."""

    recipient_id: Id = ""
    message_id: str = ""


decode_webhook = msgspec.json.Decoder(Webhook).decode
decode_test_item = msgspec.json.Decoder(Item, strict=False).decode
"""The dashboard's test writes numbers as texts."""


class ListedPersona(Struct, frozen=True, gc=False):
    id: str = ""
    name: str = ""


class Cursors(Struct, frozen=True, gc=False):
    after: str = ""


class Paging(Struct, frozen=True):
    cursors: Cursors = Cursors()


class PersonaPage(Struct, frozen=True):
    """Some of an account's personas; more follow ``after``."""

    data: tuple[ListedPersona, ...] = ()
    paging: Paging | None = None


class MadePersona(Struct, frozen=True, gc=False):
    id: Annotated[str, Meta(pattern=r"^[0-9]{1,40}$")]


decode_send_answer = msgspec.json.Decoder(SendAnswer).decode
decode_personas = msgspec.json.Decoder(PersonaPage).decode
decode_made_persona = msgspec.json.Decoder(MadePersona).decode
decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode
