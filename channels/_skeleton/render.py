"""What the calls look like that show a message: text, pictures by their address, quick replies; the rest degrades."""

from __future__ import annotations

from collections.abc import Sequence

from channels.degrading import Limits, fitted
from channels.formatting import Formatted, Unit, from_markdown, split, without_lone_surrogates
from channels.shortening import shortened_value
from gateway.core.channel import Call
from gateway.core.errors import GiveUp
from gateway.core.messages import AnyPart, Choice, Media, MediaKind, Outgoing, Text

SEND = "messages"
TEXT_CHARS = 2000
QUICK_REPLIES = 10
LABEL_CHARS = 20
VALUE_BYTES = 200
MEDIA: frozenset[MediaKind] = frozenset({"image", "document"})

LIMITS = Limits(choice_units=TEXT_CHARS, quick_replies=QUICK_REPLIES, quick_reply_units=LABEL_CHARS, media=MEDIA)


def render(message: Outgoing) -> tuple[Call, ...]:
    """The calls in order, at least one. Raises ``GiveUp`` when nothing of the message can be shown."""
    calls: list[Call] = []
    losses: list[str] = []
    for each in fitted(message.parts, LIMITS):
        losses.extend(each.losses)
        contents = _contents(each.part, message) if each.part is not None else []
        for content in contents:
            calls.append(Call(SEND, {"to": message.recipient, **content}, losses=tuple(losses)))
            losses = []
    if not calls:
        raise GiveUp("not_supported", f"nothing of it can be shown: {', '.join(losses) or 'it is empty'}")
    first = calls[0]
    first.params.update({"reply_to": message.reply_to} if message.reply_to else {})
    last = calls[-1]
    calls[-1] = Call(last.method, last.params, last.uploads, (*last.losses, *losses))
    return tuple(calls)


def _contents(part: AnyPart, message: Outgoing) -> Sequence[dict[str, object]]:
    match part:
        case Text():
            return [{"text": piece} for piece in _pieces(part.text, is_markdown=part.markup == "markdown")]
        case Choice():
            [question] = _pieces(part.text, is_markdown=part.markup == "markdown") or [""]
            replies = [
                {"label": option.label, "value": shortened_value(option.value, VALUE_BYTES)} for option in part.options
            ]
            return [{"text": question, "quick_replies": replies}]
        case Media():
            caption: list[dict[str, object]] = [{"text": piece} for piece in _pieces(part.caption, is_markdown=False)]
            url = message.links.get(part.blob, "") or part.url
            return [{"file": url, "kind": part.kind}, *caption] if url else caption
        case _:
            return []


def _pieces(text: str, *, is_markdown: bool) -> list[str]:
    """Plain text within the limit: this provider knows no formatting, so a link's target stands behind its words."""
    clean = without_lone_surrogates(text.replace("\0", "\ufffd"))
    formatted = from_markdown(clean) if is_markdown else Formatted(clean)
    plain = formatted.text
    for span in sorted(formatted.spans, reverse=True):
        if span.url and span.url != plain[span.start : span.end]:
            plain = f"{plain[: span.end]} ({span.url}){plain[span.end :]}"
    return [piece.text for piece in split(Formatted(plain), TEXT_CHARS, Unit.CHARACTERS)]
