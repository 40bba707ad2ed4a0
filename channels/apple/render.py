"""Turns a message of ours into calls of Apple's gateway. Pure, and the same calls in the same order every time.

What may be shown depends on the customer's device, which tells with every message what it can: quick replies and lists
go to those that have them, numbered lines to the others. The id of each call follows from the message's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import get_args
from urllib.parse import quote

import msgspec

from channels.apple import tiles
from channels.apple.wire import ATTACHED, EXTENSION
from channels.degrading import Fitted, Limits, fitted
from channels.formatting import (
    Formatted,
    SpanKind,
    Unit,
    from_markdown,
    shorten,
    split,
    without_lone_surrogates,
)
from channels.shortening import shortened_value
from gateway.core.channel import Call, Upload
from gateway.core.errors import GiveUp
from gateway.core.ids import derived_id
from gateway.core.messages import (
    AnyPart,
    Author,
    Choice,
    Location,
    Media,
    MediaKind,
    Option,
    Outgoing,
    Text,
)

MESSAGE = "message"
"""The one kind of call. Its parameters: ``message``, the body without who sends it, and ``headers``."""

PICTURE = "picture"
"""A further parameter: the address of a picture on somebody's site, to be attached."""

TEXT_CHARS = 10_000
QUICK_REPLIES = range(2, 6)
QUICK_REPLY_CHARS = 24
LIST_ROWS = 30
ROW_CHARS = 80
ROW_SUBTITLE_CHARS = 120
QUESTION_CHARS = 512
BUBBLE_CHARS = 120
IDENTIFIER_BYTES = 200
LINK_TITLE_CHARS = 200

MAX_ADDRESS_CHARS = 1_900
CAPTION_CHARS = 8_000
"""Leaves room for the address of a picture that cannot be had."""

_PICTURES: frozenset[MediaKind] = frozenset({"image", "animation", "sticker"})

MEDIA: frozenset[MediaKind] = frozenset(get_args(MediaKind))

_PLAINEST = Limits(
    choice_units=QUESTION_CHARS,
    url_buttons=1,
    button_units=LINK_TITLE_CHARS,
    quick_reply_units=QUICK_REPLY_CHARS,
    row_units=ROW_CHARS,
    row_description_units=ROW_SUBTITLE_CHARS,
    media=MEDIA,
    has_location=True,
)
_LINKS_ONLY = msgspec.structs.replace(_PLAINEST, buttons=1)


class _Draft(msgspec.Struct):
    """A call before it has an id and a recipient."""

    content: dict[str, object]
    uploads: tuple[Upload, ...] = ()
    picture: str = ""
    losses: tuple[str, ...] = ()


def render(message: Outgoing) -> tuple[Call, ...]:
    """The calls that show *message*. Raises ``GiveUp`` when nothing of it can be shown here."""
    traits = frozenset(message.traits.split(","))
    drafts: list[_Draft] = []
    losses: list[str] = ["quoted message"] if message.reply_to else []
    for shown in fitted(message.parts, _limits(traits)):
        made = _drafts(shown, traits)
        losses.extend(() if made else shown.losses)
        drafts.extend(made)
    if not drafts:
        raise GiveUp("not_supported", f"nothing to show ({', '.join(losses) or 'no content'})")
    drafts[0].losses = (*losses, *drafts[0].losses)
    return tuple(_call(message, number, draft) for number, draft in enumerate(drafts))


def call_id(message: Outgoing, number: int) -> str:
    """The id under which Apple knows the call of that number, at every try."""
    return str(message.message_id if number == 0 else derived_id(message.message_id, f"call {number}"))


def _call(message: Outgoing, number: int, draft: _Draft) -> Call:
    identity = call_id(message, number)
    body: dict[str, object] = {"v": 1, "id": identity, "destinationId": message.recipient}
    if message.language:
        body["locale"] = message.language.replace("-", "_")
    body.update(draft.content)
    if "interactiveData" in body:
        body["interactiveData"] = _interactive(identity, draft.content["interactiveData"])
    headers = {} if message.author is Author.AGENT else {"auto-reply": "true"}
    params: dict[str, object] = {"message": body, "headers": headers}
    if draft.picture:
        params[PICTURE] = draft.picture
    return Call(MESSAGE, params, draft.uploads, draft.losses)


def _interactive(identity: str, data: object) -> dict[str, object]:
    """The answer repeats ``requestIdentifier``, so the message that asked is known by it."""
    answerable = {"version": "1.0", "requestIdentifier": identity, **msgspec.convert(data, dict[str, object])}
    return {"bid": EXTENSION, "data": answerable}


# ---------------------------------------------------------------- by device


def _limits(traits: frozenset[str]) -> Limits:
    return msgspec.structs.replace(
        _LINKS_ONLY,
        quick_replies=QUICK_REPLIES.stop - 1 if "QUICK" in traits else 0,
        list_rows=LIST_ROWS if "LIST" in traits else 0,
    )


def _drafts(shown: Fitted, traits: frozenset[str]) -> Sequence[_Draft]:
    match shown.part:
        case Choice():
            return _choice(shown.part, shown.losses, traits)
        case None:
            return ()
        case part:
            drafts = _plain_part(part)
            if drafts:
                drafts[0].losses = (*shown.losses, *drafts[0].losses)
            return drafts


def _plain_part(part: AnyPart) -> Sequence[_Draft]:
    match part:
        case Text():
            return _texts(_words(part.text, is_markdown=part.markup == "markdown"))
        case Media():
            return _media(part)
        case Location():
            return (_place(part),)
        case _:  # what the limits do not name never comes here
            return ()


# ---------------------------------------------------------------- text


def _texts(text: str) -> list[_Draft]:
    return [_text(piece.text) for piece in split(Formatted(text), TEXT_CHARS, Unit.CHARACTERS)]


def _text(text: str) -> _Draft:
    return _Draft({"type": "text", "body": text})


def _clean(text: str) -> str:
    return without_lone_surrogates(text).replace("\0", "\ufffd")


def _words(text: str, *, is_markdown: bool) -> str:
    """Plain words. A link's target stands behind it in brackets, unless the words are the target themselves."""
    clean = _clean(text)
    if not is_markdown:
        return clean
    formatted = from_markdown(clean)
    pieces, start = [], 0
    for span in formatted.spans:
        shown = formatted.text[span.start : span.end]
        if span.kind is SpanKind.LINK and shown not in {span.url, span.url.removeprefix("mailto:")}:
            pieces += [formatted.text[start : span.end], f" ({span.url})"]
            start = span.end
    return "".join([*pieces, formatted.text[start:]])


# ---------------------------------------------------------------- files and places


def _media(media: Media) -> list[_Draft]:
    """A file of ours is attached, and so is a picture on somebody's site; of other files the address is said."""
    caption = _clean(media.caption).replace(ATTACHED, "").strip()
    is_shown = media.kind in _PICTURES and _is_web_address(media.url)
    if not media.blob and not is_shown:
        loss = f"{media.kind} as a link" if media.url else "media without a source"
        drafts = _texts("\n".join(filter(None, (caption, _clean(media.url)))))
        return [msgspec.structs.replace(draft, losses=(loss,)) for draft in drafts[:1]] + drafts[1:]
    pieces = split(Formatted(caption), CAPTION_CHARS, Unit.CHARACTERS)
    first = _text(f"{pieces[0].text} {ATTACHED}" if pieces else ATTACHED)
    first.losses = ("caption in one piece",) if len(pieces) > 1 else ()
    if media.blob:
        first.uploads = (Upload("attachments", media.blob, _clean(media.name) or media.kind, media.mime),)
    else:
        first.picture = media.url
    return [first, *(_text(piece.text) for piece in pieces[1:])]


def _is_web_address(url: str) -> bool:
    return url.startswith(("https://", "http://")) and len(url) <= MAX_ADDRESS_CHARS


def _place(place: Location) -> _Draft:
    """A link that the phone opens in its maps."""
    at = f"{place.latitude:.6f},{place.longitude:.6f}"
    name = _clean(place.name or place.address).strip()
    url = f"https://maps.apple.com/?ll={at}&q={quote(name or at)}"
    title = " · ".join(dict.fromkeys(filter(None, (name, _clean(place.address).strip()))))
    return _rich_link(url, title or at, tiles.PLACE)


def _rich_link(url: str, title: str, image: Mapping[str, str]) -> _Draft:
    link = {"url": url, "title": shorten(title, LINK_TITLE_CHARS)}
    return _Draft({"type": "richLink", "richLinkData": {**link, "assets": {"image": dict(image)}}})


# ---------------------------------------------------------------- choices


def _choice(choice: Choice, losses: tuple[str, ...], traits: frozenset[str]) -> Sequence[_Draft]:
    question = _words(choice.text, is_markdown=choice.markup == "markdown")
    options = choice.options
    values = [_identifier(option) for option in options]
    if choice.style == "buttons" and options[0].url:
        asked = [] if question == options[0].label else _texts(question)
        drafts = [*asked, _rich_link(options[0].url, _clean(options[0].label), tiles.PAGE)]
    elif len(set(values)) == len(values) and choice.style == "quick_replies" and len(options) in QUICK_REPLIES:
        drafts = [_quick_reply(question, options, values)]
    elif len(set(values)) == len(values) and "LIST" in traits:
        drafts = _list(question, options, values)
    else:
        return _numbered(choice)
    drafts[-1].losses = losses
    return drafts


def _numbered(choice: Choice) -> Sequence[_Draft]:
    """For what neither form of Apple's takes: one answer alone, or two that mean the same."""
    [shown] = fitted((choice,), _PLAINEST)
    return _drafts(shown, frozenset())


def _identifier(option: Option) -> str:
    return shortened_value(_clean(option.value or option.label), IDENTIFIER_BYTES)


def _quick_reply(question: str, options: Sequence[Option], values: Sequence[str]) -> _Draft:
    items = [
        {"identifier": value, "title": _clean(option.label)} for option, value in zip(options, values, strict=True)
    ]
    return _Draft(
        {"type": "interactive", "interactiveData": {"quick-reply": {"summaryText": question, "items": items}}}
    )


def _list(question: str, options: Sequence[Option], values: Sequence[str]) -> list[_Draft]:
    """A bubble that opens a list. A long question goes before it as a text, and the bubble repeats its last line."""
    drafts = []
    title = question.strip()
    if len(title) > BUBBLE_CHARS or "\n" in title:
        drafts = _texts(title)
        lines = [line.strip() for line in title.splitlines() if line.strip() and "://" not in line]
        title = shorten(lines[-1] if lines else options[0].label, BUBBLE_CHARS)
    bubble = {"title": title, "style": "icon"}
    section = {"title": title, "order": 0, "multipleSelection": False, "items": _items(options, values)}
    picker = {"multipleSelection": False, "sections": [section]}
    data = {"listPicker": picker, "receivedMessage": bubble, "replyMessage": dict(bubble)}
    return [*drafts, _Draft({"type": "interactive", "interactiveData": data})]


def _items(options: Sequence[Option], values: Sequence[str]) -> list[dict[str, object]]:
    items: list[dict[str, object]] = []
    for place, (option, value) in enumerate(zip(options, values, strict=True)):
        item: dict[str, object] = {"identifier": value, "title": _clean(option.label), "order": place, "style": "icon"}
        if option.description:
            item["subtitle"] = _clean(option.description)
        items.append(item)
    return items
