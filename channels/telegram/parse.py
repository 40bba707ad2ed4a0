"""Turns one update into our words. Pure: the same bytes at the same moment give the same events.

How events are keyed (each key is unique on one bot for ever, and the same at every redelivery):

- ``m:<chat>:<message>`` for a message: its number is unique in its chat and is never used again;
- ``cb:<callback query>`` for a press;
- ``e:`` (edit), ``r:`` (reaction) and ``c:`` (block or unblock) with the chat, the message and the update's number,
  because the same message may be edited or reacted to many times, even within one second.

The update's number alone would not do: after a week of silence it begins again at random.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from channels.mending import mended, unparsed
from channels.telegram.settings import UPDATE_KINDS, USED_KINDS, TelegramSettings
from channels.telegram.wire import (
    CallbackQuery,
    ChatMemberUpdated,
    Entity,
    File,
    Message,
    MessageReaction,
    RepliedTo,
    Update,
    User,
    decode_fields,
    decode_update,
)
from gateway.core.errors import BadPayload
from gateway.core.inbound import (
    AddressKey,
    AddressMoved,
    ConsentChanged,
    Edited,
    Ignored,
    Parsed,
    Profile,
    Reacted,
    Received,
    Unparsed,
)
from gateway.core.messages import (
    MAX_TEXT_CHARS,
    AnyPart,
    ContactCard,
    Location,
    Media,
    MediaKind,
    Parts,
    Selection,
    Text,
    Unsupported,
)

UNSUPPORTED_CONTENT = frozenset(
    {
        "dice", "poll", "game", "invoice", "story", "checklist", "paid_media", "giveaway", "giveaway_winners",
        "gift", "unique_gift", "successful_payment", "refunded_payment", "users_shared", "chat_shared", "passport_data",
    }
)  # fmt: skip
"""What a person sent or did on purpose, and no part describes: the agent sees its name."""

SERVICE_CONTENT = frozenset(
    {
        "new_chat_members", "left_chat_member", "new_chat_title", "new_chat_photo", "delete_chat_photo",
        "group_chat_created", "supergroup_chat_created", "channel_chat_created", "message_auto_delete_timer_changed",
        "migrate_from_chat_id", "pinned_message", "connected_website", "write_access_allowed",
        "proximity_alert_triggered", "boost_added", "chat_background_set", "forum_topic_created", "forum_topic_edited",
        "forum_topic_closed", "forum_topic_reopened", "general_forum_topic_hidden", "general_forum_topic_unhidden",
        "giveaway_created", "giveaway_completed", "video_chat_scheduled", "video_chat_started", "video_chat_ended",
        "video_chat_participants_invited", "paid_message_price_changed", "direct_message_price_changed",
        "checklist_tasks_done", "checklist_tasks_added", "suggested_post_approved", "suggested_post_approval_failed",
        "suggested_post_declined", "suggested_post_paid", "suggested_post_refunded", "chat_owner_left",
        "chat_owner_changed", "gift_upgrade_sent",
    }
)  # fmt: skip
"""What the app itself notes in a chat; nobody expects an answer to it."""

_MEMBER_STATUSES = frozenset({"creator", "administrator", "member", "restricted", "left", "kicked"})

_SPACE = " ".encode("utf-16-le")


class _Misfit(Exception):
    """The update is of no shape that we know."""

    def __init__(self, reason: str, path: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = path


def parse(settings: TelegramSettings, body: bytes, received_at: datetime) -> list[Parsed]:
    """The one event of an update. Raises ``BadPayload`` when *body* is not a JSON object at all.

    What is a JSON object but not an update that we understand becomes ``Unparsed`` with the place of the fault.
    *received_at* dates a press, for which Telegram gives no time. A NUL character, which no database takes, and
    half a surrogate pair become U+FFFD.
    """
    try:
        update = _decode(body)
        return [_event(settings, update, body, received_at)]
    except msgspec.ValidationError as error:
        return [unparsed(body, error)]
    except _Misfit as misfit:
        return [Unparsed(raw=body, reason=misfit.reason, path=misfit.path)]


def _decode(body: bytes) -> Update:
    """Raises ``BadPayload``, or ``ValidationError`` for a JSON object of another shape."""
    if b"\\u0000" in body:
        body = mended(body)
    try:
        return decode_update(body)
    except msgspec.ValidationError:
        _require_object(body)
        raise
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return decode_update(mended(body))


def _require_object(body: bytes) -> None:
    try:
        decode_fields(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadPayload(f"not a JSON object ({type(error).__name__})") from None


def _fields(raw: bytes) -> dict[str, msgspec.Raw]:
    """The fields of a JSON object, whatever they hold. Raises ``BadPayload``."""
    try:
        return decode_fields(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return decode_fields(mended(raw))


# ---------------------------------------------------------------- kinds of update


def _event(settings: TelegramSettings, update: Update, body: bytes, received_at: datetime) -> Parsed:
    if update.message is not None:
        return _message(settings, update.message, body)
    if update.callback_query is not None:
        return _press(update.callback_query, received_at)
    if update.edited_message is not None:
        return _edit(settings, update.edited_message, update.update_id, body)
    if update.message_reaction is not None:
        return _reaction(update.message_reaction, update.update_id)
    if update.my_chat_member is not None:
        return _membership(update.my_chat_member, update.update_id)
    return _other_kind(body)


def _other_kind(body: bytes) -> Ignored:
    named = [key for key in _fields(body) if key != "update_id"]
    known = [key for key in named if key in UPDATE_KINDS]
    if known and known[0] in USED_KINDS:
        raise _Misfit("is null", f"$.{known[0]}")
    if known:
        return Ignored(known[0])
    if named:
        raise _Misfit("an update of an unknown kind", f"$.{named[0][:64]}")
    raise _Misfit("an update without content", "$")


def _message(settings: TelegramSettings, message: Message, body: bytes) -> Parsed:
    chat = message.chat
    if message.migrate_to_chat_id:
        return _migration(message)
    if chat.type == "channel":
        return Ignored("channel_message")
    if _is_of_a_bot(message):
        return Ignored("message_of_a_bot")
    is_private = chat.type == "private"
    if not is_private and not _is_addressed(settings, message):
        return _unaddressed(body)
    if not is_private:
        message = _without_address(settings, message)
    parts = _parts(message, body, "message")
    if not parts:
        return _service(body, "message") or Ignored("service_message")
    referral, parts = _start_payload(parts)
    return Received(
        event_key=f"m:{chat.id}:{message.message_id}",
        at=datetime.fromtimestamp(message.date, UTC),
        address=AddressKey("chat", str(chat.id)),
        provider_message_id=f"{chat.id}:{message.message_id}",
        parts=parts,
        profile=_profile(message.sender),
        reply_to=_reply_to(chat.id, message.reply_to_message),
        referral=referral or "",
        is_opt_in=referral is not None and is_private,
    )


def _is_of_a_bot(message: Message) -> bool:
    """A group's anonymous administrator seems to be a bot, and is told from one by ``sender_chat``."""
    return message.sender is not None and message.sender.is_bot and message.sender_chat is None


def _migration(message: Message) -> AddressMoved:
    return AddressMoved(
        event_key=f"m:{message.chat.id}:{message.message_id}",
        at=datetime.fromtimestamp(message.date, UTC),
        address=AddressKey("chat", str(message.chat.id)),
        alias=AddressKey("chat", str(message.migrate_to_chat_id)),
    )


def _edit(settings: TelegramSettings, message: Message, update_id: int, body: bytes) -> Parsed:
    chat = message.chat
    if _is_of_a_bot(message):
        return Ignored("message_of_a_bot")
    if chat.type != "private":
        if not _is_addressed(settings, message):
            return Ignored("group_message_not_addressed")
        message = _without_address(settings, message)
    parts = _parts(message, body, "edited_message")
    if not parts:
        return _service(body, "edited_message") or Ignored("service_message")
    return Edited(
        event_key=f"e:{chat.id}:{message.message_id}:{update_id}",
        at=datetime.fromtimestamp(message.edit_date or message.date, UTC),
        provider_message_id=f"{chat.id}:{message.message_id}",
        parts=_start_payload(parts)[1],
    )


def _press(query: CallbackQuery, received_at: datetime) -> Parsed:
    if query.message is None:
        return Ignored("press_on_an_inline_message")
    if query.data is None:
        return Ignored("press_on_a_game")
    chat_id = query.message.chat.id
    label = ""
    if query.message.reply_markup is not None:
        buttons = (button for row in query.message.reply_markup.inline_keyboard for button in row)
        label = next((button.text for button in buttons if button.callback_data == query.data), "")
    prompt = f"{chat_id}:{query.message.message_id}"
    return Received(
        event_key=f"cb:{query.id}",
        at=received_at,
        address=AddressKey("chat", str(chat_id)),
        provider_message_id=f"cb:{query.id}",
        parts=(Selection(value=query.data, label=label, of=prompt),),
        profile=_profile(query.sender),
        acknowledge=query.id,
    )


def _reaction(reaction: MessageReaction, update_id: int) -> Parsed:
    chat_id = reaction.chat.id
    if reaction.chat.type != "private":
        return Ignored("group_reaction")
    return Reacted(
        event_key=f"r:{chat_id}:{reaction.message_id}:{update_id}",
        at=datetime.fromtimestamp(reaction.date, UTC),
        provider_message_id=f"{chat_id}:{reaction.message_id}",
        emojis=tuple(
            found.emoji or (f"custom:{found.custom_emoji_id}" if found.custom_emoji_id else "⭐")
            for found in reaction.new_reaction
        ),
    )


def _membership(change: ChatMemberUpdated, update_id: int) -> Parsed:
    status = change.new_chat_member.status
    if change.chat.type != "private":
        return Ignored(f"group_bot_{status if status in _MEMBER_STATUSES else 'other'}")
    if status not in {"kicked", "member"}:
        return Ignored("private_bot_other")
    return ConsentChanged(
        event_key=f"c:{change.chat.id}:{update_id}:{status}",
        at=datetime.fromtimestamp(change.date, UTC),
        address=AddressKey("chat", str(change.chat.id)),
        is_opted_in=status == "member",
        reason="unblocked" if status == "member" else "blocked",
    )


def _profile(user: User | None) -> Profile:
    if user is None:
        return Profile()
    name = f"{user.first_name} {user.last_name}" if user.last_name else user.first_name
    return Profile(name, user.username, user.language_code)


def _reply_to(chat_id: int, replied: RepliedTo | None) -> str:
    return "" if replied is None else f"{chat_id}:{replied.message_id}"


def _start_payload(parts: Parts) -> tuple[str | None, Parts]:
    """The payload of a deep link (``None``: this is no /start), and the parts without it."""
    first = parts[0]
    if not isinstance(first, Text) or not first.text.startswith("/start"):
        return None, parts
    command, _, payload = first.text.partition(" ")
    if command != "/start":
        return None, parts
    return payload.strip(), (Text("/start"), *parts[1:])


# ---------------------------------------------------------------- groups


def _unaddressed(body: bytes) -> Ignored:
    return _service(body, "message") or Ignored("group_message_not_addressed")


def _service(body: bytes, kind: str) -> Ignored | None:
    """A message that the app itself wrote, by the name of what it notes."""
    fields = _fields(bytes(_fields(body)[kind]))
    return next((Ignored(f"service_{name}") for name in fields if name in SERVICE_CONTENT), None)


def _is_addressed(settings: TelegramSettings, message: Message) -> bool:
    replied = message.reply_to_message
    if replied is not None and replied.sender is not None and replied.sender.id == settings.bot_id:
        return True
    return any(_address_cut(settings, _said(message), entity) is not None for entity in _entities(message))


def _without_address(settings: TelegramSettings, message: Message) -> Message:
    """A group's message without the words that only call the bot, unless nothing else would be left."""
    said = _said(message)
    cuts = {_address_cut(settings, said, entity) for entity in _entities(message)} - {None}
    remaining = said.encode("utf-16-le")
    for start, end in sorted((cut for cut in cuts if cut is not None), reverse=True):
        before, after = remaining[: 2 * start], remaining[2 * end :]
        if after.startswith(_SPACE) and (not before or before.endswith(_SPACE)):
            after = after[2:]
        remaining = before + after
    text = remaining.decode("utf-16-le", "replace").strip()
    if not text or remaining.decode("utf-16-le", "replace") == said:
        return message
    if message.text is not None:
        return msgspec.structs.replace(message, text=text)
    return msgspec.structs.replace(message, caption=text)


def _said(message: Message) -> str:
    return message.text if message.text is not None else message.caption


def _entities(message: Message) -> tuple[Entity, ...]:
    return message.entities if message.text is not None else message.caption_entities


def _address_cut(settings: TelegramSettings, said: str, entity: Entity) -> tuple[int, int] | None:
    """What to take off because it only calls the bot, in UTF-16 units; ``None`` when the entity does not call it."""
    start, end = entity.offset, entity.offset + entity.length
    if entity.type == "text_mention" and entity.user is not None and entity.user.id == settings.bot_id:
        return start, end
    if entity.type not in {"mention", "bot_command"} or start < 0 or end < start:
        return None
    word = said.encode("utf-16-le")[2 * start : 2 * end].decode("utf-16-le", "replace")
    before, _, name = word.partition("@")
    is_ours = bool(settings.username) and name.lower() == settings.username.lower()
    if entity.type == "mention":
        return (start, end) if is_ours else None
    if not name:
        return end, end
    return (start + len(before), end) if is_ours else None


# ---------------------------------------------------------------- content


def _parts(message: Message, body: bytes, kind: str) -> Parts:
    """The message's content; empty when the app itself wrote it. Raises ``_Misfit`` for an unknown content."""
    if message.text is not None:
        _require_length(message.text, f"$.{kind}.text")
        return (Text(message.text),)
    _require_length(message.caption, f"$.{kind}.caption")
    for content in _CONTENTS:
        part = content(message)
        if part is not None:
            return (part,)
    return _other_content(body, kind)


def _require_length(text: str, path: str) -> None:
    if len(text) > MAX_TEXT_CHARS:
        raise _Misfit(f"longer than {MAX_TEXT_CHARS} characters", path)


def _other_content(body: bytes, kind: str) -> Parts:
    fields = _fields(bytes(_fields(body)[kind]))
    for name in fields:
        if name in UNSUPPORTED_CONTENT:
            return (Unsupported(name),)
    if any(name in SERVICE_CONTENT for name in fields):
        return ()
    raise _Misfit("a message without a content that we know", f"$.{kind}")


def _media(message: Message, kind: MediaKind, file: File, *, name: str = "", mime: str = "") -> Media:
    return Media(
        kind=kind,
        provider_ref=file.file_id,
        caption=message.caption,
        name=file.file_name or name,
        mime=file.mime_type or mime,
        size_bytes=max(0, file.file_size),
        unique_ref=file.file_unique_id,
        group=message.media_group_id,
    )


def _photo(message: Message) -> AnyPart | None:
    return _media(message, "image", message.photo[-1], mime="image/jpeg") if message.photo else None


def _animation(message: Message) -> AnyPart | None:
    return _media(message, "animation", message.animation) if message.animation else None


def _document(message: Message) -> AnyPart | None:
    return _media(message, "document", message.document) if message.document else None


def _audio(message: Message) -> AnyPart | None:
    return _media(message, "audio", message.audio) if message.audio else None


def _voice(message: Message) -> AnyPart | None:
    return _media(message, "voice", message.voice) if message.voice else None


def _video(message: Message) -> AnyPart | None:
    return _media(message, "video", message.video) if message.video else None


def _video_note(message: Message) -> AnyPart | None:
    return _media(message, "video", message.video_note, mime="video/mp4") if message.video_note else None


def _sticker(message: Message) -> AnyPart | None:
    """A sticker reads as its emoji."""
    sticker = message.sticker
    if sticker is None:
        return None
    mime = "application/x-tgsticker" if sticker.is_animated else "video/webm" if sticker.is_video else "image/webp"
    return msgspec.structs.replace(_media(message, "sticker", sticker, mime=mime), caption=sticker.emoji)


def _location(message: Message) -> AnyPart | None:
    place = message.location
    if message.venue is not None:
        place = message.venue.location
        return Location(place.latitude, place.longitude, message.venue.title, message.venue.address)
    return Location(place.latitude, place.longitude, is_live=place.live_period > 0) if place else None


def _contact(message: Message) -> AnyPart | None:
    card = message.contact
    if card is None:
        return None
    is_own = message.sender is not None and card.user_id == message.sender.id
    return ContactCard(f"{card.first_name} {card.last_name}".strip(), card.phone_number, is_own)


def _web_app(message: Message) -> AnyPart | None:
    data = message.web_app_data
    return Selection(value=data.data, label=data.button_text) if data else None


_CONTENTS: tuple[Callable[[Message], AnyPart | None], ...] = (
    _photo,
    _animation,
    _document,
    _audio,
    _voice,
    _video,
    _video_note,
    _sticker,
    _location,
    _contact,
    _web_app,
)
"""In the order in which they are looked for: an animation also fills ``document``, a venue also ``location``."""
