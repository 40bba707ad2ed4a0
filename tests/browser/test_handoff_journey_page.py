"""The whole journey as people see it: a phone here, Zendesk's workspace there, the bot before and after."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from browser_demo import Demo
from browser_watch import Watch
from PIL import Image
from playwright.async_api import Locator, Page, expect

SLOWLY_MS = 60_000
"""What is written to a ticket may wait for Zendesk's limits; and much happens between two pages."""


def picture(colour: str) -> dict[str, object]:
    content = BytesIO()
    Image.new("RGB", (320, 200), colour).save(content, "PNG")
    return {"name": "plano.png", "mimeType": "image/png", "buffer": content.getvalue()}


class Phone:
    """The customer's, in the demo's page."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.pane = page.locator("#pane-phone-telegram")
        self.log = self.pane.get_by_role("log")

    async def writes(self, words: str) -> None:
        field = self.pane.get_by_role("textbox")
        await field.fill(words)
        await field.press("Enter")

    async def sends(self, file: dict[str, object]) -> None:
        await self.pane.get_by_role("button", name="Adjuntar").click()
        async with self._page.expect_file_chooser() as chooser:
            await self.pane.get_by_role("button", name="Foto").click()
        await (await chooser.value).set_files(file)  # type: ignore[arg-type]

    async def sees(self, words: str) -> None:
        await expect(self.log).to_contain_text(words, timeout=SLOWLY_MS)


async def test_from_not_understood_to_a_person_with_pictures_and_back_to_the_bot(
    open_page, new_person, chromium: str, dsn: str, tmp_path: Path, watch: Watch, shoot
) -> None:
    async with Demo(tmp_path / "demo", dsn, desk="zendesk") as demo:
        page = await open_page(demo.page("sandbox"))
        phone = Phone(page)
        await is_not_understood(phone)
        desk = await (await new_person()).new_page()
        await desk.goto(demo.page("sandbox/zendesk"))
        log = await is_answered_with_a_picture(desk, phone)
        await shoot(page, "handoff-journey-phone")
        await phone.sends(picture("#336699"))
        await phone.writes("así se ve el mío")
        await expect(log).to_contain_text("así se ve el mío", timeout=SLOWLY_MS)
        await expect(log.locator("img")).to_have_count(2, timeout=SLOWLY_MS)
        await shoot(desk, "handoff-journey-ticket")
        await is_solved_and_rated(desk, phone)
        await shoot(page, "handoff-journey-back")
        watch.rest()


async def is_not_understood(phone: Phone) -> None:
    theirs = phone.log.locator(".row:not(.own):not(.typing)")
    for words in ("zumbido verde borroso", "tralalá tralalí", "pimpampum glu glu"):
        before = await theirs.count()
        await phone.writes(words)
        await expect(phone.log).to_contain_text(words)
        await expect(theirs.nth(before)).to_be_visible(timeout=SLOWLY_MS)
    await expect(theirs.filter(has_text="persona del equipo").last).to_be_visible(timeout=SLOWLY_MS)


async def is_answered_with_a_picture(desk: Page, phone: Phone) -> Locator:
    log = desk.get_by_role("log")
    await desk.locator(".line").first.click()
    await expect(log).to_contain_text("zumbido verde borroso")
    await expect(log).to_contain_text("pimpampum glu glu")
    await desk.get_by_role("button", name="Tomar").click()
    await phone.sees("Marta")
    await desk.locator('input[type="file"]').set_input_files(picture("#7a5c99"))  # type: ignore[arg-type]
    await expect(desk.locator(".chip")).to_be_visible()
    answer = desk.get_by_label("Mensaje")
    await answer.fill("Hola, soy Marta. Se ve así:")
    await answer.press("Control+Enter")
    await phone.sees("Hola, soy Marta. Se ve así:")
    await expect(phone.log.locator(".row:not(.own) img").last).to_be_visible(timeout=SLOWLY_MS)
    return log


async def is_solved_and_rated(desk: Page, phone: Phone) -> None:
    await desk.get_by_role("button", name="Resolver", exact=True).click()
    await phone.sees("Marta dejó la conversación")
    await phone.pane.get_by_role("button", name="5 · Excelente").click(timeout=SLOWLY_MS)
    await phone.pane.get_by_role("button", name="No, gracias").click(timeout=SLOWLY_MS)
    await phone.sees("Gracias por tu opinión")
    await phone.writes("¿Cuál es mi saldo?")
    await phone.pane.get_by_role("button", name="Algo nuevo").click(timeout=SLOWLY_MS)  # not the solved case again
    await expect(phone.pane.get_by_role("button", name="Cambiar de plan").last).to_be_visible(timeout=SLOWLY_MS)
