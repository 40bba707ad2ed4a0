"""The shape of what the desk asks and hears besides what the channel's wire holds: an error names the field."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from channels.sunshine.wire import NOTHING, Conversation, Merged, Responder


class MirrorUser(Struct, frozen=True, rename="camel"):
    """A person at Zendesk."""

    id: str
    external_id: str | None = None


class OneUser(Struct, frozen=True):
    user: MirrorUser


class Talk(Struct, frozen=True, rename="camel"):
    """A conversation at Zendesk."""

    id: str
    metadata: msgspec.Raw = NOTHING
    active_switchboard_integration: Responder | None = None
    pending_switchboard_integration: Responder | None = None


class OneTalk(Struct, frozen=True):
    conversation: Talk


class Page(Struct, frozen=True, rename="camel"):
    has_more: bool = False
    after_cursor: str | None = None


class Talks(Struct, frozen=True):
    conversations: tuple[Talk, ...] = ()
    meta: Page | None = None


class Messages(Struct, frozen=True):
    """A page of messages, each unread: one that is of no known shape must not hide the others."""

    messages: tuple[msgspec.Raw, ...] = ()


class TalkReference(Struct, frozen=True):
    """What we put into the metadata of our conversations."""

    tertulia_conversation: str = ""
    tertulia_generation: int = -1


class PostReference(Struct, frozen=True):
    """What we put into the metadata of what we post: what it is, and which piece of it."""

    tertulia_post: str = ""
    tertulia_piece: int = 0


class MergedUsers(Struct, frozen=True):
    surviving: MirrorUser | None = None
    discarded: MirrorUser | None = None


class MergePayload(Struct, frozen=True, rename="camel"):
    merged_users: MergedUsers | None = None
    merged_conversations: Merged | None = None


class MergeEvent(Struct, frozen=True):
    payload: MergePayload


class Somebody(Struct, frozen=True):
    id: str


class UserPayload(Struct, frozen=True):
    user: Somebody


class UserEvent(Struct, frozen=True):
    payload: UserPayload


class TalkPayload(Struct, frozen=True):
    conversation: Conversation


class TalkEvent(Struct, frozen=True):
    payload: TalkPayload


decode_user = msgspec.json.Decoder(OneUser).decode
decode_talk = msgspec.json.Decoder(OneTalk).decode
decode_talks = msgspec.json.Decoder(Talks).decode
decode_messages = msgspec.json.Decoder(Messages).decode
decode_merge = msgspec.json.Decoder(MergeEvent).decode
decode_user_event = msgspec.json.Decoder(UserEvent).decode
decode_talk_event = msgspec.json.Decoder(TalkEvent).decode

_decode_talk_reference = msgspec.json.Decoder(TalkReference).decode
_decode_post_reference = msgspec.json.Decoder(PostReference).decode


def talk_reference(talk: Talk) -> TalkReference:
    """Which of our conversations a conversation mirrors; one of nobody's when it is none of ours."""
    try:
        return _decode_talk_reference(talk.metadata)
    except msgspec.ValidationError:
        return TalkReference()


def post_reference(metadata: msgspec.Raw) -> PostReference:
    """Which of our posts a message is; that of nothing when it is none."""
    try:
        return _decode_post_reference(metadata)
    except msgspec.ValidationError:
        return PostReference()
