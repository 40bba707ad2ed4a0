"""What Twilio's stand-in takes and refuses, after the documented limits. Pure: the contract suite asks it too."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import cast

import msgspec

from channels.formatting import Unit, measure

Form = Mapping[str, Sequence[str]]
Json = dict[str, object]

_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
_WHATSAPP = re.compile(r"whatsapp:(\+[1-9][0-9]{6,14}|ID\.[0-9A-Za-z.]+)")
_CONTENT_SID = re.compile(r"HX[0-9a-f]{32}")
_GEO = re.compile(r"geo:(-?[0-9.]+),(-?[0-9.]+)(\|.+)?", re.DOTALL)
_BLANK = re.compile(r"\{\{([0-9]+)\}\}")

BODY_UNITS = 1600
CHOICE_UNITS = 1024


class Refusal(Exception):
    """An error of Twilio's: HTTP ``status``, its own ``code``, and the words."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    def body(self) -> bytes:
        return error_body(self.status, self.code, self.message)


def error_body(status: int, code: int, message: str) -> bytes:
    """As Twilio writes it."""
    more_info = f"https://www.twilio.com/docs/errors/{code}"
    return json.dumps({"code": code, "message": message, "more_info": more_info, "status": status}).encode()


class Shown(msgspec.Struct, frozen=True):
    """A content with its blanks filled in: the words, and what can be pressed, as (words, value, description)."""

    kind: str
    body: str
    options: tuple[tuple[str, str, str], ...] = ()
    button: str = ""


# ---------------------------------------------------------------- messages


def check_message(form: Form, contents: Mapping[str, Json]) -> Shown | None:
    """Raise ``Refusal`` as the Messages API would at once; the content as it will look, if there is one."""
    to, sender = _one(form, "To"), _one(form, "From")
    if not to:
        raise Refusal(400, 21604, "A 'To' phone number is required.")
    if not sender and not _one(form, "MessagingServiceSid"):
        raise Refusal(400, 21603, "A 'From' phone number is required.")
    is_whatsapp = to.startswith("whatsapp:")
    if not (_WHATSAPP if is_whatsapp else _PHONE).fullmatch(to):
        raise Refusal(400, 21211, f"Invalid 'To' Phone Number: {to[:20]}")
    if sender and sender.startswith("whatsapp:") != is_whatsapp:
        raise Refusal(400, 21910, "Invalid From and To pair. From and To should be of the same channel")
    if sender == to:
        raise Refusal(400, 63031, "Channel message cannot have same From and To")
    _check_parameters(form)
    shown = _content(form, contents, is_whatsapp=is_whatsapp)
    _check_body(form, has_content=shown is not None)
    _check_media(_all(form, "MediaUrl"), is_whatsapp=is_whatsapp)
    _check_actions(_all(form, "PersistentAction"), is_whatsapp=is_whatsapp)
    return shown


def _check_parameters(form: Form) -> None:
    callback = _one(form, "StatusCallback")
    if callback and not callback.startswith(("http://", "https://")):
        raise Refusal(400, 21609, f"The StatusCallback URL {callback} is not a valid URL.")
    validity = _one(form, "ValidityPeriod")
    if validity and not (validity.isdecimal() and 1 <= int(validity) <= 36_000):
        raise Refusal(400, 20001, "ValidityPeriod is out of range")
    if _one(form, "SmartEncoded") not in {"", "true", "false"}:
        raise Refusal(400, 20001, "SmartEncoded is no boolean")


def _check_body(form: Form, *, has_content: bool) -> None:
    body = _one(form, "Body")
    if measure(body, Unit.UTF16) > BODY_UNITS:
        raise Refusal(400, 21617, "The concatenated message body exceeds the 1600 character limit")
    if "\0" in body:
        raise Refusal(400, 21619, "The message body holds a NUL")
    if has_content and (body or _all(form, "MediaUrl")):
        raise Refusal(400, 21655, "A content leaves no room for another body")
    if not body.strip() and not has_content and not _all(form, "MediaUrl"):
        raise Refusal(400, 21619, "A text message body or media urls must be specified.")


def _check_media(urls: Sequence[str], *, is_whatsapp: bool) -> None:
    if len(urls) > (1 if is_whatsapp else 10):
        raise Refusal(400, 21623, "Number of media files exceeds allowed limit")
    if not all(url.startswith(("http://", "https://")) for url in urls):
        raise Refusal(400, 21620, "Invalid media URL(s)")


def _check_actions(actions: Sequence[str], *, is_whatsapp: bool) -> None:
    for action in actions:
        found = _GEO.fullmatch(action)
        if not is_whatsapp or found is None:
            raise Refusal(400, 63030, "Unsupported parameter: PersistentAction")
        if abs(float(found[1])) > 90 or abs(float(found[2])) > 180:
            raise Refusal(400, 63021, "Channel invalid content error: no place on earth")


# ---------------------------------------------------------------- contents


def _content(form: Form, contents: Mapping[str, Json], *, is_whatsapp: bool) -> Shown | None:
    sid = _one(form, "ContentSid")
    if not sid:
        if _one(form, "ContentVariables"):
            raise Refusal(400, 21655, "ContentVariables without a ContentSid")
        return None
    if not _CONTENT_SID.fullmatch(sid) or sid not in contents:
        raise Refusal(400, 21655, f"The ContentSid {sid[:34]} is invalid")
    shown = shown_content(contents[sid], _variables(_one(form, "ContentVariables")))
    _check_shown(shown)
    if shown.kind not in {"twilio/text", "twilio/media"} and not is_whatsapp:
        raise Refusal(400, 63030, "The content is not for this channel")
    return shown


def _variables(text: str) -> dict[str, str]:
    try:
        given: object = json.loads(text or "{}")
    except ValueError:
        raise Refusal(400, 21656, "The ContentVariables parameter is invalid: no JSON") from None
    if not isinstance(given, dict) or not all(isinstance(value, str) and value for value in given.values()):
        raise Refusal(400, 21656, "The ContentVariables parameter is invalid: values are texts, none empty")
    return given


def shown_content(content: Json, variables: Mapping[str, str]) -> Shown:
    """The content with its blanks filled in. Raises ``Refusal`` for a blank without a value."""
    types = cast("dict[str, Json]", content["types"])
    kind, layout = next(iter(types.items()))

    def filled(text: object) -> str:
        return _BLANK.sub(lambda found: _value(variables, found[1]), str(text))

    if kind == "twilio/quick-reply":
        actions = cast("list[Json]", layout["actions"])
        options = tuple((filled(one["title"]), filled(one["id"]), "") for one in actions)
        return Shown(kind, filled(layout["body"]), options)
    if kind == "twilio/list-picker":
        items = cast("list[Json]", layout["items"])
        options = tuple((filled(one["item"]), filled(one["id"]), filled(one["description"])) for one in items)
        return Shown(kind, filled(layout["body"]), options, filled(layout["button"]))
    return Shown(kind, filled(layout.get("body", "")))


def _value(variables: Mapping[str, str], number: str) -> str:
    if number not in variables:
        raise Refusal(400, 21656, f"The ContentVariables parameter is invalid: no value for {number}")
    return variables[number]


def _check_shown(shown: Shown) -> None:
    """WhatsApp's limits, once the words are there."""
    is_list = shown.kind == "twilio/list-picker"
    is_choice = is_list or shown.kind == "twilio/quick-reply"
    if not is_choice:
        return
    faults = [
        measure(shown.body, Unit.UTF16) > CHOICE_UNITS or not shown.body.strip(),
        measure(shown.button, Unit.UTF16) > 20 or (is_list and not shown.button.strip()),
        len({value for _, value, _ in shown.options}) < len(shown.options),
        len({words for words, _, _ in shown.options}) < len(shown.options),
        any(
            not words.strip()
            or measure(words, Unit.UTF16) > (24 if is_list else 20)
            or not value
            or len(value) > 200
            or measure(description, Unit.UTF16) > 72
            or (is_list and not description.strip())
            for words, value, description in shown.options
        ),
    ]
    if any(faults):
        raise Refusal(400, 63021, f"Channel invalid content error: fault {faults.index(True) + 1} of a {shown.kind}")


def check_content(content: object) -> Json:
    """A content that may be made. Raises ``Refusal``."""
    if not isinstance(content, dict) or not isinstance(content.get("types"), dict) or len(content["types"]) != 1:
        raise Refusal(400, 20001, "types must hold a type of content")
    if not isinstance(content.get("language"), str) or not content["language"]:
        raise Refusal(400, 20001, "language is required")
    kind, layout = next(iter(content["types"].items()))
    if not isinstance(layout, dict):
        raise Refusal(400, 20001, f"{kind} must be an object")
    if kind == "twilio/quick-reply":
        _check_count(layout.get("actions"), 10, "actions")
    elif kind == "twilio/list-picker":
        _check_count(layout.get("items"), 10, "items")
    elif kind not in {"twilio/text", "twilio/media", "twilio/call-to-action", "twilio/card", "twilio/carousel"}:
        raise Refusal(400, 20001, f"{kind} is no type of content")
    return content


def _check_count(found: object, most: int, name: str) -> None:
    if not isinstance(found, list) or not 1 <= len(found) <= most:
        raise Refusal(400, 20001, f"{name} must be 1 to {most}")


def check_window(shown: Shown | None, *, is_open: bool) -> None:
    """In a closed window only an approved content goes; outside of it three buttons are the most."""
    if is_open:
        if shown is not None and shown.kind == "twilio/quick-reply" and len(shown.options) > 3:
            raise Refusal(400, 63021, "More than 3 quick replies need an approved template")
        return
    if shown is None or shown.kind in {"twilio/quick-reply", "twilio/list-picker"}:
        raise Refusal(400, 63016, "Failed to send freeform message because you are outside the allowed window.")


def _one(form: Form, name: str) -> str:
    values = form.get(name, ())
    return values[-1] if values else ""


def _all(form: Form, name: str) -> Sequence[str]:
    return form.get(name, ())
