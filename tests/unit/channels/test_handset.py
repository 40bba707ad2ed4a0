"""The phone of any channel: what stands on its screen, what can be pressed, and the person who reads it."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest

from channels.handset import KEPT_FILES, KEPT_MESSAGES, Handset, HandsetCustomer
from channels.sandboxes import (
    Attachment,
    Customer,
    Phone,
    PhoneButton,
    PhoneCard,
    PhoneMessage,
    PhoneSheet,
    Run,
    Shade,
    SheetRow,
    Skin,
)
from gateway.core.clock import ManualClock

AT = datetime(2026, 1, 1, tzinfo=UTC)
GREY = Shade("#888888", "#888888")
SKIN = Skin(
    app="Chat",
    title="Faro Móvil",
    subtitle={},
    header=GREY,
    on_header=GREY,
    wallpaper=GREY,
    bubble=GREY,
    ink=GREY,
    own_bubble=GREY,
    own_ink=GREY,
    soft=GREY,
    accent=GREY,
    buttons="chips",
    ticks="below",
    tail=False,
    radius_px=18,
)


class Recorded:
    """Acts of a channel that numbers its messages; presses of ``silent`` keys leave no bubble."""

    def __init__(self) -> None:
        self.done: list[object] = []
        self.language = ""
        self._numbers = itertools.count(1)

    def speaks(self, language: str) -> None:
        self.language = language

    async def writes(self, text: str) -> str:
        return self._did("writes", text)

    async def presses(self, message_id: str, button: PhoneButton) -> str:
        done = self._did("presses", message_id, button.key)
        return "" if button.key == "silent" else done

    async def sends_picture(self, content: bytes, *, name: str, mime: str, caption: str) -> str:
        return self._did("picture", content, name, mime, caption)

    async def sends_place(self, latitude: float, longitude: float) -> str:
        return self._did("place", latitude, longitude)

    def _did(self, *what: object) -> str:
        self.done.append(what)
        return f"own{next(self._numbers)}"


@pytest.fixture
def acts() -> Recorded:
    return Recorded()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def handset(acts: Recorded, clock: ManualClock) -> Handset:
    return Handset(SKIN, "+34600000001", acts, clock=clock, text_chars=100)


def says(handset: Handset, name: str, text: str = "", **fields: object) -> None:
    handset.shows(PhoneMessage(id=name, at=AT, runs=(Run(text),), **fields))  # type: ignore[arg-type]


def on_screen(handset: Handset) -> dict[str, str]:
    view = handset.view(0)
    texts = {message.id: "".join(run.text for run in message.runs) for message in view.messages}
    return {name: texts[name] for name in view.order}


def test_it_is_a_phone_with_a_customer(handset) -> None:
    phone: Phone = handset
    customer: Customer = HandsetCustomer(handset)
    assert str(customer.id) == phone.address == "+34600000001"


async def test_what_one_writes_is_told_to_the_channel_and_stands_under_its_id(handset, acts) -> None:
    await handset.writes("hola")
    says(handset, "m1", "¿qué tal?")
    assert acts.done == [("writes", "hola")]
    assert on_screen(handset) == {"own1": "hola", "m1": "¿qué tal?"}
    assert [message.is_own for message in handset.messages] == [True, False]


@pytest.mark.parametrize("text", ["", "  \n", "x" * 101])
async def test_the_app_does_not_send_nothing_or_too_much(handset, acts, text: str) -> None:
    with pytest.raises(ValueError, match=r"nothing|at most 100"):
        await handset.writes(text)
    assert acts.done == []
    assert handset.view(0).order == ()


async def test_a_view_holds_only_what_changed_since_and_every_listener_hears_of_it(handset) -> None:
    heard: list[int] = []
    unlisten = handset.listen(lambda: heard.append(1))
    says(handset, "m1", "uno")
    seen = handset.view(0).revision
    says(handset, "m2", "dos")
    view = handset.view(seen)
    assert ([message.id for message in view.messages], view.order) == (["m2"], ("m1", "m2"))
    says(handset, "m1", "UNO", is_edited=True)
    assert on_screen(handset) == {"m1": "UNO", "m2": "dos"}
    handset.takes_back("m2")
    assert handset.view(view.revision).order == ("m1",)
    count = len(heard)
    unlisten()
    says(handset, "m3")
    assert len(heard) == count == 4


async def test_ticks_cover_all_before_and_never_go_back(handset) -> None:
    for text in "abc":
        await handset.writes(text)
    handset.ticked("own2", 2)
    handset.ticked("own3", 1)
    handset.ticked("own1", 1)
    handset.ticked("unknown", 2)
    assert [message.ticks for message in handset.messages] == [2, 2, 1]
    handset.failed("own3")
    assert handset.messages[-1].is_failed


async def test_typing_ends_by_itself_or_when_something_is_said(handset, clock) -> None:
    handset.typing(10)
    await clock.advance(4)
    assert handset.view(0).typing_s == 6
    says(handset, "m1")
    assert handset.view(0).typing_s == 0


RICH = {
    "rows": ((PhoneButton("Ver web", url="https://example.org/"), PhoneButton("Sí", "yes")),),
    "cards": (PhoneCard(title="Mini", buttons=(PhoneButton("Elegir", "mini"),)),),
    "sheet": PhoneSheet(label="Opciones", rows=(SheetRow(title="Datos", key="data", description="5 GB"),)),
    "quick": (PhoneButton("Luego", "later"), PhoneButton("Calla", "silent")),
}


@pytest.mark.parametrize(("key", "label"), [("yes", "Sí"), ("mini", "Elegir"), ("data", "Datos"), ("later", "Luego")])
async def test_whatever_can_be_pressed_reaches_the_channel_and_is_said(handset, acts, key: str, label: str) -> None:
    says(handset, "m1", "¿qué plan?", **RICH)
    await handset.presses("m1", key)
    assert acts.done == [("presses", "m1", key)]
    assert on_screen(handset) == {"m1": "¿qué plan?", "own1": label}


async def test_a_press_may_leave_no_bubble(handset) -> None:
    says(handset, "m1", "¿qué plan?", **RICH)
    await handset.presses("m1", "silent")
    assert handset.view(0).order == ("m1",)


@pytest.mark.parametrize(("message", "key"), [("m1", "none"), ("m1", ""), ("m2", "yes"), ("", "yes")])
async def test_what_is_not_there_cannot_be_pressed(handset, acts, message: str, key: str) -> None:
    says(handset, "m1", **RICH)
    with pytest.raises(LookupError):
        await handset.presses(message, key)
    assert acts.done == []


async def test_chips_vanish_with_the_next_message_and_the_rest_stays(handset) -> None:
    says(handset, "m1", **RICH)
    await handset.writes("hola")
    assert handset.messages[0].quick == ()
    assert handset.messages[0].rows
    with pytest.raises(LookupError):
        await handset.presses("m1", "later")


async def test_a_keyboard_stands_until_one_of_its_keys_is_pressed(handset, acts) -> None:
    handset.set_keyboard(((PhoneButton("Sí", "yes"),),))
    assert handset.view(0).keyboard == ((PhoneButton("Sí", "yes"),),)
    await handset.presses("", "yes")
    assert acts.done == [("presses", "", "yes")]
    assert handset.view(0).keyboard == ()


async def test_pictures_and_places_are_drawn_as_they_were_sent(handset, acts) -> None:
    await handset.sends_picture(b"\x89PNG", name="a.png", mime="image/png", caption="mira")
    await handset.sends_place(4.5, -74.25)
    picture, place = handset.messages
    file = handset.file(picture.attachments[0].file)
    assert (file.content, file.mime) == (b"\x89PNG", "image/png")
    assert place.attachments == (Attachment("place", facts="4.50000, -74.25000"),)
    assert acts.done == [("picture", b"\x89PNG", "a.png", "image/png", "mira"), ("place", 4.5, -74.25)]


async def test_earlier_sittings_stand_first_and_cannot_be_pressed(handset) -> None:
    await handset.writes("hoy")
    handset.recall([PhoneMessage(id="own1", at=AT, runs=(Run("ayer"),))])
    assert on_screen(handset) == {"past-own1": "ayer", "own1": "hoy"}
    with pytest.raises(LookupError):
        await handset.presses("past-own1", "yes")


async def test_it_forgets_the_oldest(handset) -> None:
    keys = [handset.keep(b"%d" % number, "image/png") for number in range(KEPT_FILES + 1)]
    for number in range(KEPT_MESSAGES + 5):
        says(handset, f"m{number}")
    assert len(handset.messages) == KEPT_MESSAGES
    assert handset.messages[0].id == "m5"
    assert handset.file(keys[0]) is None
    assert handset.file(keys[1]) is not None


async def test_the_app_is_set_to_a_language(handset, acts) -> None:
    handset.speaks("en")
    assert acts.language == "en"


async def test_a_person_reads_each_reply_once_with_all_that_can_be_pressed(handset) -> None:
    ana = HandsetCustomer(handset)
    await ana.writes("hola")
    says(handset, "m1", "¿qué plan?", **RICH)
    says(handset, "m2", "adiós")
    reply = await ana.next_reply()
    assert (reply.text, reply.buttons) == (
        "¿qué plan?\nMini",
        ("Ver web", "Sí", "Elegir", "Datos", "Luego", "Calla"),
    )
    says(handset, "m1", "otra vez", is_edited=True)
    assert (await ana.next_reply()).text == "adiós"
    assert not ana.has_unread
    with pytest.raises(TimeoutError):
        await ana.next_reply(timeout_s=0)


async def test_a_person_presses_the_newest_button_of_that_name(handset, acts) -> None:
    ana = HandsetCustomer(handset)
    says(handset, "m1", rows=((PhoneButton("Sí", "old"),),))
    says(handset, "m2", rows=((PhoneButton("Sí", "new"),),))
    assert await ana.presses("Sí") == "new"
    assert acts.done == [("presses", "m2", "new")]
    with pytest.raises(LookupError):
        await ana.presses("Ver web")
