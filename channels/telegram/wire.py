"""The shape of Telegram's updates, as far as they are used: decoding checks it, and an error names the field.

Fields that are absent have a neutral default. Ids have up to 52 significant bits.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

Id = Annotated[int, Meta(ge=-(2**52), le=2**52)]
MessageNumber = Annotated[int, Meta(ge=0, le=2**52)]
UnixTime = Annotated[int, Meta(ge=0, le=253_402_300_799)]


class User(Struct, frozen=True, gc=False):
    id: Id
    is_bot: bool = False
    first_name: str = ""
    last_name: str = ""
    username: str = ""
    language_code: str = ""


class Chat(Struct, frozen=True, gc=False):
    id: Id
    type: str
    title: str = ""


class Entity(Struct, frozen=True):
    """``offset`` and ``length`` count UTF-16 code units."""

    type: str
    offset: int
    length: int
    user: User | None = None


class File(Struct, frozen=True, gc=False):
    """Any of the kinds of file; each fills what it has."""

    file_id: str
    file_unique_id: str = ""
    file_size: int = 0
    file_name: str = ""
    mime_type: str = ""
    emoji: str = ""
    is_animated: bool = False
    is_video: bool = False


class Location(Struct, frozen=True, gc=False):
    latitude: float
    longitude: float
    live_period: int = 0


class Venue(Struct, frozen=True):
    location: Location
    title: str = ""
    address: str = ""


class Contact(Struct, frozen=True, gc=False):
    phone_number: str
    first_name: str = ""
    last_name: str = ""
    user_id: Id = 0


class WebAppData(Struct, frozen=True, gc=False):
    data: str
    button_text: str = ""


class RepliedTo(Struct, frozen=True, rename={"sender": "from"}):
    message_id: MessageNumber
    sender: User | None = None


class Message(Struct, frozen=True, rename={"sender": "from"}):
    message_id: MessageNumber
    chat: Chat
    date: UnixTime
    sender: User | None = None
    sender_chat: Chat | None = None
    edit_date: UnixTime = 0
    text: str | None = None
    entities: tuple[Entity, ...] = ()
    caption: str = ""
    caption_entities: tuple[Entity, ...] = ()
    reply_to_message: RepliedTo | None = None
    media_group_id: str = ""
    photo: tuple[File, ...] = ()
    document: File | None = None
    audio: File | None = None
    voice: File | None = None
    video: File | None = None
    video_note: File | None = None
    animation: File | None = None
    sticker: File | None = None
    location: Location | None = None
    venue: Venue | None = None
    contact: Contact | None = None
    web_app_data: WebAppData | None = None
    migrate_to_chat_id: Id = 0


class PressedMessage(Struct, frozen=True):
    """The message with the button; too old a one has a date of 0 and no content."""

    message_id: MessageNumber
    chat: Chat
    date: UnixTime = 0
    reply_markup: Keyboard | None = None


class Keyboard(Struct, frozen=True):
    inline_keyboard: tuple[tuple[Button, ...], ...] = ()


class Button(Struct, frozen=True, gc=False):
    text: str = ""
    callback_data: str = ""


class CallbackQuery(Struct, frozen=True, rename={"sender": "from"}):
    id: Annotated[str, Meta(min_length=1, max_length=256)]
    sender: User
    message: PressedMessage | None = None
    data: str | None = None


class ReactionType(Struct, frozen=True, gc=False):
    type: str
    emoji: str = ""
    custom_emoji_id: str = ""


class MessageReaction(Struct, frozen=True):
    chat: Chat
    message_id: MessageNumber
    date: UnixTime
    new_reaction: tuple[ReactionType, ...]
    user: User | None = None


class ChatMember(Struct, frozen=True):
    status: str
    user: User | None = None


class ChatMemberUpdated(Struct, frozen=True):
    chat: Chat
    date: UnixTime
    new_chat_member: ChatMember


class Update(Struct, frozen=True):
    update_id: Annotated[int, Meta(ge=0, le=2**52)]
    message: Message | None = None
    edited_message: Message | None = None
    callback_query: CallbackQuery | None = None
    message_reaction: MessageReaction | None = None
    my_chat_member: ChatMemberUpdated | None = None


class MessageReference(Struct, frozen=True, gc=False):
    """What a successful send answers, as far as it is used."""

    message_id: MessageNumber
    chat: Chat


class SendAnswer(Struct, frozen=True):
    result: MessageReference


decode_update = msgspec.json.Decoder(Update).decode
decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
decode_send_answer = msgspec.json.Decoder(SendAnswer).decode
