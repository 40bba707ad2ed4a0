"""The sandbox's side of the Bot API: each method with the rules that the real server documents."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import cast

from channels.formatting import Unit, measure
from channels.telegram.sandbox_world import BotMessage, Chat, Json, LoggedCall, Pacer, Refusal, World

Files = Mapping[str, tuple[str, str, bytes]]
"""Uploaded parts by field: name, type and content."""

_NESTED = frozenset({"entities", "caption_entities", "reply_markup", "reply_parameters", "reaction", "media",
                     "message_ids", "allowed_updates", "link_preview_options"})  # fmt: skip
_MEDIA_FIELDS = {
    "sendPhoto": "photo",
    "sendAudio": "audio",
    "sendVoice": "voice",
    "sendVideo": "video",
    "sendVideoNote": "video_note",
    "sendDocument": "document",
    "sendSticker": "sticker",
    "sendAnimation": "animation",
}
_QUERY_LIFE_S = 150.0


class BotApi:
    """Takes calls with their parameters; answers with results or raises ``Refusal``. Knows nothing of HTTP."""

    def __init__(self, world: World, pacer: Pacer | None) -> None:
        self._world = world
        self._pacer = pacer
        self._methods: dict[str, Callable[[Json, Files], object]] = {
            "getme": lambda _params, _files: {**world.bot, **_ME_EXTRAS},
            "sendmessage": self._send_message,
            "sendlocation": self._send_location,
            "sendvenue": self._send_venue,
            "sendcontact": self._send_contact,
            "sendmediagroup": self._send_media_group,
            "sendchataction": self._send_chat_action,
            "editmessagetext": self._edit_text,
            "editmessagecaption": self._edit_caption,
            "editmessagereplymarkup": self._edit_markup,
            "deletemessage": self._delete_message,
            "deletemessages": self._delete_messages,
            "answercallbackquery": self._answer_callback_query,
            "setmessagereaction": self._set_reaction,
            "getfile": self._get_file,
        }
        for method in _MEDIA_FIELDS:
            self._methods[method.lower()] = self._media_sender(method)

    def call(self, method: str, raw: Mapping[str, object], files: Files) -> object:
        """Run a method by its name, whatever the case of its letters. Raises ``Refusal``."""
        run = self._methods.get(method.lower())
        if run is None:
            raise Refusal(404, "Not Found")
        return run(decoded(raw), files)

    # ------------------------------------------------------------ sending

    def _send_message(self, params: Json, _files: Files) -> object:
        text = str(params.get("text", "")).strip()
        if not text:
            raise Refusal(400, "Bad Request: message text is empty")
        if measure(text, Unit.UTF16) > 4096:
            raise Refusal(400, "Bad Request: message is too long")
        content: Json = {"text": str(params["text"]), **_checked_entities(params, "entities", str(params["text"]))}
        return self._deliver("sendMessage", params, content)

    def _media_sender(self, method: str) -> Callable[[Json, Files], object]:
        def send(params: Json, files: Files) -> object:
            return self._deliver(method, params, self._media_content(method, params, files))

        return send

    def _media_content(self, method: str, params: Json, files: Files) -> Json:
        field = _MEDIA_FIELDS[method]
        caption = str(params.get("caption", ""))
        if measure(caption, Unit.UTF16) > 1024:
            raise Refusal(400, "Bad Request: message caption is too long")
        content: Json = {field: self._file_content(field, params.get(field), files)}
        if field == "animation":
            content["document"] = content[field]
        if caption:
            content["caption"] = caption
            content.update(_checked_entities(params, "caption_entities", caption))
        return content

    def _file_content(self, field: str, given: object, files: Files) -> object:
        if isinstance(given, str) and given.startswith("attach://"):
            field_of_upload = given.removeprefix("attach://")
            return self._file_content(field, None, {field: files[field_of_upload]} if field_of_upload in files else {})
        if field in files:
            name, mime, content = files[field]
            limit = 10_000_000 if field == "photo" else 50_000_000
            if len(content) > limit:
                raise Refusal(413, "Request Entity Too Large")
            stored = self._world.add_file(content, name or field, mime)
        elif isinstance(given, str) and given.startswith(("http://", "https://")):
            stored = self._world.add_file(given.encode(), given.rpartition("/")[2] or field, "")
        elif isinstance(given, str) and given in self._world.files:
            stored = self._world.files[given]
        else:
            raise Refusal(400, "Bad Request: wrong file identifier/HTTP URL specified")
        return described_file(field, stored.file_id, stored.unique_id, len(stored.content), stored.name, stored.mime)

    def _send_location(self, params: Json, _files: Files) -> object:
        return self._deliver("sendLocation", params, {"location": _place(params)})

    def _send_venue(self, params: Json, _files: Files) -> object:
        if not params.get("title") or not params.get("address"):
            raise Refusal(400, "Bad Request: venue title and address must be non-empty")
        place = _place(params)
        venue = {"location": place, "title": params["title"], "address": params["address"]}
        return self._deliver("sendVenue", params, {"location": place, "venue": venue})

    def _send_contact(self, params: Json, _files: Files) -> object:
        if not params.get("phone_number") or not params.get("first_name"):
            raise Refusal(400, "Bad Request: phone number and first name must be non-empty")
        card = {key: params[key] for key in ("phone_number", "first_name", "last_name") if key in params}
        return self._deliver("sendContact", params, {"contact": card})

    def _send_media_group(self, params: Json, files: Files) -> object:
        items = cast("list[Json]", params.get("media") or [])
        if not 2 <= len(items) <= 10:
            raise Refusal(400, "Bad Request: wrong number of media in the group")
        group = str(self._world.now_s())
        made = []
        for item in items:
            field = str(item["type"])
            content: Json = {field: self._file_content(field, item["media"], files), "media_group_id": group}
            if item.get("caption"):
                content["caption"] = item["caption"]
            made.append(self._deliver("sendMediaGroup", params, content))
        return made

    def _send_chat_action(self, params: Json, _files: Files) -> object:
        chat = self._writable_chat(params)
        if not params.get("action"):
            raise Refusal(400, "Bad Request: wrong parameter action in request")
        self._record("sendChatAction", chat, 0, params)
        return True

    def _deliver(self, method: str, params: Json, content: Json) -> Json:
        chat = self._writable_chat(params)
        markup = _checked_markup(params.get("reply_markup"), chat)
        reply = self._replied(params, chat)
        if self._pacer is not None:
            self._pacer.admit(chat.id)
        message: Json = {
            "message_id": chat.take_message_id(),
            "from": self._world.bot,
            "chat": chat.description,
            "date": self._world.now_s(),
            **reply,
            **content,
            **markup,
        }
        number = int(str(message["message_id"]))
        chat.messages[number] = message
        chat.keyboard = _keyboard_after(chat.keyboard, params.get("reply_markup"))
        self._record(method, chat, number, params)
        chat.unread.put_nowait(_as_seen(method, chat, message, params))
        return message

    def _record(self, method: str, chat: Chat, message_id: int, params: Json) -> None:
        self._world.log.append(
            LoggedCall(
                at=self._world.clock.now(), method=method, chat_id=chat.id, message_id=message_id, params=dict(params)
            )
        )
        self._world.changed()

    def _writable_chat(self, params: Json) -> Chat:
        identity = str(params.get("chat_id", ""))
        if not identity:
            raise Refusal(400, "Bad Request: chat_id is empty")
        chat = self._world.chats.get(int(identity)) if re.fullmatch(r"-?\d{1,18}", identity) else None
        if chat is None:
            raise Refusal(400, "Bad Request: chat not found")
        if chat.migrated_to:
            detail = "Bad Request: group chat was upgraded to a supergroup chat"
            raise Refusal(400, detail, migrate_to_chat_id=chat.migrated_to)
        if chat.is_blocked:
            detail = "bot was blocked by the user" if chat.is_private else "bot was kicked from the group chat"
            raise Refusal(403, f"Forbidden: {detail}")
        if chat.is_private and not chat.is_started:
            raise Refusal(403, "Forbidden: bot can't initiate conversation with a user")
        return chat

    def _replied(self, params: Json, chat: Chat) -> Json:
        reference = params.get("reply_parameters")
        if not isinstance(reference, dict):
            return {}
        replied = chat.messages.get(int(str(reference.get("message_id", 0))))
        if replied is not None:
            shown = {key: value for key, value in replied.items() if key != "reply_to_message"}
            return {"reply_to_message": shown}
        if reference.get("allow_sending_without_reply"):
            return {}
        raise Refusal(400, "Bad Request: message to be replied not found")

    # ------------------------------------------------------------ what was sent already

    def _own_message(self, params: Json) -> Json:
        chat = self._writable_chat(params)
        message = chat.messages.get(int(str(params.get("message_id", 0))))
        if message is None:
            raise Refusal(400, "Bad Request: message to edit not found")
        if message["from"] != self._world.bot:
            raise Refusal(400, "Bad Request: message can't be edited")
        return message

    def _change(self, method: str, params: Json, changes: Json) -> Json:
        message = self._own_message(params)
        if all(message.get(key) == value for key, value in changes.items()):
            raise Refusal(
                400,
                "Bad Request: message is not modified: specified new message content and reply markup are exactly "
                "the same as a current content and reply markup of the message",
            )
        message.update(changes, edit_date=self._world.now_s())
        chat = self._writable_chat(params)
        self._record(method, chat, int(str(message["message_id"])), params)
        return message

    def _edit_text(self, params: Json, _files: Files) -> object:
        text = str(params.get("text", ""))
        if not text.strip():
            raise Refusal(400, "Bad Request: message text is empty")
        markup = _checked_markup(params.get("reply_markup"), self._writable_chat(params))
        return self._change("editMessageText", params, {"text": text, **markup})

    def _edit_caption(self, params: Json, _files: Files) -> object:
        return self._change("editMessageCaption", params, {"caption": str(params.get("caption", ""))})

    def _edit_markup(self, params: Json, _files: Files) -> object:
        markup = _checked_markup(params.get("reply_markup"), self._writable_chat(params))
        return self._change("editMessageReplyMarkup", params, {"reply_markup": None, **markup})

    def _delete_message(self, params: Json, _files: Files) -> object:
        chat = self._writable_chat(params)
        if chat.messages.pop(int(str(params.get("message_id", 0))), None) is None:
            raise Refusal(400, "Bad Request: message to delete not found")
        self._world.changed()
        return True

    def _delete_messages(self, params: Json, _files: Files) -> object:
        chat = self._writable_chat(params)
        numbers = cast("list[int]", params.get("message_ids") or [])
        if not 1 <= len(numbers) <= 100:
            raise Refusal(400, "Bad Request: wrong number of message identifiers")
        for number in numbers:
            chat.messages.pop(number, None)
        self._world.changed()
        return True

    def _set_reaction(self, params: Json, _files: Files) -> object:
        chat = self._writable_chat(params)
        if int(str(params.get("message_id", 0))) not in chat.messages:
            raise Refusal(400, "Bad Request: message to react not found")
        self._record("setMessageReaction", chat, int(str(params["message_id"])), params)
        return True

    def _answer_callback_query(self, params: Json, _files: Files) -> object:
        if len(str(params.get("text", ""))) > 200:
            raise Refusal(400, "Bad Request: MESSAGE_TOO_LONG")
        asked = self._world.open_queries.pop(str(params.get("callback_query_id", "")), None)
        if asked is None or self._world.clock.monotonic() - asked > _QUERY_LIFE_S:
            detail = "Bad Request: query is too old and response timeout expired or query ID is invalid"
            raise Refusal(400, detail)
        self._world.log.append(
            LoggedCall(
                at=self._world.clock.now(), method="answerCallbackQuery", chat_id=0, message_id=0, params=dict(params)
            )
        )
        return True

    def _get_file(self, params: Json, _files: Files) -> object:
        stored = self._world.files.get(str(params.get("file_id", "")))
        if stored is None:
            raise Refusal(400, "Bad Request: wrong file_id or the file is temporarily unavailable")
        if len(stored.content) > 20_000_000:
            raise Refusal(400, "Bad Request: file is too big")
        size = len(stored.content)
        return {
            "file_id": stored.file_id,
            "file_unique_id": stored.unique_id,
            "file_size": size,
            "file_path": stored.path,
        }


_ME_EXTRAS: Json = {
    "can_join_groups": True,
    "can_read_all_group_messages": False,
    "supports_inline_queries": False,
    "can_connect_to_business": False,
    "has_main_web_app": False,
}


def decoded(raw: Mapping[str, object]) -> Json:
    """Nested values come as JSON in a form, and as themselves in a JSON body. Raises ``Refusal``."""
    params: Json = {}
    for name, value in raw.items():
        if name in _NESTED and isinstance(value, str):
            try:
                params[name] = json.loads(value)
            except ValueError:
                raise Refusal(400, f"Bad Request: can't parse {name} JSON object") from None
        else:
            params[name] = value
    return params


def described_file(field: str, file_id: str, unique_id: str, size: int, name: str, mime: str) -> object:
    """A file as it stands in a message; a photo comes in sizes, the largest last."""
    identity: Json = {"file_id": file_id, "file_unique_id": unique_id, "file_size": size}
    named: Json = {**identity, "file_name": name} | ({"mime_type": mime} if mime else {})
    match field:
        case "photo":
            small = {"file_id": f"{file_id}s", "file_unique_id": f"{unique_id}s", "width": 90, "height": 67}
            return [small, {**identity, "width": 1280, "height": 960}]
        case "video" | "animation":
            return {**named, "width": 720, "height": 1280, "duration": 3}
        case "video_note":
            return {**identity, "length": 240, "duration": 3}
        case "audio":
            return {**named, "duration": 3}
        case "voice":
            return {**identity, "duration": 3} | ({"mime_type": mime} if mime else {})
        case "sticker":
            shape = {"width": 512, "height": 512, "is_animated": False, "is_video": False, "type": "regular"}
            return {**identity, **shape}
        case _:
            return named


def _place(params: Json) -> Json:
    try:
        latitude, longitude = float(str(params["latitude"])), float(str(params["longitude"]))
    except (KeyError, ValueError):
        raise Refusal(400, "Bad Request: location must be non-empty") from None
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        raise Refusal(400, "Bad Request: wrong location coordinates")
    return {"latitude": latitude, "longitude": longitude}


def _checked_entities(params: Json, field: str, text: str) -> Json:
    entities = cast("list[Json]", params.get(field) or [])
    length = measure(text, Unit.UTF16)
    for entity in entities:
        offset, size = int(str(entity["offset"])), int(str(entity["length"]))
        if offset < 0 or size <= 0 or offset + size > length:
            raise Refusal(400, "Bad Request: ENTITY_BOUNDS_INVALID")
        if entity["type"] == "text_link" and not entity.get("url"):
            raise Refusal(400, "Bad Request: entity URL is empty")
    return {field: entities} if entities else {}


def _checked_markup(markup: object, chat: Chat) -> Json:
    if not isinstance(markup, dict):
        return {}
    if len(json.dumps(markup)) > 10_000:
        raise Refusal(400, "Bad Request: reply markup is too long")
    if "inline_keyboard" not in markup:
        _check_reply_keyboard(markup, chat)
        return {}
    buttons = [button for row in markup["inline_keyboard"] for button in row]
    if len(buttons) > 100 or any(len(row) > 8 for row in markup["inline_keyboard"]):
        raise Refusal(400, "Bad Request: REPLY_MARKUP_TOO_LONG")
    for button in buttons:
        _check_inline_button(button)
    return {"reply_markup": markup}


def _check_inline_button(button: Json) -> None:
    if not str(button.get("text", "")).strip():
        raise Refusal(400, "Bad Request: text buttons must be non-empty")
    if "callback_data" in button:
        if not 1 <= len(str(button["callback_data"]).encode()) <= 64:
            raise Refusal(400, "Bad Request: BUTTON_DATA_INVALID")
    elif not str(button.get("url", "")).startswith(("http://", "https://", "tg://")):
        raise Refusal(400, "Bad Request: BUTTON_URL_INVALID")


def _check_reply_keyboard(markup: Json, chat: Chat) -> None:
    rows = _keyboard_rows(markup)
    for button in (button for row in rows for button in row):
        if not str(button.get("text", "")).strip():
            raise Refusal(400, "Bad Request: text buttons must be non-empty")
        asks = button.get("request_contact") or button.get("request_location")
        if asks and not chat.is_private:
            raise Refusal(400, "Bad Request: phone number can be requested in private chats only")


def _keyboard_rows(markup: Json) -> list[list[Json]]:
    """The buttons of a keyboard, which may be given as their text alone."""
    rows = cast("list[list[Json | str]]", markup.get("keyboard") or [])
    return [[button if isinstance(button, dict) else {"text": button} for button in row] for row in rows]


def _keyboard_after(keyboard: list[list[Json]], markup: object) -> list[list[Json]]:
    """The keyboard that people see after a message: a new one, none, or the one that was there."""
    if not isinstance(markup, dict):
        return keyboard
    if "keyboard" in markup:
        return _keyboard_rows(markup)
    return [] if markup.get("remove_keyboard") else keyboard


def _as_seen(method: str, chat: Chat, message: Json, params: Json) -> BotMessage:
    markup = params.get("reply_markup")
    rows: list[list[object]] = []
    if isinstance(markup, dict):
        rows = markup.get("inline_keyboard") or markup.get("keyboard") or []
    labels = tuple(str(button["text"]) if isinstance(button, dict) else str(button) for row in rows for button in row)
    return BotMessage(
        message_id=int(str(message["message_id"])),
        chat_id=chat.id,
        method=method,
        text=str(message.get("text", message.get("caption", ""))),
        buttons=labels,
        params=dict(params),
    )
