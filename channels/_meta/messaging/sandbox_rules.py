"""What the Send API says no to, by its documentation: the judge of the sandbox, which knows nothing of ``render``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import cast

import msgspec

from channels.sandbox_kit import Refused
from channels.specimen import ProviderAnswer

Json = dict[str, object]

_RECIPIENTS = frozenset({"id", "user_ref", "comment_id", "post_id", "notification_messages_token"})
_TYPES = frozenset({"RESPONSE", "UPDATE", "MESSAGE_TAG", "UTILITY"})
_ACTIONS = frozenset({"typing_on", "typing_off", "mark_seen", "react", "unreact"})
_TOP = frozenset(
    {
        "recipient", "messaging_type", "message", "sender_action", "payload", "tag", "reply_to", "notification_type",
        "persona_id",
    }
)  # fmt: skip
_MESSAGE = frozenset({"text", "attachment", "quick_replies", "metadata"})
_METADATA_CHARS = 1000
_PAYLOAD_CHARS = 1000


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """One app's limits. ``text_bytes`` counts UTF-8 and ``text_chars`` characters; 0 of either: not counted."""

    text_chars: int = 0
    text_bytes: int = 0
    quick_replies: int = 13
    quick_reply_types: frozenset[str]
    button_types: frozenset[str]
    template_text_chars: int = 640
    upload_bytes: Mapping[str, int]
    reactions: frozenset[str]
    window_subcode: int
    has_personas: bool = False


def refusal(
    code: int,
    message: str,
    subcode: int = 0,
    *,
    status: int = 400,
    is_transient: bool = False,
    headers: Mapping[str, str] | None = None,
) -> ProviderAnswer:
    """An error as Graph writes it."""
    error: Json = {"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "AsandboxTrace"}
    if subcode:
        error["error_subcode"] = subcode
    if is_transient:
        error["is_transient"] = True
    return ProviderAnswer(status, json.dumps({"error": error}).encode(), headers or {})


def require_allowed(rules: Rules, body: Mapping[str, object], upload: tuple[int, str] | None = None) -> None:
    """Raise ``Refused`` for the first fault of a body; *upload* is the size and the type of a file that came along."""
    for fault in faults_in(rules, body, upload):
        raise Refused(refusal(100, f"(#100) {fault}", 2018109 if "too large" in fault else 0))


def faults_in(rules: Rules, body: Mapping[str, object], upload: tuple[int, str] | None = None) -> Iterator[str]:
    """Everything that Meta would not take, in words."""
    yield from _unknown(body, _TOP if rules.has_personas else _TOP - {"persona_id"}, "parameter")
    recipient = body.get("recipient")
    if not isinstance(recipient, dict) or len(recipient) != 1 or not _RECIPIENTS.issuperset(recipient):
        yield "recipient must have exactly one id"
    elif not all(isinstance(value, str) and value for value in recipient.values()):
        yield "recipient must be a text"
    if "sender_action" in body:
        yield from _action_faults(rules, body)
        return
    yield from _type_faults(body)
    reply_to = body.get("reply_to")
    if reply_to is not None and not (isinstance(reply_to, dict) and isinstance(reply_to.get("mid"), str)):
        yield "reply_to must name a mid"
    message = body.get("message")
    if not isinstance(message, dict):
        yield "message must be an object"
        return
    yield from _message_faults(rules, message, upload)


def _unknown(found: Mapping[str, object], known: frozenset[str], what: str) -> Iterator[str]:
    for name in sorted(set(found) - known):
        yield f"no {what} named {name}"


def _type_faults(body: Mapping[str, object]) -> Iterator[str]:
    kind = body.get("messaging_type")
    if kind not in _TYPES:
        yield "messaging_type must be RESPONSE, UPDATE, MESSAGE_TAG or UTILITY"
    if (kind == "MESSAGE_TAG") != ("tag" in body):
        yield "tag goes with MESSAGE_TAG"
    if "tag" in body and body["tag"] != "HUMAN_AGENT":
        yield f"the tag {body['tag']} is no longer supported"


def _action_faults(rules: Rules, body: Mapping[str, object]) -> Iterator[str]:
    action = body["sender_action"]
    if action not in _ACTIONS:
        yield f"no sender_action {action}"
    if "message" in body:
        yield "a sender_action goes alone"
    if action in {"react", "unreact"}:
        payload = body.get("payload")
        if not isinstance(payload, dict) or not payload.get("message_id"):
            yield "payload must name a message_id"
        elif action == "react" and payload.get("reaction") not in rules.reactions:
            yield f"no reaction {payload.get('reaction')}"


def _message_faults(rules: Rules, message: Json, upload: tuple[int, str] | None) -> Iterator[str]:
    yield from _unknown(message, _MESSAGE, "field of a message")
    metadata = message.get("metadata", "")
    if not isinstance(metadata, str) or len(metadata) > _METADATA_CHARS:
        yield f"metadata must have at most {_METADATA_CHARS} characters"
    has_text, has_attachment = "text" in message, "attachment" in message
    if has_text == has_attachment:
        yield "a message has either text or an attachment"
    elif has_text:
        yield from _text_faults(rules, message["text"])
    else:
        yield from _attachment_faults(rules, message["attachment"], upload)
    if "quick_replies" in message:
        yield from _quick_reply_faults(rules, message["quick_replies"])


def _text_faults(rules: Rules, text: object) -> Iterator[str]:
    if not isinstance(text, str) or not text.strip():
        yield "text must not be empty"
        return
    if rules.text_chars and len(text) > rules.text_chars:
        yield f"text must have at most {rules.text_chars} characters"
    if rules.text_bytes and len(text.encode()) > rules.text_bytes:
        yield f"text must have at most {rules.text_bytes} bytes in UTF-8"


def _quick_reply_faults(rules: Rules, found: object) -> Iterator[str]:
    if not isinstance(found, list) or not 1 <= len(found) <= rules.quick_replies:
        yield f"quick_replies must be 1 to {rules.quick_replies}"
        return
    for reply in cast("list[Json]", found):
        kind = reply.get("content_type")
        if kind not in rules.quick_reply_types:
            yield f"no content_type {kind}"
        elif kind == "text":
            yield from _length("title", reply.get("title"), 20)
            yield from _length("payload", reply.get("payload"), _PAYLOAD_CHARS)


def _length(name: str, text: object, most: int, *, least: int = 1) -> Iterator[str]:
    if not isinstance(text, str) or not least <= len(text) <= most or (least and not text.strip()):
        yield f"{name} must have {least} to {most} characters"


# ---------------------------------------------------------------- attachments


def _attachment_faults(rules: Rules, found: object, upload: tuple[int, str] | None) -> Iterator[str]:
    if not isinstance(found, dict):
        yield "attachment must be an object"
        return
    kind, payload = found.get("type"), found.get("payload")
    if not isinstance(payload, dict):
        yield "payload must be an object"
    elif kind == "template":
        yield from _template_faults(rules, payload)
    elif kind not in rules.upload_bytes:
        yield f"no attachment of type {kind}"
    elif upload is not None:
        size, _ = upload
        if size > rules.upload_bytes[str(kind)]:
            yield "the attachment is too large"
    elif not payload.get("attachment_id"):
        yield from _url_faults("url", payload.get("url"))


def _url_faults(name: str, url: object) -> Iterator[str]:
    if not isinstance(url, str) or not url.startswith(("https://", "http://")):
        yield f"{name} must be an address"


def _template_faults(rules: Rules, payload: Json) -> Iterator[str]:
    kind = payload.get("template_type")
    if kind == "button":
        yield from _length("text", payload.get("text"), rules.template_text_chars)
        yield from _buttons_faults(rules, payload.get("buttons"), least=1)
    elif kind == "generic":
        yield from _elements_faults(rules, payload.get("elements"))
    else:
        yield f"no template of type {kind}"


def _elements_faults(rules: Rules, found: object) -> Iterator[str]:
    if not isinstance(found, list) or not 1 <= len(found) <= 10:
        yield "elements must be 1 to 10"
        return
    for element in cast("list[Json]", found):
        yield from _length("title", element.get("title"), 80)
        if "subtitle" in element:
            yield from _length("subtitle", element["subtitle"], 80)
        if "image_url" in element:
            yield from _url_faults("image_url", element["image_url"])
        if not {"subtitle", "image_url", "buttons", "default_action"} & set(element):
            yield "an element needs something besides its title"
        if "buttons" in element:
            yield from _buttons_faults(rules, element["buttons"], least=1)


def _buttons_faults(rules: Rules, found: object, *, least: int) -> Iterator[str]:
    if not isinstance(found, list) or not least <= len(found) <= 3:
        yield f"buttons must be {least} to 3"
        return
    for button in cast("list[Json]", found):
        kind = button.get("type")
        if kind not in rules.button_types:
            yield f"no button of type {kind}"
            continue
        yield from _length("title", button.get("title"), 20)
        if kind == "postback":
            yield from _length("payload", button.get("payload"), _PAYLOAD_CHARS)
        if kind == "web_url":
            yield from _url_faults("url", button.get("url"))
