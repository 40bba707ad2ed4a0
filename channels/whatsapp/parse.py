"""Turns one webhook into our words. Pure: the same bytes at the same moment give the same events.

How events are keyed (each key is unique on one number for ever, and the same at every redelivery; ids are WhatsApp's
``wamid.…``, which are unique everywhere):

- ``m:<id>`` for a message, ``r:<id>`` for a reaction, ``a:<id>`` for a chat that was opened without a word,
  ``d:<id>`` for one that was taken back, ``moved:<id>`` for a new number or name;
- ``e:<id>:<time>`` for an edit, in case an edited message keeps its id;
- ``s:<id>:<status>`` for what became of a message of ours, ``c:<id>`` for the consent that a failure tells of;
- ``echo:<id>`` for what somebody wrote in the app on the phone of the business;
- ``p:<person>:<category>:<value>:<time>`` for a preference;
- ``n:<field>:<time>:<hash>`` for a notice about an account, which has no id.

A person is known by the business-scoped user id wherever there is one, and by the phone number (with ``+``) else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Literal, TypeVar

import msgspec

from channels._meta.batches import Misfit, parse_batch
from channels.mending import misfit_of
from channels.whatsapp.codes import Meaning, Never, Operator, meaning_of
from channels.whatsapp.content import parts_of
from channels.whatsapp.notices import NOTICES, noticed
from channels.whatsapp.settings import WhatsAppSettings
from channels.whatsapp.wire import (
    Advertisement,
    Change,
    Entry,
    ErrorItem,
    Message,
    Person,
    Preference,
    StatusItem,
    Traffic,
    decode_notice,
    decode_traffic,
    decode_webhook,
)
from gateway.core.errors import GiveUpReason
from gateway.core.inbound import (
    AccountNoticed,
    AddressKey,
    AddressMoved,
    Arrived,
    ConsentChanged,
    Deleted,
    Echoed,
    Edited,
    Ignored,
    Origin,
    Parsed,
    Profile,
    Reacted,
    Receipt,
    Received,
)

_T = TypeVar("_T")

LEVELS = (
    frozenset({"entry"}),
    frozenset({"changes"}),
    frozenset({"value"}),
    frozenset({"messages", "statuses", "message_echoes", "user_preferences"}),
)
"""Where a webhook's events lie, from the outside in."""

TRAFFIC_FIELDS = frozenset({"messages", "smb_message_echoes", "user_preferences"})

UNUSED_FIELDS = frozenset(
    {
        "account_settings_update", "automatic_events", "business_capability_update", "business_status_update",
        "business_username_update", "calls", "flows", "group_lifecycle_update", "group_participants_update",
        "group_settings_update", "group_status_update", "history", "messaging_handovers", "partner_solutions",
        "payment_configuration_update", "smb_app_state_sync", "template_correct_category_detection",
        "tracking_events",
    }
)  # fmt: skip
"""Kinds of notice that we know and do not use."""

OTHER_STATUSES = frozenset({"deleted", "warning", "pending", "accepted", "held_for_quality_assessment", "paused"})
_STATUSES: dict[str, Literal["sent", "delivered", "read", "failed"]] = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "read",
    "played": "read",
    "failed": "failed",
}

_PREFERENCES = {"stop": False, "resume": True, "signup": True}


def parse(settings: WhatsAppSettings, body: bytes, received_at: datetime) -> list[Parsed]:
    """All events of a webhook, in its order. Raises ``BadPayload`` when *body* is not a JSON object at all.

    *received_at* dates what comes without a time. An event that is not understood is an ``Unparsed`` whose raw is the
    webhook with nothing but that event in it.
    """
    return parse_batch(body, lambda raw: _read(settings, raw, received_at), LEVELS)


def _read(settings: WhatsAppSettings, body: bytes, received_at: datetime) -> list[Parsed]:
    """Raises ``Misfit`` or ``ValidationError`` at the first thing that is not understood."""
    webhook = decode_webhook(body)
    if webhook.object != "whatsapp_business_account":
        raise Misfit("a webhook of another product of Meta's", "$.object")
    events: list[Parsed] = []
    for entry in webhook.entry:
        for change in entry.changes:
            if change.field in TRAFFIC_FIELDS:
                events.extend(_traffic(_decoded(decode_traffic, change.value), change.value, entry.time, received_at))
            elif change.field in NOTICES:
                events.append(_notice(settings, entry, change, received_at))
            elif change.field in UNUSED_FIELDS:
                events.append(Ignored(change.field))
            else:
                raise Misfit("a kind of notice that nobody knows", "$.entry[...].changes[...].field")
    return events or [Ignored("empty")]


def _notice(settings: WhatsAppSettings, entry: Entry, change: Change, received_at: datetime) -> AccountNoticed:
    notice = _decoded(decode_notice, change.value)
    at = _moment(entry.time, "$.entry[...].time") if entry.time else received_at
    account = settings.concerned(str(entry.id), notice.display_phone_number or notice.phone_number)
    return noticed(change.field, notice, account, f"n:{change.field}:{entry.time}:{_digest(change.value)}", at)


def _decoded(decode: Callable[[msgspec.Raw], _T], value: msgspec.Raw) -> _T:
    try:
        return decode(value)
    except msgspec.ValidationError as error:
        reason, path = misfit_of(error)
        raise Misfit(reason, f"$.entry[...].changes[...].value{path.removeprefix('$')}") from None


def _digest(value: msgspec.Raw) -> str:
    return hashlib.blake2b(bytes(value), digest_size=12).hexdigest()


def _traffic(traffic: Traffic, value: msgspec.Raw, time: int, received_at: datetime) -> Iterator[Parsed]:
    account = traffic.metadata.phone_number_id
    for message in traffic.messages:
        yield _message(account, traffic.contacts, message)
    for status in traffic.statuses:
        yield from _status(account, status)
    for echo in traffic.message_echoes:
        yield _echo(account, traffic.contacts, echo)
    for preference in traffic.user_preferences:
        yield _preference(account, traffic.contacts, preference)
    if traffic.errors and not (traffic.messages or traffic.statuses):
        at = _moment(time, "$.entry[...].time") if time else received_at
        yield _complaint(account, traffic.errors[0], f"n:error:{time}:{_digest(value)}", at)


def _moment(time: int | str, path: str) -> datetime:
    try:
        return datetime.fromtimestamp(int(time), UTC)
    except (ValueError, OverflowError, OSError):
        raise Misfit("no time", path) from None


# ---------------------------------------------------------------- people


_MESSAGE = "$.entry[...].changes[...].value.messages[...]"
_STATUS = "$.entry[...].changes[...].value.statuses[...]"
_ECHO = "$.entry[...].changes[...].value.message_echoes[...]"
_PREFERENCE = "$.entry[...].changes[...].value.user_preferences[...]"


def phone_key(wa_id: str) -> AddressKey:
    """WhatsApp writes numbers without the ``+`` that everybody else writes."""
    return AddressKey("phone", wa_id if wa_id.startswith("+") else f"+{wa_id}")


def _address(user_id: str, phone: str, path: str) -> tuple[AddressKey, tuple[AddressKey, ...]]:
    """The name that lasts, and the phone number beside it. Raises ``Misfit`` when nobody is named."""
    if user_id:
        return AddressKey("bsuid", user_id), (phone_key(phone),) if phone else ()
    if phone:
        return phone_key(phone), ()
    raise Misfit("it is of nobody", path)


def _contact(contacts: Sequence[Person], user_id: str, phone: str) -> Person | None:
    """Who of *contacts* that is; their order means nothing."""
    for person in contacts:
        if (user_id and person.user_id == user_id) or (phone and person.wa_id == phone):
            return person
    if len(contacts) == 1 and not (user_id or phone):
        return contacts[0]
    return None


def _profile(person: Person | None) -> Profile:
    if person is None or person.profile is None:
        return Profile()
    return Profile(person.profile.name, person.profile.username.removeprefix("@"))


# ---------------------------------------------------------------- messages


def _message(account: str, contacts: Sequence[Person], message: Message) -> Parsed:
    at = _moment(message.timestamp, f"{_MESSAGE}.timestamp")
    match message.type:
        case "reaction" if message.reaction is not None:
            return Reacted(
                account=account,
                event_key=f"r:{message.id}",
                at=at,
                provider_message_id=message.reaction.message_id,
                emojis=(message.reaction.emoji,) if message.reaction.emoji else (),
            )
        case "edit" if message.edit is not None and message.edit.message is not None:
            return Edited(
                account=account,
                event_key=f"e:{message.id}:{message.timestamp}",
                at=at,
                provider_message_id=message.edit.original_message_id,
                parts=parts_of(message.edit.message, f"{_MESSAGE}.edit.message"),
            )
        case "revoke" if message.revoke is not None:
            return Deleted(
                account=account,
                event_key=f"d:{message.id}",
                at=at,
                provider_message_id=message.revoke.original_message_id,
            )
        case "system":
            return _system(account, message, at)
        case _:
            return _received(account, contacts, message, at)


def _received(account: str, contacts: Sequence[Person], message: Message, at: datetime) -> Parsed:
    interactive = message.interactive
    if interactive is not None and interactive.call_permission_reply is not None:
        return Ignored("call_permission_reply")
    person = _contact(contacts, message.from_user_id, message.sender)
    phone, user_id = message.sender, message.from_user_id
    if person is not None:
        phone, user_id = phone or person.wa_id, user_id or person.user_id
    address, aliases = _address(user_id, phone, _MESSAGE)
    if message.group_id:
        address, aliases = AddressKey("group", message.group_id), ()
    if message.type == "request_welcome":
        key = f"a:{message.id}"
        return Arrived(account=account, event_key=key, at=at, address=address, origin=_origin(message))
    parts = parts_of(message, _MESSAGE)
    return Received(
        account=account,
        event_key=f"m:{message.id}",
        at=at,
        address=address,
        aliases=aliases,
        provider_message_id=message.id,
        parts=parts,
        profile=_profile(person),
        reply_to=message.context.id if message.context is not None and message.type not in _PRESSES else "",
        origin=_origin(message) if message.referral is not None or message.context is not None else None,
        acknowledge=message.id,
    )


_PRESSES = frozenset({"interactive", "button"})
"""Their context is the question, which the selection names itself."""


def _origin(message: Message) -> Origin | None:
    if message.referral is not None:
        return _advertised(message.referral)
    product = message.context.referred_product if message.context is not None else None
    if product is None:
        return None
    return Origin(kind="product", id=str(product.product_retailer_id), title=str(product.catalog_id))


def _advertised(referral: Advertisement) -> Origin:
    return Origin(
        kind=referral.source_type or "ad",
        id=referral.source_id,
        url=referral.source_url,
        title=referral.headline,
        text=referral.body,
        media_url=referral.image_url or referral.video_url or referral.thumbnail_url,
        click_id=referral.ctwa_clid,
    )


def _system(account: str, message: Message, at: datetime) -> Parsed:
    """A person has a new number, or a new user id, which lasts longer and so goes before the number."""
    note = message.system
    kind = note.type if note is not None else ""
    if kind in {"customer_identity_changed", "user_identity_changed"}:
        return Ignored("identity_changed")
    if note is None or kind not in {"user_changed_number", "customer_changed_number", "user_changed_user_id"}:
        raise Misfit("a note of the app's that nobody knows", f"{_MESSAGE}.system.type")
    number = message.sender or note.customer
    before, _ = _address(message.from_user_id, number, _MESSAGE)
    after, _ = _address(note.user_id, note.wa_id or note.new_wa_id, f"{_MESSAGE}.system")
    if before == after and number:
        before = phone_key(number)
    if before == after:
        return Ignored("address_unchanged")
    return AddressMoved(account=account, event_key=f"moved:{message.id}", at=at, address=before, alias=after)


# ---------------------------------------------------------------- what became of ours


def _status(account: str, status: StatusItem) -> Iterator[Parsed]:
    known = _STATUSES.get(status.status)
    if known is None:
        if status.status not in OTHER_STATUSES:
            raise Misfit("a status that nobody knows", f"{_STATUS}.status")
        yield Ignored(f"status_{status.status}")
        return
    at = _moment(status.timestamp, f"{_STATUS}.timestamp")
    is_person = status.recipient_type != "group"
    error = status.errors[0] if status.errors and known == "failed" else None
    meaning = meaning_of(error.code) if error is not None else None
    yield Receipt(
        account=account,
        event_key=f"s:{status.id}:{status.status}",
        at=at,
        provider_message_id=status.id,
        status=known,
        reason=_words(error) if error is not None else "",
        code=str(error.code) if error is not None else "",
        meaning=_about(meaning, is_person=is_person),
        our_ref=status.biz_opaque_callback_data,
    )
    is_named = is_person and bool(status.recipient_user_id or status.recipient_id)
    if is_named and isinstance(meaning, Never) and meaning.scope == "marketing":
        yield ConsentChanged(
            account=account,
            event_key=f"c:{status.id}",
            at=at,
            address=_address(status.recipient_user_id, status.recipient_id, _STATUS)[0],
            is_opted_in=False,
            reason="stop",
            scope="marketing",
        )


def _about(meaning: Meaning | None, *, is_person: bool) -> GiveUpReason | Literal[""]:
    """What a failure says beyond its message: about the person (nothing, when it is one of a group), or about us."""
    match meaning:
        case Operator():
            return "misconfigured"
        case Never(reason, "person") if is_person:
            return reason
        case _:
            return ""


def _words(error: ErrorItem) -> str:
    """The title and, where they say more, the details."""
    title = error.title or error.message
    details = error.error_data.details if error.error_data is not None else ""
    return ": ".join(filter(None, (title, details if details != title else "")))[:1000]


def _complaint(account: str, error: ErrorItem, key: str, at: datetime) -> AccountNoticed:
    """An error that belongs to no message."""
    detail = _words(error)
    return AccountNoticed(
        account=account, event_key=key, at=at, kind="error", state=str(error.code), detail=detail, is_bad=True
    )


# ---------------------------------------------------------------- said elsewhere


def _echo(account: str, contacts: Sequence[Person], echo: Message) -> Parsed:
    """What somebody wrote to a customer with the app on the phone of the business."""
    if echo.type in {"edit", "revoke", "reaction", "system"}:
        return Ignored(f"echo_{echo.type}")
    person = _contact(contacts, echo.to_user_id, echo.to)
    user_id = echo.to_user_id or (person.user_id if person is not None else "")
    address, aliases = _address(user_id, echo.to, _ECHO)
    if echo.group_id:
        address, aliases = AddressKey("group", echo.group_id), ()
    return Echoed(
        account=account,
        event_key=f"echo:{echo.id}",
        at=_moment(echo.timestamp, f"{_ECHO}.timestamp"),
        address=address,
        aliases=aliases,
        provider_message_id=echo.id,
        parts=parts_of(echo, _ECHO),
        by="agent",
    )


def _preference(account: str, contacts: Sequence[Person], preference: Preference) -> Parsed:
    if preference.category != "marketing_messages":
        return Ignored("user_preference_other")
    is_opted_in = _PREFERENCES.get(preference.value)
    if is_opted_in is None:
        raise Misfit("a wish that nobody knows", f"{_PREFERENCE}.value")
    person = _contact(contacts, preference.user_id, preference.wa_id)
    user_id = preference.user_id or (person.user_id if person is not None else "")
    address, _ = _address(user_id, preference.wa_id, _PREFERENCE)
    return ConsentChanged(
        account=account,
        event_key=f"p:{address.value}:{preference.category}:{preference.value}:{preference.timestamp}",
        at=_moment(preference.timestamp, f"{_PREFERENCE}.timestamp"),
        address=address,
        is_opted_in=is_opted_in,
        reason=preference.value,
        scope="marketing",
    )
