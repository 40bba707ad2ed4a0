"""Reads what a customer did with something interactive: chose, filled in, proved who they are, paid."""

from __future__ import annotations

from collections.abc import Sequence

from channels.apple.wire import EXTENSION, Answer, Form, FormPage, Interactive, Item, Misfit, QuickReply
from gateway.core.messages import AnyPart, Parts, Selection, Text, Unsupported

_DATA = "$.interactiveData.data"


def answered(interactive: Interactive) -> Parts:
    """The parts of an answer, at least one. Raises ``Misfit`` for one of no kind that we know.

    What a token or a payment holds stays unread: such an answer is only named.
    """
    answer = interactive.data
    if answer is None:
        if interactive.bid and interactive.bid != EXTENSION:
            return (Unsupported("imessage_app"),)
        raise Misfit("an answer without content", "$.interactiveData")
    if answer.authenticate is not None:
        status = answer.authenticate.status
        return (Unsupported(f"authentication_{status if status in {'authenticated', 'failed'} else 'unknown'}"),)
    if answer.payment is not None:
        return (Unsupported("apple_pay"),)
    return _said(answer, interactive.bid)


def _said(answer: Answer, bid: str) -> Parts:
    title = _title(answer)
    quick_reply = answer.quick_reply or answer.quick_reply_camel
    parts: Sequence[AnyPart] = ()
    if quick_reply is not None:
        parts = _pressed(quick_reply, title, answer.request_identifier)
    elif answer.list_picker is not None:
        items = [item for section in answer.list_picker.sections for item in section.items]
        parts = [_selection(item, answer.request_identifier) for item in items if item.identifier or item.title]
    elif answer.event is not None:
        parts = [
            Selection(slot.identifier or slot.start_time, slot.start_time or title, answer.request_identifier)
            for slot in answer.event.timeslots
            if slot.identifier or slot.start_time
        ]
    elif answer.dynamic is not None:
        parts = _filled_in(answer.dynamic)
    elif bid and bid != EXTENSION:
        return (Unsupported("imessage_app"),)
    if parts:
        return tuple(parts)
    if title:
        return (Selection(title, title, answer.request_identifier),)
    raise Misfit("an answer that chooses nothing", _DATA)


def _title(answer: Answer) -> str:
    return ((answer.reply_message.title if answer.reply_message else None) or "").strip()


def _pressed(reply: QuickReply, title: str, of: str) -> Sequence[AnyPart]:
    """The chosen item by its identifier, else by its place, else by the title of the customer's bubble."""
    if reply.selected_identifier:
        item = next((item for item in reply.items if item.identifier == reply.selected_identifier), None)
        return [_selection(item or Item(reply.selected_identifier, title), of)]
    index = _index(reply.selected_index)
    if 0 <= index < len(reply.items):
        return [_selection(reply.items[index], of)]
    return [_selection(item, of) for item in reply.items if title and item.title == title][:1]


def _index(given: int | str | None) -> int:
    if isinstance(given, int):
        return given
    return int(given) if given and given.isascii() and given.isdecimal() and len(given) < 6 else -1


def _selection(item: Item, of: str) -> Selection:
    title = (item.title or "").strip()
    return Selection(item.identifier or title, title, of)


def _filled_in(form: Form) -> Sequence[AnyPart]:
    """A form reads as one line a page: what was asked, and what was chosen or typed."""
    lines = [line for page in form.selections if (line := _page(page))]
    return [Text("\n".join(lines))] if lines else []


def _page(page: FormPage) -> str:
    given = ", ".join(filter(None, ((item.value or item.title or item.identifier).strip() for item in page.items)))
    asked = (page.title or page.subtitle or "").strip()
    return ": ".join(filter(None, (asked, given)))
