"""The demo's page, in Chromium: a phone for every app, the web, a person at the desk, and every step below."""

from __future__ import annotations

import asyncio
import base64
import re
from pathlib import Path

import pytest
from browser_demo import Demo
from browser_launch import Device
from browser_watch import Watch
from playwright.async_api import FrameLocator, Locator, Page, expect

EVIL = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script><b>fin</b>'
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


QUESTION = "quiero cambiar de plan"
PLANS = ("Esencial", "Plus", "Ilimitado")
PLAN_QUESTION = "¿A cuál quieres cambiarte?"
LINE_QUESTION = "¿Cuál es el número de la línea?"
TEXT_ONLY = {"twilio-sms"}


class Sandbox:
    """The page as one finds it. Where one phone is enough it is Telegram's."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.phone = self.phone_of("telegram")
        self.field = self.phone.get_by_role("textbox")
        self.ask = page.get_by_role("textbox", name="Pregunta en todos los canales a la vez")
        self.trail = page.locator("tertulia-trail")
        self.desk: FrameLocator = page.frame_locator("#pane-desk iframe")
        self.site: FrameLocator = page.frame_locator("#pane-site iframe")

    def phone_of(self, name: str) -> Locator:
        return self.page.locator(f"#pane-phone-{name} tertulia-phone")

    async def names(self) -> list[str]:
        """The phones that there are."""
        panes = self.page.locator(".pane[id^=pane-phone-]")
        await expect(panes.first).to_be_attached()
        return [(await pane.get_attribute("id") or "").removeprefix("pane-phone-") for pane in await panes.all()]

    async def look_at(self, name: str) -> None:
        """Where only one fits, the tab of that phone."""
        tab = self.page.locator(f"#tab-phone-{name}")
        if await tab.is_visible():
            await tab.click()

    async def answer_of(self, name: str, words: str) -> Locator:
        """The newest message on that phone, once it says so."""
        newest = self.phone_of(name).locator(".row.theirs").last
        await expect(newest, name).to_contain_text(words)
        await self.look_at(name)
        await expect(newest, name).to_be_visible()
        return newest

    async def form_of(self, answer: Locator, labels: tuple[str, ...]) -> str:
        """How an answer offers these labels: as ``keys``, in a ``list`` that opens, or as ``numbers`` to type."""
        if await answer.locator(".opener").count():
            await answer.locator(".opener").click()
            lines = self.page.get_by_role("dialog").locator(".line")
            await expect(lines).to_have_text([re.compile(label) for label in labels])
            await self.page.keyboard.press("Escape")
            await expect(self.page.get_by_role("dialog")).to_have_count(0)
            return "list"
        if await answer.locator(".key").count():
            await expect(answer.locator(".key")).to_have_text([re.compile(label) for label in labels])
            return "keys"
        for number, label in enumerate(labels, 1):
            await expect(answer).to_contain_text(f"{number}. {label}")
        return "numbers"

    async def choose(self, name: str, answer: Locator, form: str, label: str, number: int) -> None:
        match form:
            case "keys":
                await answer.locator(".key", has_text=label).click()
            case "list":
                await answer.locator(".opener").click()
                await self.page.get_by_role("dialog").locator(".line", has_text=label).click()
            case _:
                field = self.phone_of(name).get_by_role("textbox")
                await field.fill(str(number))
                await field.press("Enter")

    async def write(self, text: str) -> None:
        await self.field.fill(text)
        await self.field.press("Enter")

    def bubble(self, text: str, side: str = "theirs") -> Locator:
        return self.phone.locator(f".row.{side} .bubble", has_text=text).last

    def line(self, text: str) -> Locator:
        """The newest line of the panel with these words."""
        return self.trail.locator("li", has_text=text).first


@pytest.fixture
async def sandbox(open_page, demo: Demo) -> Sandbox:
    page = await open_page(demo.page("sandbox"))
    sandbox = Sandbox(page)
    await expect(sandbox.field).to_be_visible()
    assert "token" not in page.url
    return sandbox


async def test_the_same_bot_answers_on_the_phone_and_on_the_web_and_the_panel_tells_how(sandbox: Sandbox) -> None:
    await sandbox.page.get_by_role("button", name="¿Cuál es mi saldo?", exact=True).first.click()
    await expect(sandbox.bubble("de saldo")).to_be_visible()
    await expect(sandbox.phone.locator(".row.own").last.get_by_text("Leído")).to_be_attached()
    widget = sandbox.site.locator("tertulia-widget")
    await expect(widget.locator("tertulia-thread .row.bot .bubble", has_text="de saldo").last).to_be_visible()

    web = sandbox.trail.locator("li").filter(has=sandbox.page.locator(".app", has_text=re.compile("^Web$"))).first
    phone = sandbox.trail.locator("li", has_text="Telegram").first
    for line in (web, phone):
        await expect(line.locator(".step code")).to_have_text("balance")
        await expect(line.get_by_text("Enviado")).to_be_visible()
        await expect(line.locator(".total")).to_have_text(re.compile(r"\d+([.,]\d+)? m?s"))
    await expect(web.get_by_text("Leído")).to_be_visible()

    await phone.get_by_role("button").click()
    await expect(phone.get_by_role("heading", name="Intenciones posibles")).to_be_visible()
    await expect(phone.locator(".candidates .chosen code")).to_have_text("balance")
    await expect(phone.locator(".replies")).to_contain_text("de saldo")
    await phone.get_by_role("button").click()
    await expect(phone.locator(".detail")).to_have_count(0)


async def test_the_same_question_on_every_channel_is_shown_by_each_app_in_its_own_way(
    open_page, demo: Demo, shoot
) -> None:
    wide = Sandbox(await open_page(demo.page("sandbox"), "desktop"))
    small = Sandbox(await open_page(demo.page("sandbox"), "phone"))
    await expect(wide.ask).to_be_visible()
    names = await wide.names()
    assert len(names) == len(set(names)) >= 2
    assert await small.names() == names
    await wide.ask.fill(QUESTION)
    await wide.ask.press("Enter")
    forms: dict[str, str] = {}
    for name in names:
        for sandbox, device in ((small, "phone"), (wide, "desktop")):
            answer = await sandbox.answer_of(name, PLAN_QUESTION)
            forms[name] = await sandbox.form_of(answer, PLANS)
            await shoot(sandbox.page if device == "phone" else sandbox.phone_of(name), f"every-{device}-{name}")
    await expect(wide.site.locator("tertulia-thread .row.bot .bubble").last).to_contain_text(PLAN_QUESTION)
    assert {name for name, form in forms.items() if form == "numbers"} <= TEXT_ONLY
    await wide.page.locator(".knob").first.click()
    await shoot(wide.page, "every-desktop")

    for number, name in enumerate(names):
        place = number % len(PLANS)
        await wide.choose(name, await wide.answer_of(name, PLAN_QUESTION), forms[name], PLANS[place], place + 1)
        await small.answer_of(name, LINE_QUESTION)
    await wide.ask.fill("ya no quiero")
    await wide.ask.press("Enter")
    for name in names:
        await expect(wide.phone_of(name).locator(".row.theirs").last, name).not_to_contain_text(LINE_QUESTION)


async def test_what_stands_out_of_sight_is_told_at_its_name_until_it_is_looked_at(sandbox: Sandbox) -> None:
    names = await sandbox.names()
    await expect(sandbox.page.locator(f"#shelf-phone-{names[0]}")).to_have_class(re.compile("seen"))
    far = sandbox.page.locator(f"#shelf-phone-{names[-1]}")
    await expect(far).not_to_have_class(re.compile("seen"))
    before = await sandbox.phone_of(names[-1]).locator(".row.theirs").count()
    act = "path => fetch(path, {method: 'POST', body: JSON.stringify({text: '¿a qué hora abren?'})})"
    await sandbox.page.evaluate(act, f"/sandbox/api/phones/{names[-1]}/writes")
    await expect(sandbox.phone_of(names[-1]).locator(".row.theirs")).not_to_have_count(before)
    await expect(far).to_have_accessible_name(re.compile("hay algo nuevo"))
    await far.click()
    await expect(sandbox.phone_of(names[-1])).to_be_in_viewport(ratio=0.9)
    await expect(far).not_to_have_accessible_name(re.compile("hay algo nuevo"))


async def test_a_person_takes_over_at_the_desk_and_gives_back(sandbox: Sandbox) -> None:
    await sandbox.write("quiero hablar con una persona")
    await expect(sandbox.desk.locator(".case", has_text="Ana").first).to_be_visible()
    await sandbox.desk.locator(".case", has_text="Ana").first.click()
    await sandbox.desk.get_by_role("button", name="Tomar", exact=True).first.click()
    answer = sandbox.desk.get_by_role("textbox", name="Tu respuesta")
    await answer.fill("Hola Ana, soy Berta.")
    await answer.press("Enter")
    await expect(sandbox.bubble("Hola Ana, soy Berta.")).to_be_visible()
    await expect(sandbox.line("Hola Ana, soy Berta.")).to_contain_text("Agente · Berta")
    await sandbox.write("gracias por atenderme")
    await expect(sandbox.line("gracias por atenderme")).to_contain_text("queda para una persona")
    await sandbox.desk.get_by_role("button", name="Devolver al bot").first.click()
    await sandbox.write("¿qué puedes hacer?")
    await expect(sandbox.line("¿qué puedes hacer?").get_by_text("Enviado")).to_be_visible()


async def _at_rest(rows: Locator) -> int:
    """How many there are, once no more come."""
    seen = -1
    while (now := await rows.count()) != seen:
        seen = now
        await asyncio.sleep(0.7)
    return seen


async def test_buttons_of_the_phone_are_pressed_where_they_stand(sandbox: Sandbox) -> None:
    answers = sandbox.phone.locator(".row.theirs")
    before = await _at_rest(answers)
    await sandbox.write("hola")
    await expect(answers).to_have_count(before + 1)
    await answers.last.locator(".key").first.click()
    await expect(answers).to_have_count(before + 2)


async def test_a_picture_and_a_place_go_out_from_the_phone(sandbox: Sandbox, tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    picture.write_bytes(PIXEL)
    await sandbox.phone.get_by_role("button", name="Adjuntar").click()
    async with sandbox.page.expect_file_chooser() as chooser:
        await sandbox.phone.get_by_role("button", name="Foto").click()
    await (await chooser.value).set_files(picture)
    image = sandbox.phone.locator(".row.own img").last
    await expect(image).to_be_visible()
    assert await image.evaluate("image => image.decode().then(() => image.naturalWidth)") == 1
    await expect(sandbox.line("[image]")).to_be_visible()
    await sandbox.phone.get_by_role("button", name="Adjuntar").click()
    await sandbox.phone.get_by_role("button", name="Ubicación").click()
    await expect(sandbox.phone.locator(".row.own .file.place").last).to_contain_text("4.64820, -74.06280")


async def test_html_of_a_customer_stays_letters_everywhere(sandbox: Sandbox) -> None:
    await sandbox.write(EVIL)
    await expect(sandbox.bubble("<b>fin</b>", "own")).to_be_visible()
    line = sandbox.line("<b>fin</b>")
    await expect(line).to_be_visible()
    await line.get_by_role("button").click()
    await expect(line.locator(".detail")).to_be_visible()
    assert await sandbox.page.evaluate("window.hacked") is None
    injected = "host => host.shadowRoot.querySelectorAll('img[src=x], script, .text b').length"
    assert await sandbox.phone.evaluate(injected) == 0
    assert await sandbox.trail.evaluate(injected) == 0


async def test_everything_changes_its_language(sandbox: Sandbox) -> None:
    await sandbox.page.get_by_role("button", name="EN", exact=True).click()
    await expect(sandbox.page.get_by_role("heading", name="What happens to each message")).to_be_visible()
    await expect(sandbox.field).to_have_attribute("placeholder", "Message")
    await expect(sandbox.site.get_by_role("heading", name="Signal as far as the light reaches")).to_be_attached()
    await sandbox.page.get_by_role("button", name="What is my balance?", exact=True).first.click()
    await expect(sandbox.bubble("credit").or_(sandbox.bubble("balance"))).to_be_visible()
    await sandbox.page.get_by_role("button", name="ES", exact=True).click()
    await expect(sandbox.field).to_have_attribute("placeholder", "Mensaje")


async def test_one_conversation_can_be_looked_at_alone(sandbox: Sandbox) -> None:
    await sandbox.write("buenas tardes")
    await expect(sandbox.line("buenas tardes")).to_be_visible()
    await sandbox.trail.get_by_role("combobox").select_option(label="Ana · Telegram")
    await expect(sandbox.trail.locator("li").filter(has_not_text="Telegram")).to_have_count(0)
    await expect(sandbox.line("buenas tardes")).to_be_visible()


async def test_a_page_that_lost_its_server_says_so_and_goes_on_by_itself(sandbox: Sandbox, watch: Watch) -> None:
    watch.expect("ERR_INTERNET_DISCONNECTED")
    watch.expect("net::")
    watch.expect("WebSocket")
    watch.expect("dynamically imported module")  # what a frame still had to load
    await sandbox.page.context.set_offline(True)
    await sandbox.write("¿hay alguien?")
    await expect(sandbox.page.get_by_role("status").first).to_contain_text("Sin conexión")
    await sandbox.page.context.set_offline(False)
    await sandbox.write("ya volví")
    await expect(sandbox.bubble("ya volví", "own")).to_be_visible()


async def test_two_pages_show_the_same_phone(open_page, demo: Demo) -> None:
    one, two = Sandbox(await open_page(demo.page("sandbox"))), Sandbox(await open_page(demo.page("sandbox")))
    await one.write("¿me ven las dos?")
    for sandbox in (one, two):
        await expect(sandbox.bubble("¿me ven las dos?", "own")).to_be_visible()
        await expect(sandbox.line("¿me ven las dos?")).to_be_visible()


@pytest.mark.parametrize("device", ["phone", "tablet", "desktop"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_fits_the_screen(open_page, demo: Demo, shoot, device: Device, scheme: str) -> None:
    page = await open_page(demo.page("sandbox"), device, scheme=scheme)
    sandbox = Sandbox(page)
    await expect(sandbox.phone_of((await sandbox.names())[0]).get_by_role("textbox")).to_be_visible()
    await expect(page.locator("tertulia-trail")).to_be_attached()
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert await page.evaluate(overflow) <= 0
    await shoot(page, f"sandbox-{device}-{scheme}")


async def test_on_a_small_screen_tabs_are_walked_by_keyboard(open_page, demo: Demo) -> None:
    page = await open_page(demo.page("sandbox"), "phone")
    await expect(page.locator("[id^=tab-phone-]").first).to_be_visible()
    first, *_, last = await page.locator("[id^=tab-phone-]").all()
    await expect(first).to_have_attribute("aria-selected", "true")
    await last.click()
    await expect(page.locator("tertulia-phone:visible")).to_have_count(1)
    await page.keyboard.press("ArrowRight")
    await expect(page.get_by_role("tab", name="Mesa")).to_be_focused()
    await expect(page.locator("#pane-desk")).to_be_visible()
    await expect(page.locator("tertulia-phone:visible")).to_have_count(0)
    await page.keyboard.press("ArrowRight")
    await expect(page.locator("tertulia-trail")).to_be_visible()
    await page.keyboard.press("ArrowRight")
    await expect(page.locator("#pane-site iframe")).to_be_visible()


async def test_the_page_without_its_token_says_what_to_do(open_page, demo: Demo, watch: Watch) -> None:
    watch.expect("401")
    watch.expect("favicon.ico")
    page = await open_page(f"{demo.url}/sandbox")
    await expect(page.get_by_role("heading")).to_contain_text("token")
