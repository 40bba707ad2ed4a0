"""What Sunshine accepts in the body of a message, by its documented limits: each breach as one line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from channels.formatting import Unit, measure

Json = dict[str, object]

BODY_BYTES = 100_000
TEXT_UNITS = 4096
METADATA_BYTES = 4096
ITEM_UNITS = 128
URL_UNITS = 2048
ITEMS = 10
ITEM_ACTIONS = 3

_ITEM_KINDS = frozenset({"buy", "link", "postback", "webview"})
_KINDS = _ITEM_KINDS | {"reply", "locationRequest"}


def faults_of(message: Mapping[str, object]) -> list[str]:
    """What Sunshine would refuse in a message that is posted; empty when it takes it."""
    faults = _author(_object(message, "author")) + metadata_faults(message.get("metadata"))
    content = _object(message, "content")
    check = _CHECKS.get(str(content.get("type")))
    if check is None:
        return [*faults, "content.type must be one of text, image, file, location, carousel, list"]
    return faults + check(content)


def _author(author: Json) -> list[str]:
    faults = []
    if author.get("type") not in {"business", "user"}:
        faults.append("author.type must be business or user")
    subtypes = author.get("subtypes", [])
    if not isinstance(subtypes, list) or set(map(str, subtypes)) - {"AI", "activity"}:
        faults.append("author.subtypes must be AI or activity")
    if author.get("type") == "user" and not (author.get("userId") or author.get("userExternalId")):
        faults.append("author.userId or author.userExternalId is required")
    faults += _text(author, "displayName", ITEM_UNITS) + _text(author, "avatarUrl", URL_UNITS)
    return faults


def metadata_faults(metadata: object) -> list[str]:
    """What Sunshine would refuse in facts that go with a message, a conversation or control."""
    if metadata is None:
        return []
    if not isinstance(metadata, dict) or any(not isinstance(value, str | int | float) for value in metadata.values()):
        return ["metadata must be a flat object"]
    size = sum(measure(str(key) + str(value), Unit.BYTES) + 6 for key, value in metadata.items())
    return [] if size <= METADATA_BYTES else ["metadata is limited to 4KB"]


def _words(content: Json) -> list[str]:
    faults = []
    for field in ("text", "htmlText", "markdownText"):
        faults += _text(content, field, TEXT_UNITS, is_blank_fine=False)
    if "htmlText" in content and "markdownText" in content:
        faults.append("htmlText cannot be used with markdownText")
    faults += _actions(content.get("actions", []), _KINDS, most=0)
    return faults


def _text_message(content: Json) -> list[str]:
    is_empty = not any(content.get(field) for field in ("text", "htmlText", "markdownText", "actions"))
    return (["text is required"] if is_empty else []) + _words(content)


def _file(content: Json) -> list[str]:
    faults = _words({key: value for key, value in content.items() if key != "text" or value})
    if not _is_web_address(content.get("mediaUrl")):
        faults.append("mediaUrl must be a http or https address")
    return faults + _text(content, "altText", ITEM_UNITS) + _read_only(content, "mediaType", "mediaSize")


def _read_only(content: Json, *names: str) -> list[str]:
    """Fields that Sunshine fills itself."""
    return [f"{name} is read only" for name in names if name in content]


def _location(content: Json) -> list[str]:
    where = _object(content, "coordinates")
    if not all(isinstance(where.get(axis), int | float) for axis in ("lat", "long")):
        return ["coordinates.lat and coordinates.long are required"]
    return _read_only(content, "text")


def _items(content: Json) -> list[str]:
    items = content.get("items")
    if not isinstance(items, list) or not 1 <= len(items) <= ITEMS:
        return [f"items must hold 1 to {ITEMS}"]
    faults = _actions(content.get("actions", []), _ITEM_KINDS, most=10) + _read_only(content, "text")
    for item in items:
        if not isinstance(item, dict) or not item.get("title"):
            faults.append("an item needs a title")
            continue
        faults += _text(item, "title", ITEM_UNITS) + _text(item, "description", ITEM_UNITS)
        if "mediaUrl" in item and not _is_web_address(item["mediaUrl"]):
            faults.append("an item's mediaUrl must be a http or https address")
        faults += _text(item, "mediaUrl", URL_UNITS)
        faults += _actions(item.get("actions", []), _ITEM_KINDS, most=ITEM_ACTIONS, least=1)
    return faults


def _actions(actions: object, kinds: frozenset[str], *, most: int, least: int = 0) -> list[str]:
    if not isinstance(actions, list) or len(actions) < least or (most and len(actions) > most):
        return [f"actions must hold {least} to {most}"]
    found = [str(action.get("type")) for action in actions if isinstance(action, dict)]
    faults = [f"an action of the type {kind} has no place here" for kind in found if kind not in kinds]
    if "reply" in found and set(found) != {"reply"}:
        faults.append("reply actions cannot be mixed with others")
    return faults + [fault for action in actions if isinstance(action, dict) for fault in _action(action)]


def _action(action: Json) -> list[str]:
    faults = [] if str(action.get("text", "")).strip() else ["an action needs a text"]
    if action.get("type") in {"reply", "postback"} and not action.get("payload"):
        faults.append("an action needs a payload")
    if action.get("type") == "link" and not _is_web_address(action.get("uri")):
        faults.append("a link needs a http or https address")
    return faults


_CHECKS: dict[str, Callable[[Json], list[str]]] = {
    "text": _text_message,
    "image": _file,
    "file": _file,
    "location": _location,
    "carousel": _items,
    "list": _items,
}


def _text(fields: Mapping[str, object], name: str, limit: int, *, is_blank_fine: bool = True) -> list[str]:
    if name not in fields:
        return []
    value = fields[name]
    if not isinstance(value, str):
        return [f"{name} must be a text"]
    if not is_blank_fine and not value.strip():
        return [f"{name} must not be empty"]
    too_long = measure(value, Unit.UTF16) > limit
    return [f"{name} must be at most {limit} characters"] if too_long else []


def _is_web_address(value: object) -> bool:
    return isinstance(value, str) and value.startswith(("https://", "http://"))


def _object(fields: Mapping[str, object], name: str) -> Json:
    value = fields.get(name)
    return value if isinstance(value, dict) else {}


def labels_of(actions: object) -> Sequence[str]:
    """What stands on the buttons."""
    if not isinstance(actions, list):
        return []
    return [str(action.get("text", "")) for action in actions if isinstance(action, dict)]
