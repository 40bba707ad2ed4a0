"""The pictures of the README, made from the product itself: ``make screenshots``.

python tests/browser/screenshots.py docs/images
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from io import BytesIO
from pathlib import Path

from browser_chat import Chat
from browser_demo import Demo
from browser_desk import Desk
from browser_launch import Device, Scheme, find_browser, launched, new_context
from browser_site import Site
from PIL import Image, ImageOps
from playwright.async_api import Browser, FrameLocator, Locator, Page, expect

MAX_BYTES = 250_000
COLOURS = (256, 192, 128, 96, 64)
"""Tried in turn until a picture is small enough that is too large with all of its own."""

PAPER = "#fbf8f3"
GAP_PX = 32
PHONE_PX = 400
SHEET_PX = 1440
PHONE_HEIGHT = 0.88
LINE = "#e6dfd3"

TICKET_MS = 60_000
"""How long words may wait for Zendesk's limits before they stand on a ticket."""

PERSON = "I want to talk to a person"
FORM = [{"name": "name", "required": True}]
WELCOME = {
    "es": "Hola, soy el asistente de Faro Móvil. Pregúntame lo que quieras.",
    "en": "Hello, I am Faro Móvil's assistant. Ask me anything.",
}


class Studio:
    """A browser, and the folder that the pictures go to."""

    def __init__(self, browser: Browser, folder: Path) -> None:
        self._browser = browser
        self._folder = folder

    async def page(self, url: str, device: Device, *, scheme: Scheme = "light", language: str = "en") -> Page:
        """A new person's page."""
        context = await new_context(self._browser, device, scheme, language)
        context.set_default_timeout(20_000)
        page = await context.new_page()
        await page.goto(url)
        return page

    async def keep(self, name: str, *shots: bytes) -> None:
        """One picture, or several side by side."""
        self.store(name, side_by_side([opened(shot) for shot in shots]))

    def store(self, name: str, image: Image.Image) -> None:
        """Into the folder, with fewer colours where it would be large."""
        path = self._folder / f"{name}.png"
        image.save(path, optimize=True)
        for colours in COLOURS:
            if path.stat().st_size <= MAX_BYTES:
                break
            image.quantize(colours).save(path, optimize=True)
        print(f"{path}: {image.width} by {image.height}, {path.stat().st_size // 1024} KB")  # noqa: T201


def opened(shot: bytes) -> Image.Image:
    return Image.open(BytesIO(shot)).convert("RGB")


def with_phone(page: Image.Image, phone: Image.Image) -> Image.Image:
    """A page, and right of it a phone in the middle of its height."""
    page = ImageOps.expand(page, 1, LINE)
    height = round(page.height * PHONE_HEIGHT)
    phone = phone.resize((round(phone.width * height / phone.height), height), Image.Resampling.LANCZOS)
    sheet = Image.new("RGB", (page.width + phone.width + 3 * GAP_PX, page.height + 2 * GAP_PX), PAPER)
    sheet.paste(page, (GAP_PX, GAP_PX))
    sheet.paste(phone, (page.width + 2 * GAP_PX, (sheet.height - height) // 2))
    return sheet.resize((SHEET_PX, round(sheet.height * SHEET_PX / sheet.width)), Image.Resampling.LANCZOS)


def side_by_side(images: Sequence[Image.Image]) -> Image.Image:
    """One as it is; several as a row of phones on paper."""
    if len(images) == 1:
        return images[0]
    rows = [
        image.resize((PHONE_PX, round(image.height * PHONE_PX / image.width)), Image.Resampling.LANCZOS)
        for image in images
    ]
    height = max(row.height for row in rows)
    sheet = Image.new("RGB", (len(rows) * (PHONE_PX + GAP_PX) + GAP_PX, height + 2 * GAP_PX), PAPER)
    for place, row in enumerate(rows):
        sheet.paste(row, (GAP_PX + place * (PHONE_PX + GAP_PX), GAP_PX))
    return sheet


async def settled(page: Page, *, is_whole: bool = False) -> bytes:
    """The page (*is_whole*: also what is below the window) when its small movements are over, with nothing hovered."""
    await page.mouse.move(0, 0)
    await page.evaluate("window.scrollTo(0, 0)")
    await page.wait_for_timeout(700)
    return await page.screenshot(animations="disabled", caret="hide", full_page=is_whole)


# the pictures -----------------------------------------------------------------------------------------------------


async def sandbox(studio: Studio, demo: Demo) -> None:
    """Everybody at one table: the site, a phone for every app, the desk, and what the pipeline did."""
    page = await studio.page(demo.page("sandbox"), "desktop")
    site, desk = page.frame_locator("#pane-site iframe"), page.frame_locator("#pane-desk iframe")
    await ask_everywhere(page, "I want to change my plan", "Which one would you like?")
    await expect(bubbles(site, "bot").last).to_contain_text("Which one would you like?")
    await say_in(site, "I want to talk to a person")
    await expect(bubbles(site, "bot").last).to_contain_text("person of our team")
    await expect(desk.locator(".case").first).to_be_visible()
    await desk.locator(".case").first.click()
    await page.evaluate("document.activeElement?.blur()")
    await studio.keep("sandbox", await settled(page, is_whole=True))


async def ask_everywhere(page: Page, text: str, answer: str) -> None:
    """Ask on all phones at once, and wait for each of them."""
    field = page.get_by_role("textbox", name="Ask on every channel at once")
    await field.fill(text)
    await field.press("Enter")
    for phone in await page.locator("tertulia-phone").all():
        await expect(phone.locator(".row.theirs").last).to_contain_text(answer)


async def say_in(frame: FrameLocator, text: str) -> None:
    field = frame.locator("tertulia-widget textarea")
    await field.fill(text)
    await field.press("Enter")


def bubbles(frame: FrameLocator, author: str) -> Locator:
    return frame.locator(f"tertulia-thread .row.{author} .bubble")


async def widget(studio: Studio, demo: Demo) -> None:
    """The company's page with the chat in its corner."""
    page = await studio.page(demo.page("sandbox/site") + "&language=en", "desktop")
    await page.set_viewport_size({"width": 1280, "height": 800})
    chat = Chat(page)
    await chat.open()
    await chat.say("What is my balance?")
    await expect(chat.button("Change my plan")).to_be_visible()
    await chat.press("Change my plan")
    await chat.sees("Which one would you like?")
    await studio.keep("widget-desktop", await settled(page))


async def phones(studio: Studio, site: Site) -> None:
    """The widget on phones: the questions before it, a form in a conversation, a person who answers."""
    first = Chat(await studio.page(site.page(language="en"), "phone"))
    await first.launcher.click()
    await first.widget.get_by_label("Name").fill("Rosa Quispe")
    await first.page.keyboard.press("Tab")
    asked = await settled(first.page)
    second = await introduced(studio, site, "Luis Ortega", "light", "es")
    await plan_in_spanish(second)
    third = await introduced(studio, site, "Emma Reyes", "dark", "en")
    await third.say("I was charged twice, I want to talk to a person")
    await third.sees("person of our team")  # said at once, both would be one question
    await third.say("It is the bill of October")
    desk = Desk(await studio.page("about:blank", "desktop"), "Berta", "en")
    await desk.open(site.gateway_url, site.token)
    await desk.choose("bill of October")
    await desk.take()
    await desk.answer(
        "Hello Emma, this is Berta. You are right: it was charged twice. The second charge is on its way back."
    )
    await third.sees("on its way back", "agent")
    await third.say("Thank you, that was quick")
    planned = await settled(second.page)
    await studio.keep("widget-phone", planned)
    await studio.keep("widget-states", asked, planned, await settled(third.page))


async def introduced(studio: Studio, site: Site, name: str, scheme: Scheme, language: str) -> Chat:
    """Somebody who answered the form."""
    chat = Chat(await studio.page(site.page(language=language), "phone", scheme=scheme, language=language))
    await chat.launcher.click()
    await chat.widget.locator("form input").first.fill(name)
    await chat.widget.locator("form button[type=submit]").click()
    await expect(chat.input).to_be_visible()
    return chat


async def plan_in_spanish(chat: Chat) -> None:
    await chat.say("Quiero cambiar de plan")
    await chat.press("Plus · 25 GB · $49.900")
    await chat.sees("¿Cuál es el número de la línea?")
    await chat.say("12345")
    await chat.sees("Ese número no parece un celular nuestro")
    await chat.say("300 555 0142")
    await chat.press("Mañana")
    await expect(chat.button("Sí, confirmar")).to_be_visible()


async def desk(studio: Studio, site: Site) -> None:
    """A case with its bot's turns explained, and who else waits."""
    cases = {
        "Marta Silva": ("What is my balance?", PERSON, "My balance is wrong since yesterday"),
        "Iván Castro": ("My phone has no signal", PERSON, "The whole building has no signal"),
        "John Méndez": (PERSON, "Can I pay my bill in two parts?"),
    }
    for name, said in cases.items():
        chat = await introduced(studio, site, name, "light", "en")
        for text in said:
            await chat.say(text)
            await chat.all_is_stored()
            if text == PERSON:
                await chat.sees("person of our team")
            await chat.page.wait_for_timeout(400)
    agent = Desk(await studio.page("about:blank", "desktop"), "Berta", "en")
    await agent.open(site.gateway_url, site.token)
    await agent.choose("My balance is wrong")
    await agent.page.locator("desk-turn button").first.click()
    await agent.take()
    await agent.answer("Hello Marta, this is Berta. I am looking at your line now.")
    await agent.page.wait_for_timeout(5000)  # what it says about the taking fades
    await studio.keep("desk", await settled(agent.page))


async def zendesk(studio: Studio, demo: Demo) -> None:
    """Both ends of one conversation: the ticket that an agent answers, and the phone of who wrote."""
    page = await studio.page(demo.page("sandbox"), "desktop")
    phone = page.locator("#pane-phone-telegram tertulia-phone")
    for said, answer in {"What is my balance?": "you have", "I want to talk to a person": "person of our team"}.items():
        await say_on(phone, said)
        await expect(phone.locator(".row.theirs").last).to_contain_text(answer)
    await say_on(phone, "I was charged twice in October")
    agent = await studio.page(demo.page("sandbox/zendesk"), "desktop")
    await agent.set_viewport_size({"width": 1280, "height": 800})
    await agent.locator(".line").first.click()
    await agent.get_by_role("button", name="Take", exact=True).click()
    await agent.get_by_role("tab", name="Mine").click()
    log = agent.get_by_role("log")
    await expect(log).to_contain_text("charged twice", timeout=TICKET_MS)
    await agent.get_by_label("Message").fill(
        "Hello Ana, this is Marta. You are right: the second charge is on its way back."
    )
    await agent.get_by_role("button", name="Send").click()
    await expect(phone.locator(".row.theirs").last).to_contain_text("on its way back")
    await say_on(phone, "Thank you, that was quick")
    await expect(log).to_contain_text("that was quick", timeout=TICKET_MS)
    await phone.scroll_into_view_if_needed()
    await page.evaluate("document.activeElement?.blur()")
    await agent.evaluate("document.activeElement?.blur()")
    shot = await settled(agent)
    studio.store("zendesk", with_phone(opened(shot), opened(await phone.screenshot(animations="disabled"))))


async def say_on(phone: Locator, text: str) -> None:
    field = phone.get_by_role("textbox")
    await field.fill(text)
    await field.press("Enter")


# all of them ------------------------------------------------------------------------------------------------------


async def take_all(executable: str, folder: Path) -> None:
    """Start the demo and a site, and take every picture."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="tertulia-screenshots-") as scratch:
        async with AsyncExitStack() as stack:
            studio = Studio(await stack.enter_async_context(launched(executable)), folder)
            demo = await stack.enter_async_context(Demo(Path(scratch) / "demo", language="en"))
            await sandbox(studio, demo)
            await widget(studio, demo)
        async with AsyncExitStack() as stack:
            studio = Studio(await stack.enter_async_context(launched(executable)), folder)
            demo = await stack.enter_async_context(Demo(Path(scratch) / "zendesk", language="en", desk="zendesk"))
            await zendesk(studio, demo)
        async with AsyncExitStack() as stack:
            studio = Studio(await stack.enter_async_context(launched(executable)), folder)
            settings = {"channels.webchat.site.form": FORM, "channels.webchat.site.welcome": WELCOME}
            site = Site(Path(scratch) / "site", "", **settings)
            stack.enter_context(site.served())
            await stack.enter_async_context(site.gateway)
            await phones(studio, site)
            await desk(studio, site)


def main() -> int:
    """Take them; 1 when there is no browser."""
    executable = find_browser()
    if executable is None:
        print("there is no Chromium on this machine", file=sys.stderr)  # noqa: T201
        return 1
    asyncio.run(take_all(executable, Path(sys.argv[1])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
