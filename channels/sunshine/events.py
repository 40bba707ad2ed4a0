"""What each kind of event of Sunshine's becomes. Pure.

How events are keyed (each key is unique in one app for ever, and the same at every redelivery):

- ``m:<message>`` for a message, also where two webhooks tell of it while one replaces the other;
- ``e:<event>`` for everything else;
- ``standby:`` before a message's key for the note that somebody else had control when it was written.

Events of one conversation may overtake one another: each carries the time at which it happened.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from channels.sunshine.content import Misfit, parts_of, quoted_by_form
from channels.sunshine.settings import SunshineSettings
from channels.sunshine.wire import (
    NOTHING,
    Author,
    Content,
    Conversation,
    Event,
    Message,
    OurReference,
    Payload,
    Referral,
    Source,
    User,
    decode_reference,
)
from gateway.core.errors import GiveUpReason
from gateway.core.inbound import (
    AddressKey,
    AddressMoved,
    Arrived,
    ControlMoved,
    Echoed,
    Ignored,
    Origin,
    Parsed,
    Profile,
    Receipt,
    Received,
    SeenUpTo,
)
from gateway.core.messages import Parts, Selection

AGENT_SOURCE = "zd:agentWorkspace"
NOBODYS = OurReference()
"""Of a message that is none of ours."""

IGNORED_KINDS = frozenset(
    {
        "client:add", "client:remove", "client:update", "conversation:join", "conversation:leave",
        "conversation:remove", "conversation:typing", "passthrough:messaging", "user:remove", "user:update",
    }
)  # fmt: skip
"""Triggers that tell us nothing to act upon, in any payload."""

_MEANINGS: tuple[tuple[str, GiveUpReason], ...] = (
    ("block", "opted_out"),
    ("unsubscribed", "opted_out"),
    ("opted_out", "opted_out"),
    ("opt_out", "opted_out"),
    ("window", "window_closed"),
    ("user_not_found", "unreachable"),
    ("recipient_not_found", "unreachable"),
    ("unreachable", "unreachable"),
)
"""What pieces of an error's code say about the person; no list is published, so any other concerns the message."""


def events_of(settings: SunshineSettings, event: Event) -> list[Parsed]:
    """What one event of Sunshine's tells, in order. Raises ``Misfit`` when it is of no shape that we know."""
    read = _READERS.get(event.type)
    if read is not None:
        return read(settings, event)
    if event.type in IGNORED_KINDS:
        return [Ignored(event.type)]
    raise Misfit("an event of an unknown type", ".type")


def _message(settings: SunshineSettings, event: Event) -> list[Parsed]:
    message = event.payload.message
    if message is None:
        raise Misfit("an event about a message without one", ".payload.message")
    if message.deleted:
        return [Ignored("deleted_message")]
    if _reference(message.metadata).tertulia_post:
        return [Ignored("mirrored_message")]
    author = message.author
    if author is None:
        raise Misfit("a message of nobody", ".payload.message.author")
    if author.type == "business":
        return [_echo(event, message, author)]
    if author.type == "user":
        return _customers(settings, event, message, author)
    raise Misfit("an author of an unknown type", ".payload.message.author.type")


def _customers(settings: SunshineSettings, event: Event, message: Message, author: Author) -> list[Parsed]:
    content = message.content
    if content is None:
        raise Misfit("a message without content", ".payload.message.content")
    quoted = _quoted(message, content)
    user = author.user or event.payload.user
    return _heard(
        settings,
        event,
        key=f"m:{message.id}",
        message_id=message.id,
        parts=_parts(content, quoted),
        user=user,
        person=author.user_id or (user.id if user else ""),
        source=message.source,
        name=author.display_name or "",
        reply_to=quoted,
    )


def _heard(
    settings: SunshineSettings,
    event: Event,
    *,
    key: str,
    message_id: str,
    parts: Parts,
    user: User | None,
    person: str,
    source: Source | None,
    name: str = "",
    reply_to: str = "",
) -> list[Parsed]:
    """What a customer did, after the note that somebody else has control, where that is so."""
    conversation = _conversation(event.payload)
    message = event.payload.message
    at = (message.received if message else None) or event.created_at
    address = AddressKey("conversation", conversation.id)
    is_ours = _is_ours(settings, conversation)
    received = Received(
        event_key=key,
        at=at,
        address=address,
        provider_message_id=message_id,
        parts=parts,
        profile=_profile(user, source, name),
        reply_to=reply_to,
        origin=_campaign(source),
        acknowledge=conversation.id if is_ours and settings.marks_read else "",
        traits=source.type if source else "",
        person=person,
    )
    if is_ours:
        return [received]
    moved = ControlMoved(
        event_key=f"standby:{key}",
        at=at,
        address=address,
        to="elsewhere",
        reason="standby",
        name=_active_name(conversation),
    )
    return [moved, received]


def _echo(event: Event, message: Message, author: Author) -> Parsed:
    """What somebody said in our name: we, a person at Zendesk, or another program."""
    if message.content is None or "activity" in author.subtypes:
        return Ignored("activity_message")
    conversation = _conversation(event.payload)
    source = message.source.type if message.source else ""
    reference = _our_reference(message.metadata)
    return Echoed(
        event_key=f"m:{message.id}",
        at=message.received or event.created_at,
        address=AddressKey("conversation", conversation.id),
        provider_message_id=message.id,
        parts=_parts(message.content, ""),
        by="us" if reference else "agent" if source == AGENT_SOURCE else "app",
        our_ref=reference,
        name=author.display_name or ("" if reference else source),
    )


def _our_reference(metadata: msgspec.Raw) -> str:
    return _reference(metadata).tertulia_message


def _reference(metadata: msgspec.Raw) -> OurReference:
    if metadata is NOTHING:
        return NOBODYS
    try:
        return decode_reference(metadata)
    except msgspec.ValidationError:
        return NOBODYS


def _postback(settings: SunshineSettings, event: Event) -> list[Parsed]:
    payload = event.payload
    pressed = payload.postback
    if pressed is None or not pressed.payload:
        raise Misfit("a press without a payload", ".payload.postback.payload")
    return _heard(
        settings,
        event,
        key=f"e:{event.id}",
        message_id=f"postback:{event.id}",
        parts=(Selection(value=pressed.payload, label=pressed.text or ""),),
        user=payload.user,
        person=payload.user.id if payload.user else "",
        source=payload.source,
    )


def _read(settings: SunshineSettings, event: Event) -> list[Parsed]:
    del settings
    activity = event.payload.activity
    if activity is not None and activity.author is not None and activity.author.type != "user":
        return [Ignored("read_by_business")]
    return [
        SeenUpTo(
            event_key=f"e:{event.id}",
            at=event.created_at,
            address=AddressKey("conversation", _conversation(event.payload).id),
            up_to=event.created_at,
            status="read",
        )
    ]


def _receipt(settings: SunshineSettings, event: Event) -> list[Parsed]:
    """Handed to the channel, arrived at the person's device, or failed on the way."""
    del settings
    message = event.payload.message
    if message is None:
        raise Misfit("an event about a message without one", ".payload.message")
    reference = _our_reference(message.metadata)
    key, at = f"e:{event.id}", event.created_at
    if event.type.endswith(":user"):
        return [Receipt(event_key=key, at=at, provider_message_id=message.id, status="delivered", our_ref=reference)]
    if event.type.endswith(":channel"):
        return [Receipt(event_key=key, at=at, provider_message_id=message.id, status="sent", our_ref=reference)]
    error = event.payload.error
    code = str(error.code or "") if error else ""
    return [
        Receipt(
            event_key=key,
            at=at,
            provider_message_id=message.id,
            status="failed",
            reason=(error.message or "") if error else "",
            code=code,
            meaning=next((reason for piece, reason in _MEANINGS if piece in code.lower()), ""),
            our_ref=reference,
        )
    ]


def _referral(settings: SunshineSettings, event: Event) -> list[Parsed]:
    del settings
    payload = event.payload
    if payload.referral is None:
        raise Misfit("a referral without content", ".payload.referral")
    return [_arrival(event, payload.referral)]


def _creation(settings: SunshineSettings, event: Event) -> list[Parsed]:
    """Only how somebody came is kept: the widget itself greets, and the words that follow open an episode."""
    del settings
    if event.payload.referral is not None:
        return [_arrival(event, event.payload.referral)]
    return [Ignored(event.type)]


def _arrival(event: Event, referral: Referral) -> Arrived:
    details = referral.details
    ad = (details.ad_id or "") if details else ""
    code = referral.code or ""
    return Arrived(
        event_key=f"e:{event.id}",
        at=event.created_at,
        address=AddressKey("conversation", _conversation(event.payload).id),
        referral=code,
        origin=Origin(kind="ad" if ad else "link", id=ad or code, title=(details.source or "") if details else ""),
    )


def _control(settings: SunshineSettings, event: Event) -> list[Parsed]:
    """Who is active now, after a change at the switchboard or an attempt at one."""
    conversation = _conversation(event.payload)
    kind = event.type.removeprefix("switchboard:")
    is_ours = _is_ours(settings, conversation)
    if kind == "offerControl" and is_ours:
        return [Ignored("switchboard:offerControl")]  # an offer moves nothing until it is accepted
    error = event.payload.error
    reason = event.payload.reason or (": ".join(filter(None, (kind, str(error.code or "")))) if error else kind)
    return [
        ControlMoved(
            event_key=f"e:{event.id}",
            at=event.created_at,
            address=AddressKey("conversation", conversation.id),
            to="us" if is_ours else "elsewhere",
            reason=reason,
            name=_active_name(conversation),
        )
    ]


def _merge(settings: SunshineSettings, event: Event) -> list[Parsed]:
    """Two people turn out to be one: what was said in one conversation goes on in the other."""
    del settings
    merged = event.payload.merged_conversations
    if merged is None or merged.surviving is None or merged.discarded is None:
        return [Ignored("user:merge")]
    return [
        AddressMoved(
            event_key=f"e:{event.id}",
            at=event.created_at,
            address=AddressKey("conversation", merged.discarded.id),
            alias=AddressKey("conversation", merged.surviving.id),
        )
    ]


_READERS: dict[str, Callable[[SunshineSettings, Event], list[Parsed]]] = {
    "conversation:message": _message,
    "conversation:postback": _postback,
    "conversation:read": _read,
    "conversation:message:delivery:channel": _receipt,
    "conversation:message:delivery:user": _receipt,
    "conversation:message:delivery:failure": _receipt,
    "conversation:referral": _referral,
    "conversation:create": _creation,
    "switchboard:passControl": _control,
    "switchboard:passControl:failure": _control,
    "switchboard:offerControl": _control,
    "switchboard:offerControl:failure": _control,
    "switchboard:acceptControl": _control,
    "switchboard:acceptControl:failure": _control,
    "switchboard:releaseControl": _control,
    "user:merge": _merge,
}


# ---------------------------------------------------------------- what events have in common


def _conversation(payload: Payload) -> Conversation:
    if payload.conversation is None:
        raise Misfit("an event of no conversation", ".payload.conversation")
    return payload.conversation


def _is_ours(settings: SunshineSettings, conversation: Conversation) -> bool:
    """Whether we are active. Where nobody is, the first responder is the one who answers next."""
    active = conversation.active_switchboard_integration
    if active is None:
        return settings.is_first_responder
    return settings.switchboard_name in {active.name, active.id}


def _active_name(conversation: Conversation) -> str:
    active = conversation.active_switchboard_integration
    return "" if active is None else active.name or active.integration_type or active.id


def _parts(content: Content, quoted: str) -> Parts:
    try:
        return parts_of(content, quoted)
    except Misfit as misfit:
        raise Misfit(misfit.reason, f".payload{misfit.path}") from None


def _quoted(message: Message, content: Content) -> str:
    quoted = message.quoted_message
    if quoted is not None:
        return (quoted.message.id if quoted.message else "") or quoted.external_message_id or ""
    return quoted_by_form(content) if content.fields else ""


def _campaign(source: Source | None) -> Origin | None:
    if source is None or source.campaign is None or not source.campaign.id:
        return None
    return Origin(kind="campaign", id=source.campaign.id)


def _profile(user: User | None, source: Source | None, name: str) -> Profile:
    details = {"source": source.type} if source and source.type else {}
    if user is None:
        return Profile(name, details=details)
    person = user.profile
    if person is not None:
        name = " ".join(filter(None, (person.given_name, person.surname))) or name
        if person.email:
            details["email"] = person.email
    for identity in user.identities:
        if identity.type == "phoneNumber" and identity.value:
            details["phone"] = identity.value
        elif identity.type == "email" and identity.value:
            details.setdefault("email", identity.value)
    if user.external_id:
        details["external_id"] = user.external_id
    if user.zendesk_id:
        details["zendesk_id"] = user.zendesk_id
    if user.authenticated:
        details["authenticated"] = "yes"
    return Profile(name, language=(person.locale or "") if person else "", details=details)
