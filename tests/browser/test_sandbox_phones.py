"""What a phone of the page can show and do, each form by itself, whatever channel it comes from."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from browser_axe import grave_findings
from browser_handsets import PAPER, ROUND, Noted, shown
from browser_launch import Device, Scheme
from browser_watch import Watch
from playwright.async_api import Locator, Page, expect

from channels.handset import Handset
from channels.sandboxes import Attachment, PhoneButton, PhoneCard, PhoneMessage, PhoneSheet, Run, SheetRow

EVIL = "<img src=x onerror='window.hacked=1'><b>fin</b>"
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
CARDS = tuple(
    PhoneCard(title=title, subtitle=f"{data} al mes", buttons=(PhoneButton(f"Elegir {title}", title.lower()),))
    for title, data in (("Esencial", "10 GB"), ("Plus", "25 GB"), ("Ilimitado", "sin límite"))
)
SHEET = PhoneSheet(
    label="Ver los planes",
    title="Planes",
    rows=(
        SheetRow(title="Esencial", key="essential", description="10 GB", section="Con permanencia"),
        SheetRow(title="Plus", key="plus", description="25 GB", section="Sin permanencia"),
    ),
)


class Both:
    """Two phones, side by side, with the acts of the first."""

    def __init__(self) -> None:
        self.acts = Noted()
        self.round = Handset(ROUND, "1", self.acts)
        self.paper = Handset(PAPER, "2", Noted())

    def show(self, name: str, text: str = "", **more: object) -> None:
        at = datetime.now(UTC)
        for handset in (self.round, self.paper):
            runs = (Run(text),) if text else ()
            handset.shows(PhoneMessage(id=name, at=at, runs=runs, **more))  # type: ignore[arg-type]


@pytest.fixture
def both() -> Both:
    return Both()


@pytest.fixture
async def address(both: Both) -> AsyncIterator[str]:
    async with shown({"round": both.round, "paper": both.paper}) as address:
        yield address


@pytest.fixture
async def phone(open_page, address: str) -> Locator:
    page: Page = await open_page(address)
    await expect(page.locator("#pane-phone-round").get_by_role("textbox")).to_be_visible()
    return page.locator("#pane-phone-round tertulia-phone")


async def test_cards_stand_in_a_row_and_the_pressed_one_is_told(phone: Locator, both: Both) -> None:
    both.show("m1", "Estos son los planes:", cards=CARDS)
    cards = phone.locator(".card")
    await expect(cards).to_have_text(_texts(CARDS))
    assert await phone.locator(".cards").evaluate("row => row.scrollWidth > row.clientWidth")
    await cards.last.get_by_role("button").click()
    await expect(phone.locator(".row.own .text")).to_have_text("Elegir Ilimitado")
    assert both.acts.done == [("presses", "m1", "ilimitado")]


async def test_a_list_opens_over_the_screen_and_closes_without_a_choice(phone: Locator, both: Both) -> None:
    both.show("m1", "¿Cuál?", sheet=SHEET)
    opener = phone.get_by_role("button", name="Ver los planes")
    await opener.click()
    dialog = phone.get_by_role("dialog", name="Planes")
    await expect(dialog.locator(".line").first).to_be_focused()
    await expect(dialog.get_by_role("heading")).to_have_text(["Con permanencia", "Sin permanencia"])
    await phone.page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await expect(opener).to_be_focused()
    assert both.acts.done == []
    await opener.click()
    await dialog.get_by_role("button", name="Plus, 25 GB").click()
    await expect(phone.locator(".row.own .text")).to_have_text("Plus")
    assert both.acts.done == [("presses", "m1", "plus")]


async def test_chips_are_there_until_the_next_message(phone: Locator, both: Both) -> None:
    both.show("m1", "¿Algo más?", quick=(PhoneButton("Sí", "yes"), PhoneButton("No", "no")))
    await expect(phone.locator(".quick .key")).to_have_text(["Sí", "No"])
    await phone.get_by_role("button", name="No", exact=True).click()
    await expect(phone.locator(".row.own .text")).to_have_text("No")
    await expect(phone.locator(".quick")).to_have_count(0)


async def test_what_became_of_a_message_stands_below_the_newest_only(phone: Locator, both: Both) -> None:
    for text in ("uno", "dos"):
        await phone.get_by_role("textbox").fill(text)
        await phone.get_by_role("textbox").press("Enter")
    await expect(phone.locator(".row.own .text")).to_have_text(["uno", "dos"])
    await expect(phone.locator(".ticks:visible")).to_have_text(["Enviando"])
    both.round.ticked("own2", 2)
    await expect(phone.locator(".ticks:visible")).to_have_text(["Leído"])
    both.round.failed("own2")
    await expect(phone.locator(".ticks:visible")).to_have_text(["No se pudo enviar"])


async def test_writing_is_seen_until_something_is_said(phone: Locator, both: Both) -> None:
    both.round.typing(30)
    await expect(phone.locator(".typing")).to_be_visible()
    await expect(phone.locator(".subtitle")).to_have_text("escribiendo…")
    both.show("m1", "hola")
    await expect(phone.locator(".typing")).to_be_hidden()
    await expect(phone.locator(".subtitle")).to_have_text("empresa")


async def test_times_stand_where_the_app_has_them(phone: Locator, both: Both) -> None:
    now = datetime.now(UTC)
    for handset in (both.round, both.paper):
        for number, minutes in enumerate((30, 29, 1)):
            at = now - timedelta(minutes=minutes)
            handset.shows(PhoneMessage(id=f"m{number}", at=at, runs=(Run("hola"),)))
    paper = phone.page.locator("#pane-phone-paper tertulia-phone")
    await expect(phone.locator(".day")).to_have_count(2)
    await expect(phone.locator(".meta")).to_have_count(0)
    await expect(paper.locator(".day")).to_have_count(1)
    await expect(paper.locator(".meta")).to_have_count(3)


async def test_files_are_shown_played_or_named(phone: Locator, both: Both, watch: Watch) -> None:
    watch.expect("404")  # what is no picture is not handed out
    picture = both.round.keep(PIXEL, "image/png")
    page = both.round.keep(b"<script>window.hacked=1</script>", "text/html")
    sound = both.round.keep(b"OggS", "audio/ogg")
    both.round.shows(
        PhoneMessage(
            id="m1",
            at=datetime.now(UTC),
            attachments=(
                Attachment("image", "mapa.png", file=picture),
                Attachment("audio", "nota", file=sound),
                Attachment("video", "lejos", "3 MB"),
                Attachment("file", "factura.pdf", "84 kB"),
                Attachment("place", "Tienda Norte", "Calle 1"),
                Attachment("contact", "Ana", "+57 300 000 0000"),
                Attachment("image", "falsa", file=page),
            ),
        )
    )
    assert await phone.locator("img").first.evaluate("image => image.decode().then(() => image.naturalWidth)") == 1
    await expect(phone.locator("audio")).to_be_attached()
    await expect(phone.locator(".file-name")).to_have_text(["lejos", "factura.pdf", "Tienda Norte", "Ana"])
    await expect(phone.get_by_text("La imagen no se puede mostrar")).to_be_visible()
    assert await phone.evaluate("window.hacked") is None


RICH = {
    "head": "Tu factura",
    "footer": "Faro Móvil",
    "facts": "2 segmentos",
    "quotes": "¿y mi factura?",
    "who": "Berta",
    "reactions": ("👍",),
    "rows": ((PhoneButton("Pagar", "pay"), PhoneButton("Ver", url="https://example.org/")),),
}


async def test_letters_stay_letters_in_every_place(phone: Locator, both: Both) -> None:
    evil = {
        name: EVIL if isinstance(value, str) else value
        for name, value in RICH.items()
        if name not in ("rows", "reactions")
    }
    both.show(
        "m1",
        EVIL,
        **evil,
        reactions=(EVIL,),
        rows=((PhoneButton(EVIL, "a"),),),
        quick=(PhoneButton(EVIL, "b"),),
        cards=(PhoneCard(title=EVIL, subtitle=EVIL, url="javascript:window.hacked=1"),),
        sheet=PhoneSheet(label=EVIL, title=EVIL, rows=(SheetRow(title=EVIL, key="c", description=EVIL, section=EVIL),)),
        attachments=(Attachment("file", EVIL, EVIL),),
    )
    both.show("m2", EVIL, is_note=True)
    await phone.locator(".opener").click()
    await expect(phone.get_by_role("dialog")).to_be_visible()
    injected = "host => host.shadowRoot.querySelectorAll('img[src=x], script, .text b').length"
    assert await phone.evaluate(injected) == 0
    assert await phone.evaluate("window.hacked") is None


@pytest.mark.parametrize("device", ["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_everything_at_once_is_readable(
    open_page, both: Both, address: str, device: Device, scheme: Scheme, shoot
) -> None:
    both.show("m1", "Hola", **RICH)
    both.show("m2", "Estos son los planes:", cards=CARDS)
    both.show("m3", "Berta se unió a la conversación", is_note=True)
    both.show("m4", "¿Cuál?", sheet=SHEET, quick=(PhoneButton("Otro", "other"),))
    await both.round.sends_place(4.6, -74.1)
    await both.paper.writes("gracias")
    page: Page = await open_page(address, device, scheme=scheme)
    for name in ("round", "paper"):
        if device == "phone":
            await page.locator(f"#tab-phone-{name}").click()
        await expect(page.locator(f"#pane-phone-{name} .row.own")).to_be_in_viewport()
        await shoot(page, f"phones-{device}-{scheme}-{name}")
        assert await grave_findings(page) == []
        overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert await page.evaluate(overflow) <= 0
        await page.locator(f"#pane-phone-{name} .opener").click()
        assert await grave_findings(page) == []
        await shoot(page, f"phones-{device}-{scheme}-{name}-list")
        await page.keyboard.press("Escape")


def _texts(cards: tuple[PhoneCard, ...]) -> list[str]:
    return [f"{card.title}{card.subtitle}{card.buttons[0].label}" for card in cards]
