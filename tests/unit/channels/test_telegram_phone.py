"""The phone of the sandbox: what one sees on it, and what its customer may do."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.formatting import Unit, measure
from channels.sandboxes import HasPeople, HasPhone, PhoneMessage, Run, Stage
from channels.telegram.sandbox import StagedSandbox, open_sandbox
from channels.telegram.sandbox_phone import KEPT_CALLS, KEPT_MESSAGES, TelegramPhone, runs_of
from gateway.core.clock import ManualClock

STAGE = Stage(
    webhook_url="http://127.0.0.1:9/webhooks/telegram/demo",
    origin="http://127.0.0.1:9",
    endpoint="demo",
    bot_name="Faro Móvil",
    languages=("es", "en"),
    starters={"es": ("Hola",)},
)


@pytest.fixture
def sandbox() -> StagedSandbox:
    return open_sandbox(STAGE)


@pytest.fixture
def phone(sandbox: StagedSandbox) -> TelegramPhone:
    return sandbox.phone("Ana", "es")


def texts(phone: TelegramPhone, after: int = 0) -> list[str]:
    return ["".join(run.text for run in message.runs) for message in phone.view(after).messages]


def says(sandbox: StagedSandbox, phone: TelegramPhone, **params: object) -> None:
    sandbox._api.call("sendMessage", {"chat_id": phone.address, **params}, {})


def test_the_sandbox_offers_a_phone_and_people(sandbox: StagedSandbox) -> None:
    assert isinstance(sandbox, HasPhone)
    assert isinstance(sandbox, HasPeople)


async def test_both_sides_are_on_the_screen_in_order_and_a_later_view_holds_only_what_is_new(sandbox, phone) -> None:
    await phone.writes("hola")
    first = phone.view(0)
    says(sandbox, phone, text="¿qué tal?")
    later = phone.view(first.revision)
    assert [message.is_own for message in phone.view(0).messages] == [True, False]
    assert texts(phone, first.revision) == ["¿qué tal?"]
    assert len(later.order) == 2
    assert phone.view(later.revision).messages == ()


async def test_own_messages_are_read_once_the_bot_has_taken_them(sandbox, phone) -> None:
    await phone.writes("hola")
    [before] = phone.view(0).messages
    sandbox._world.taken({"update_id": 1, "message": {"message_id": int(before.id), "chat": {"id": phone._person.id}}})
    [after] = phone.view(0).messages
    assert (before.ticks, after.ticks) == (1, 2)


async def test_a_button_is_pressed_by_its_place_even_when_two_have_the_same_label(sandbox, phone) -> None:
    heard = []
    sandbox._world.on_update = heard.append
    rows = [[{"text": "Sí", "callback_data": "a"}, {"text": "Sí", "callback_data": "b"}]]
    says(sandbox, phone, text="¿Seguro?", reply_markup={"inline_keyboard": rows})
    [message] = phone.view(0).messages
    await phone.presses(message.id, message.rows[0][1].key)
    assert [update["callback_query"]["data"] for update in heard] == ["b"]


@pytest.mark.parametrize(("message", "key"), [("99", "0.0"), ("x", "0.0"), ("", "0.0"), ("", "-1.0"), ("", "zero")])
async def test_a_button_that_is_not_there_cannot_be_pressed(phone, message: str, key: str) -> None:
    with pytest.raises(LookupError):
        await phone.presses(message, key)


async def test_a_keyboard_goes_when_one_of_its_buttons_was_pressed(sandbox, phone) -> None:
    says(sandbox, phone, text="¿Cuándo?", reply_markup={"keyboard": [["Hoy"], [{"text": "Mañana"}]]})
    [[_], [tomorrow]] = phone.view(0).keyboard
    await phone.presses("", tomorrow.key)
    assert texts(phone)[-1] == "Mañana"
    assert phone.view(0).keyboard == ()


@pytest.mark.parametrize("text", ["", "  \n", "x" * 4097])
async def test_what_the_app_would_not_send_is_refused(phone, text: str) -> None:
    with pytest.raises(ValueError, match=r"message|nothing"):
        await phone.writes(text)


async def test_typing_is_shown_for_five_seconds_or_until_the_message() -> None:
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    sandbox = StagedSandbox(STAGE, clock)
    phone = sandbox.phone("Ana", "es")
    sandbox._api.call("sendChatAction", {"chat_id": phone.address, "action": "typing"}, {})
    assert phone.view(0).typing_s == 5
    await clock.advance(2)
    assert phone.view(0).typing_s == 3
    says(sandbox, phone, text="aquí")
    assert phone.view(0).typing_s == 0


async def test_a_picture_can_be_looked_at_and_a_place_is_told(phone) -> None:
    await phone.sends_picture(b"\x89PNG...", name="a.png", mime="image/png", caption="")
    await phone.sends_place(4.5, -74.25)
    [picture], [place] = (message.attachments for message in phone.view(0).messages)
    assert picture is not None
    assert phone.file(picture.file).content == b"\x89PNG..."
    assert (place.kind, place.facts) == ("place", "4.50000, -74.25000")
    assert phone.file("nothing") is None


async def test_what_was_said_earlier_comes_first_and_is_not_said_again(phone) -> None:
    await phone.writes("hoy")
    phone.recall([PhoneMessage(id="1", at=datetime(2026, 1, 1, tzinfo=UTC), runs=(Run("ayer"),))])
    assert [dict(zip(phone.view(0).order, texts(phone), strict=True))[name] for name in phone.view(0).order] == [
        "ayer",
        "hoy",
    ]


async def test_a_long_evening_needs_no_more_memory_than_a_screen(sandbox, phone) -> None:
    for number in range(KEPT_MESSAGES * 2 + KEPT_CALLS * 2 + 10):
        says(sandbox, phone, text=str(number))
    assert len(phone.view(0).order) == KEPT_MESSAGES
    assert len(sandbox._world.log) <= KEPT_CALLS * 2
    assert len(phone._person.chat.messages) <= KEPT_MESSAGES * 2
    assert phone._person.chat.unread.qsize() <= 1


async def test_whoever_listens_hears_of_changes_until_they_leave(phone) -> None:
    heard = asyncio.Event()
    leave = phone.listen(heard.set)
    await phone.writes("hola")
    assert heard.is_set()
    heard.clear()
    leave()
    await phone.writes("otra")
    assert not heard.is_set()


@given(
    st.text(max_size=40),
    st.lists(st.tuples(st.integers(0, 50), st.integers(1, 50), st.sampled_from(["bold", "code", "url"])), max_size=4),
)
def test_cutting_a_text_into_looks_loses_no_letter(text: str, marks: list[tuple[int, int, str]]) -> None:
    units = measure(text, Unit.UTF16)
    entities = [{"type": kind, "offset": at, "length": length} for at, length, kind in marks if at + length <= units]
    letters = "".join(run.text for run in runs_of(text, entities))
    whole = all(not 0xD800 <= ord(letter) <= 0xDFFF for letter in text)
    if whole and not any(ord(letter) > 0xFFFF for letter in text):
        assert letters == text


def test_looks_and_links_stand_where_the_entities_say() -> None:
    entities = [
        {"type": "bold", "offset": 0, "length": 2},
        {"type": "text_link", "offset": 3, "length": 5, "url": "https://example.com"},
    ]
    assert runs_of("😀 aquí no", entities) == (
        Run("😀", ("bold",)),
        Run(" "),
        Run("aquí ", url="https://example.com"),
        Run("no"),
    )
