"""Turns webhooks of the Messenger Platform into our words. Pure: the same bytes give the same events.

How events are keyed (each key is unique on one account for ever, and the same at every redelivery):

- ``m:<mid>`` a message, ``echo:<mid>`` what was said in the account's name, ``m:<mid>:deleted`` a message taken back;
- ``p:<mid>`` a press; without a mid ``p:<sender>:<time>:<payload>``;
- ``e:<mid>:<number>`` an edit, ``r:<sender>:<mid>:<action>:<time>`` a reaction;
- ``d:<mid>`` and ``s:<mid>`` a message delivered or seen, ``<sender>:delivery:<watermark>`` and
  ``<sender>:read:<watermark>`` all of them up to a time;
- ``ref:``, ``opt:``, ``arr:``, ``ctl:`` with the sender and the time for what has no id of its own;
- ``standby:<key>`` that a message came while somebody else had the thread.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

import msgspec

from channels._meta.batches import Misfit, parse_batch, require_storable
from channels._meta.messaging.contents import origin_of, parts_of, referred
from channels._meta.messaging.dialect import Dialect
from channels._meta.messaging.settings import MessagingSettings
from channels._meta.messaging.wire import (
    IGNORED_KINDS,
    NOTHING,
    Delivery,
    Edit,
    Handover,
    Item,
    Message,
    OptIn,
    Party,
    Policy,
    Postback,
    Reaction,
    Read,
    Referral,
    decode_fields,
    decode_test_item,
    decode_webhook,
)
from gateway.core.inbound import (
    AccountNoticed,
    AddressKey,
    Arrived,
    ConsentChanged,
    ControlMoved,
    Deleted,
    Echoed,
    Edited,
    Ignored,
    Origin,
    Parsed,
    Reacted,
    Receipt,
    Received,
    SeenUpTo,
)
from gateway.core.messages import Selection, Text

LEVELS = (frozenset({"entry"}), frozenset({"messaging", "standby", "changes"}))
OWN_MARK = "tertulia:"
"""How the metadata of our own messages begins; our id of the message follows."""

GUEST = "user_ref:"
"""How the address of a guest begins, who has no id yet."""

_OTHER_OBJECTS = frozenset(
    {"user", "permissions", "application", "page_feed", "ad_account", "certificate_transparency"}
)
_ITEM_FIELDS = frozenset(
    {"messages", "messaging_postbacks", "message_reactions", "messaging_referral", "messaging_seen"}
)
_EMOJIS = {
    "love": "❤",
    "like": "👍",
    "dislike": "👎",
    "smile": "😆",
    "haha": "😆",
    "wow": "😮",
    "sad": "😢",
    "angry": "😡",
}
_POLICIES = {"block": "restricted", "unblock": "restored", "warning": "policy_warning"}


def parse(dialect: Dialect, settings: MessagingSettings, body: bytes) -> list[Parsed]:
    """All events of a webhook, in its order. Raises ``BadPayload`` only when it is no JSON object."""
    return parse_batch(body, lambda piece: _Reader(dialect, settings).read(piece), LEVELS)


class _Place(msgspec.Struct, gc=False):
    """Where an item stands: its account, the time of its batch, whether somebody else has the thread."""

    account: str
    time_ms: int
    is_standby: bool = False


class _Reader:
    """Reads one body. Raises ``Misfit`` or ``ValidationError`` at the first thing that it does not understand."""

    def __init__(self, dialect: Dialect, settings: MessagingSettings) -> None:
        self._dialect = dialect
        self._app_id = settings.app_id
        self._marks_seen = settings.marks_seen
        self._at = "$"

    def read(self, body: bytes) -> list[Parsed]:
        webhook = decode_webhook(body)
        if webhook.object != self._dialect.object:
            return [_foreign(webhook.object)]
        events: list[Parsed] = []
        for entry in webhook.entry:
            place = _Place(str(entry.id), _milliseconds(entry.time))
            for item in entry.messaging:
                self._at = "$.entry[0].messaging[0]"
                events += self._item(item, place, body)
            for item in entry.standby:
                self._at = "$.entry[0].standby[0]"
                events += self._item(item, msgspec.structs.replace(place, is_standby=True), body)
            for change in entry.changes:
                self._at = "$.entry[0].changes[0].value"
                events += self._change(change.field, bytes(change.value), place)
        if not events:
            raise Misfit("a webhook without an event")
        return events

    def _change(self, field: str, value: bytes, place: _Place) -> list[Parsed]:
        if field in _ITEM_FIELDS:
            return self._item(decode_test_item(value), place, value)
        return [Ignored(f"change_{field[:64]}")]

    # ------------------------------------------------------------ kinds of item

    def _item(self, item: Item, place: _Place, body: bytes) -> list[Parsed]:  # noqa: C901  one case for each kind
        if item.message is not None:
            return self._message(item, item.message, place)
        if item.postback is not None:
            return self._postback(item, item.postback, place)
        if item.delivery is not None:
            return self._delivery(item, item.delivery, place)
        if item.read is not None:
            return self._read(item, item.read, place)
        if item.reaction is not None:
            return self._reaction(item, item.reaction, place)
        if item.message_edit is not None:
            return self._edit(item, item.message_edit, place)
        if item.referral is not None:
            return self._referral(item, item.referral, place)
        if item.optin is not None:
            return self._optin(item, item.optin, place)
        if item.pass_thread_control is not None:
            return self._handover(item, item.pass_thread_control, place, is_passed=True)
        if item.take_thread_control is not None:
            return self._handover(item, item.take_thread_control, place, is_passed=False)
        if item.policy is not None:
            return self._policy(item, item.policy, place)
        return self._other(item, body)

    def _other(self, item: Item, body: bytes) -> list[Parsed]:
        for kind in IGNORED_KINDS:
            if getattr(item, kind) is not NOTHING:
                return [Ignored(kind)]
        raise Misfit("an event of an unknown kind", f"{self._at}{_unknown_name(body)}")

    def _message(self, item: Item, message: Message, place: _Place) -> list[Parsed]:
        at = self._moment(item, place)
        if message.is_echo or _name(item.sender) == place.account:
            return self._echo(item, message, place, at)
        if message.is_deleted:
            key = f"m:{message.mid}:deleted"
            return [Deleted(account=place.account, event_key=key, at=at, provider_message_id=message.mid)]
        address = self._address(item.sender)
        key = f"m:{message.mid}"
        referral, origin = origin_of(message)
        received = Received(
            account=place.account,
            event_key=key,
            at=at,
            address=address,
            aliases=_guest_alias(item),
            provider_message_id=message.mid,
            parts=parts_of(message, self._at),
            reply_to=(message.reply_to.mid or "") if message.reply_to is not None else "",
            referral=referral,
            origin=origin,
            acknowledge=address.value if self._marks_seen else "",
        )
        return self._heard(received, place)

    def _heard(self, received: Received, place: _Place) -> list[Parsed]:
        """A message, after the word that somebody else has the thread when that is so."""
        if not place.is_standby:
            return [received]
        elsewhere = ControlMoved(
            account=place.account,
            event_key=f"standby:{received.event_key}",
            at=received.at,
            address=received.address,
            to="elsewhere",
            reason="standby",
        )
        return [elsewhere, msgspec.structs.replace(received, acknowledge="")]

    def _echo(self, item: Item, message: Message, place: _Place, at: datetime) -> list[Parsed]:
        if message.is_deleted:
            return [Ignored("echo_deleted")]
        our_ref = _our_ref(message.metadata or "")
        app_id = "" if message.app_id is None else str(message.app_id)
        if our_ref and self._app_id and app_id and app_id != self._app_id:
            our_ref = ""
        is_ours = bool(our_ref) or (app_id != "" and app_id == self._app_id)
        is_agent = app_id in {"", "0"} or app_id in self._dialect.agent_apps
        speaker: Literal["us", "agent", "app"] = "us" if is_ours else "agent" if is_agent else "app"
        echoed = Echoed(
            account=place.account,
            event_key=f"echo:{message.mid}",
            at=at,
            address=self._address(item.recipient),
            provider_message_id=message.mid,
            parts=parts_of(message, self._at, is_echo=True),
            by=speaker,
            our_ref=our_ref,
            name=app_id if speaker == "app" else "",
        )
        return [echoed]

    def _postback(self, item: Item, postback: Postback, place: _Place) -> list[Parsed]:
        at = self._moment(item, place)
        address = self._address(item.sender)
        value = require_storable(postback.payload or postback.title or "", f"{self._at}.postback.payload")
        key = f"p:{postback.mid[:280] if postback.mid else _press_of(address, _stamp(item, place), value)}"
        referral, origin = referred(postback.referral)
        received = Received(
            account=place.account,
            event_key=key,
            at=at,
            address=address,
            provider_message_id=postback.mid or key,
            parts=(Selection(value=value, label=require_storable(postback.title or "", f"{self._at}.postback.title")),),
            referral=referral,
            origin=origin,
            acknowledge=address.value if self._marks_seen else "",
        )
        return self._heard(received, place)

    def _delivery(self, item: Item, delivery: Delivery, place: _Place) -> list[Parsed]:
        at = _when(item.timestamp or delivery.watermark or place.time_ms, self._at)
        events: list[Parsed] = [
            Receipt(account=place.account, event_key=f"d:{mid}", at=at, provider_message_id=mid, status="delivered")
            for mid in delivery.mids or ()
        ]
        if delivery.watermark is not None:
            address = self._address(item.sender)
            events.append(
                SeenUpTo(
                    account=place.account,
                    event_key=f"{address.value}:delivery:{delivery.watermark}",
                    at=at,
                    address=address,
                    up_to=_when(delivery.watermark, self._at),
                    status="delivered",
                )
            )
        if not events:
            raise Misfit("a delivery of nothing", f"{self._at}.delivery")
        return events

    def _read(self, item: Item, read: Read, place: _Place) -> list[Parsed]:
        at = _when(item.timestamp or read.watermark or place.time_ms, self._at)
        if read.mid is not None:
            seen = Receipt(
                account=place.account, event_key=f"s:{read.mid}", at=at, provider_message_id=read.mid, status="read"
            )
            return [seen]
        if read.watermark is None:
            raise Misfit("neither watermark nor mid", f"{self._at}.read")
        address = self._address(item.sender)
        up_to = SeenUpTo(
            account=place.account,
            event_key=f"{address.value}:read:{read.watermark}",
            at=at,
            address=address,
            up_to=_when(read.watermark, self._at),
            status="read",
        )
        return [up_to]

    def _reaction(self, item: Item, reaction: Reaction, place: _Place) -> list[Parsed]:
        sender = _name(item.sender)
        if sender == place.account:
            return [Ignored("own_reaction")]
        if reaction.action not in {"react", "unreact"}:
            raise Misfit("neither react nor unreact", f"{self._at}.reaction.action")
        emoji = reaction.emoji or _EMOJIS.get(reaction.reaction or "") or reaction.reaction or "👍"
        reacted = Reacted(
            account=place.account,
            event_key=f"r:{sender}:{reaction.mid}:{reaction.action}:{_stamp(item, place)}",
            at=self._moment(item, place),
            provider_message_id=reaction.mid,
            emojis=(emoji[:64],) if reaction.action == "react" else (),
        )
        return [reacted]

    def _edit(self, item: Item, edit: Edit, place: _Place) -> list[Parsed]:
        """Without consent Instagram tells of an edit but not what it says: there is nothing to change then."""
        if edit.text is None:
            return [Ignored("message_edit_without_text")]
        if _name(item.sender) == place.account:
            return [Ignored("own_edit")]
        number = str(edit.num_edit if edit.num_edit is not None else _stamp(item, place))
        edited = Edited(
            account=place.account,
            event_key=f"e:{edit.mid}:{number[:20]}",
            at=self._moment(item, place),
            provider_message_id=edit.mid,
            parts=(Text(require_storable(edit.text, f"{self._at}.message_edit.text")),),
        )
        return [edited]

    def _referral(self, item: Item, given: Referral, place: _Place) -> list[Parsed]:
        referral, origin = referred(given)
        address = self._address(item.sender)
        arrived = Arrived(
            account=place.account,
            event_key=f"ref:{address.value}:{_stamp(item, place)}",
            at=self._moment(item, place),
            address=address,
            referral=referral,
            origin=origin,
        )
        return [arrived]

    def _optin(self, item: Item, optin: OptIn, place: _Place) -> list[Parsed]:
        """A plugin's button lets us in and brings the person here; notification messages concern marketing only."""
        at = self._moment(item, place)
        sender = item.sender or Party(user_ref=optin.user_ref or "")
        address = self._address(Party(user_ref=optin.user_ref) if optin.user_ref and not sender.id else sender)
        subject = f"{address.value}:{_stamp(item, place)}"
        status = optin.notification_messages_status or ""
        if optin.type == "notification_messages" or status:
            is_opted_in = status != "STOP_NOTIFICATIONS"
            consent = ConsentChanged(
                account=place.account,
                event_key=f"opt:{subject}:{status.lower()[:40]}",
                at=at,
                address=address,
                is_opted_in=is_opted_in,
                reason=status.lower()[:64] or "notification_messages",
                scope="marketing",
            )
            return [consent]
        let_in = ConsentChanged(
            account=place.account,
            event_key=f"opt:{subject}",
            at=at,
            address=address,
            is_opted_in=True,
            reason=f"optin_{optin.type[:40]}" if optin.type else "optin",
        )
        arrived = Arrived(
            account=place.account,
            event_key=f"arr:{subject}",
            at=at,
            address=address,
            referral=optin.ref or optin.payload or "",
            origin=Origin(kind="plugin"),
        )
        return [let_in, arrived]

    def _handover(self, item: Item, handover: Handover, place: _Place, *, is_passed: bool) -> list[Parsed]:
        """Without ``app_id`` in the settings: who is told of a pass got the thread, who is told of a taking lost it."""
        owner = "" if handover.new_owner_app_id is None else str(handover.new_owner_app_id)
        is_to_us = owner == self._app_id if owner and self._app_id else is_passed
        person = item.recipient if _name(item.sender) == place.account else item.sender
        address = self._address(person)
        kind = "pass" if is_passed else "take"
        moved = ControlMoved(
            account=place.account,
            event_key=f"ctl:{address.value}:{kind}:{_stamp(item, place)}:{owner}",
            at=self._moment(item, place),
            address=address,
            to="us" if is_to_us else "elsewhere",
            reason=require_storable(handover.metadata or "", self._at) or f"{kind}_thread_control",
            name=owner,
        )
        return [moved]

    def _policy(self, item: Item, policy: Policy, place: _Place) -> list[Parsed]:
        noticed = AccountNoticed(
            account=place.account,
            event_key=f"pol:{policy.action[:40]}:{_stamp(item, place)}",
            at=self._moment(item, place),
            kind=_POLICIES.get(policy.action, policy.action[:64]),
            subject="messaging",
            state=policy.action[:64],
            detail=require_storable(policy.reason or "", f"{self._at}.policy-enforcement.reason"),
            is_bad=policy.action != "unblock",
        )
        return [noticed]

    # ------------------------------------------------------------ who and when

    def _address(self, party: Party | None) -> AddressKey:
        if party is not None and party.id != "":
            return AddressKey(self._dialect.address_kind, str(party.id)[:128])
        if party is not None and party.user_ref:
            return AddressKey("user_ref", f"{GUEST}{party.user_ref[:128]}")
        raise Misfit("nobody is named", f"{self._at}.sender")

    def _moment(self, item: Item, place: _Place) -> datetime:
        return _when(_stamp(item, place), self._at)


# ---------------------------------------------------------------- small things


def _foreign(kind: str) -> Parsed:
    if kind in _OTHER_OBJECTS:
        return Ignored(f"object_{kind}")
    raise Misfit("the webhook of another of Meta's platforms", "$.object")


def _name(party: Party | None) -> str:
    return "" if party is None else str(party.id)


def _guest_alias(item: Item) -> tuple[AddressKey, ...]:
    prior = item.prior_message
    if prior is None or not prior.identifier:
        return ()
    return (AddressKey("user_ref", f"{GUEST}{prior.identifier[:128]}"),)


def _our_ref(metadata: str) -> str:
    if not metadata.startswith(OWN_MARK):
        return ""
    try:
        return str(UUID(metadata[len(OWN_MARK) :].partition("#")[0]))
    except ValueError:
        return ""


def _stamp(item: Item, place: _Place) -> int:
    return _milliseconds(item.timestamp) if item.timestamp is not None else place.time_ms


def _when(stamp_ms: int, path: str) -> datetime:
    if stamp_ms <= 0:
        raise Misfit("no time", f"{path}.timestamp")
    return datetime.fromtimestamp(stamp_ms / 1000, UTC)


def _milliseconds(time: int) -> int:
    """Some times are seconds."""
    scaled = time * 1000 if time < 100_000_000_000 else time
    return scaled if 0 <= scaled <= 253_402_300_799_000 else 0


def _press_of(address: AddressKey, stamp_ms: int, value: str) -> str:
    return f"{address.value}:{stamp_ms}:{hashlib.blake2b(value.encode(), digest_size=8).hexdigest()}"


def _unknown_name(body: bytes) -> str:
    """The name of what an item is about, when *body* holds nothing but that item."""
    try:
        fields = decode_fields(body)
        for levels in (("entry",), ("messaging", "standby")):
            fields = next((_FIRST(bytes(fields[level]))[0] for level in levels if level in fields), fields)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, IndexError):
        return ""
    known = {"sender", "recipient", "timestamp"}
    return next((f".{name[:64]}" for name in fields if name not in known), "")


_FIRST: Callable[[bytes], list[dict[str, msgspec.Raw]]] = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode
