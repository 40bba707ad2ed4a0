"""The agents' page of the Zendesk sandbox, as people use it; and the two-way story of the demo, without an account."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import pytest
from aiohttp import web
from browser_axe import grave_findings
from browser_demo import Demo
from browser_launch import Device, Scheme
from browser_watch import Watch
from PIL import Image
from playwright.async_api import Locator, Page, Route, expect

import gateway.web
from channels.browser_files import BrowserFiles
from gateway.web.sandbox.doors import PAGE
from gateway.web.sandbox.zendesk import ZendeskDoors
from handoff.desks.zendesk.sandbox import AgentFile, ZendeskSandbox
from handoff.desks.zendesk.sandbox_wire import CommentInput, RequesterInput, TicketInput

UI = Path(gateway.web.__file__).parent / "ui"
TOKEN = "the-token-of-these-tests"
LONG = "Donaudampfschifffahrtsgesellschaftskapitänswitwe"

TRANSCRIPT = "Motivo: pidió una persona\n\n10:01 Ana: hola, ¿cuál es mi saldo?\n10:01 Bot: Tu saldo es de 12.400 pesos."


def picture(colour: str = "#7a5c99") -> bytes:
    content = BytesIO()
    Image.new("RGB", (320, 200), colour).save(content, "PNG")
    return content.getvalue()


class Bridge:
    """What the product does at Zendesk: cases become tickets, customers' words become comments."""

    def __init__(self, zendesk: ZendeskSandbox) -> None:
        self._world = zendesk.world
        self._bot = zendesk.world.account.person(zendesk.world.account.bot_id)

    def opens(self, name: str, subject: str = "") -> int:
        wished = TicketInput(
            subject=subject or f"WhatsApp: {name}",
            comment=CommentInput(body=TRANSCRIPT, public=False),
            requester=RequesterInput(name=name, external_id=f"contact:{name}"),
            tags=["bot", "whatsapp"],
        )
        return self._world.tickets.create(self._bot, wished).ticket.id

    def hears(self, ticket: int, text: str) -> None:
        requester = self._world.account.ticket(ticket).requester_id
        comment = CommentInput(body=text, author_id=requester)
        self._world.tickets.update(self._world.account.ticket(ticket), self._bot, TicketInput(comment=comment))


@pytest.fixture
async def zendesk() -> AsyncIterator[ZendeskSandbox]:
    async with ZendeskSandbox() as zendesk:
        yield zendesk


@pytest.fixture
def bridge(zendesk: ZendeskSandbox) -> Bridge:
    return Bridge(zendesk)


@pytest.fixture
async def address(zendesk: ZendeskSandbox, watch: Watch) -> AsyncIterator[str]:
    doors = ZendeskDoors(zendesk, TOKEN)
    application = web.Application()
    application.add_routes(doors.routes())
    files = (BrowserFiles(PAGE).route("/sandbox/files/"), BrowserFiles(UI).route("/ui/"))
    application.add_routes(files)
    runner = web.AppRunner(application, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/sandbox/zendesk?token={TOKEN}"
    watch.rest()
    await doors.hang_up()
    await runner.cleanup()


def line(page: Page, name: str) -> Locator:
    """The line of a view whose requester has that name."""
    return page.locator(".line").filter(has=page.locator("strong", has_text=re.compile(rf"^{name}")))


async def test_an_agent_takes_notes_answers_with_a_picture_and_solves(
    open_page, address: str, zendesk: ZendeskSandbox, bridge: Bridge, tmp_path: Path
) -> None:
    number = bridge.opens("Ana Silva")
    page = await open_page(address)
    await line(page, "Ana Silva").click()
    log = page.get_by_role("log")
    await expect(log.locator(".said.internal")).to_contain_text("Tu saldo es de 12.400 pesos.")
    await page.get_by_role("button", name="Tomar").click()
    await expect(page.get_by_role("tab", name="Míos")).to_contain_text("1")
    await expect(page.get_by_role("button", name="Tomar")).to_have_count(0)

    field = page.get_by_label("Mensaje")
    await page.get_by_role("button", name="Nota interna").click()
    await field.fill("Es cliente desde 2019")
    await page.get_by_role("button", name="Guardar nota").click()
    await expect(log.locator(".said.agent.internal")).to_contain_text("Es cliente desde 2019")

    await page.get_by_role("button", name="Respuesta pública").click()
    file = tmp_path / "plano.png"
    file.write_bytes(picture())
    await page.locator('input[type="file"]').set_input_files(file)
    await expect(page.locator(".chip")).to_contain_text("plano.png")
    await field.fill("Hola, Ana. <b>Mira</b> el plano.")
    await field.press("Control+Enter")
    answer = log.locator(".said.agent.public")
    await expect(answer).to_contain_text("<b>Mira</b>")
    await expect(answer.get_by_role("img", name="Foto plano.png")).to_be_visible()
    await expect(field).to_have_value("")
    await expect(page.locator(".chip")).to_have_count(0)

    bridge.hears(number, "gracias, ya entendí")
    await expect(log.locator(".said.customer")).to_contain_text("gracias, ya entendí")
    await page.get_by_label("Macros").select_option(label="Despedida y resolver")
    await expect(field).to_have_value(re.compile("Ana Silva"))
    await page.get_by_role("button", name="Enviar").click()
    await expect(page.locator(".ticket .head .status")).to_have_text("Resuelto")

    ticket = zendesk.world.account.ticket(number)
    said = [(one.is_public, one.author_id == ticket.requester_id) for one in ticket.comments]
    assert said == [(False, False), (False, False), (True, False), (True, True), (True, False)]
    assert [one.file_name for one in ticket.comments[2].attachments] == ["plano.png"]
    assert ticket.status == "solved"
    await page.get_by_role("button", name="Reabrir").click()
    await expect(page.locator(".ticket .head .status")).to_have_text("Abierto")


async def test_everything_is_done_by_keys(open_page, address: str, zendesk: ZendeskSandbox, bridge: Bridge) -> None:
    first, second = bridge.opens("Ana"), bridge.opens("Bruno")
    page = await open_page(address)
    await expect(line(page, "Bruno")).to_be_visible()
    await page.keyboard.press("j")
    await page.keyboard.press("j")
    await expect(page.get_by_role("heading", name="WhatsApp: Ana")).to_be_visible()
    await page.keyboard.press("k")
    await expect(page.get_by_role("heading", name="WhatsApp: Bruno")).to_be_visible()
    await page.keyboard.press("t")
    await expect(page.get_by_role("tab", name="Míos")).to_contain_text("1")
    await page.keyboard.press("n")
    await expect(page.get_by_role("button", name="Guardar nota")).to_be_visible()
    await page.keyboard.type("t de tinta")  # in the field a letter is a letter
    await page.keyboard.press("Control+Enter")
    await expect(page.get_by_role("log").locator(".said.agent.internal")).to_contain_text("t de tinta")
    tickets = zendesk.world.account
    assert tickets.ticket(second).assignee_id == zendesk.agent("Marta Ruiz").id
    assert tickets.ticket(first).assignee_id is None
    await page.get_by_role("tab", name="Sin asignar").focus()
    await page.keyboard.press("ArrowRight")
    await expect(page.get_by_role("tab", name="Míos")).to_be_focused()
    await expect(line(page, "Bruno")).to_be_visible()
    await page.keyboard.press("Enter")


async def test_what_is_being_written_survives_news_and_waits_for_nobody_elses_ticket(
    open_page, address: str, bridge: Bridge
) -> None:
    ana, _ = bridge.opens("Ana"), bridge.opens("Bruno")
    page = await open_page(address)
    await line(page, "Ana").click()
    field = page.get_by_label("Mensaje")
    await field.fill("A medio escr")
    bridge.hears(ana, "¿sigues ahí?")
    await expect(page.get_by_role("log")).to_contain_text("¿sigues ahí?")
    await expect(field).to_have_value("A medio escr")
    await expect(field).to_be_focused()
    await line(page, "Bruno").click()
    await expect(page.get_by_role("heading", name="WhatsApp: Bruno")).to_be_visible()
    await expect(field).to_have_value("")


async def test_a_reader_who_scrolled_up_is_not_pulled_down(open_page, address: str, bridge: Bridge) -> None:
    number = bridge.opens("Ana")
    for count in range(25):
        bridge.hears(number, f"mensaje {count}\n\n\n")
    page = await open_page(address)
    await line(page, "Ana").click()
    log = page.get_by_role("log")
    await expect(log.get_by_text("mensaje 24")).to_be_in_viewport()
    await log.evaluate("log => log.scrollTo(0, 0)")
    bridge.hears(number, "uno más")
    pill = page.get_by_role("button", name="1 mensaje nuevo")
    await expect(pill).to_be_visible()
    await expect(log.get_by_text("uno más")).not_to_be_in_viewport()
    await pill.click()
    await expect(log.get_by_text("uno más")).to_be_in_viewport()
    await expect(pill).to_be_hidden()


async def test_two_agents_see_each_others_work_at_once(open_page, address: str, bridge: Bridge) -> None:
    bridge.opens("Ana")
    marta = await open_page(f"{address}&agent=Marta Ruiz")
    luis = await open_page(f"{address}&agent=Luis Peña")
    await line(luis, "Ana").click()
    await line(marta, "Ana").click()
    await marta.get_by_role("button", name="Tomar").click()
    await expect(luis.locator(".facts")).to_contain_text("Marta Ruiz")
    await expect(luis.get_by_role("tab", name="Míos")).to_contain_text("0")
    await expect(luis.get_by_role("tab", name="Sin asignar")).to_contain_text("0")


async def test_a_closed_ticket_says_so_and_takes_no_words(
    open_page, address: str, zendesk: ZendeskSandbox, bridge: Bridge
) -> None:
    one, other = bridge.opens("Ana"), bridge.opens("Bruno")
    await zendesk.agent("Luis Peña").merges(one, other)
    page = await open_page(address)
    await page.get_by_role("tab", name="Resueltos").click()
    await line(page, "Ana").click()
    await expect(page.get_by_text(f"Se unió al ticket {other}.")).to_be_visible()
    await expect(page.get_by_label("Mensaje")).to_have_count(0)


async def test_what_is_no_picture_is_not_taken(open_page, address: str, bridge: Bridge, watch: Watch) -> None:
    watch.expect("415")
    bridge.opens("Ana")
    page = await open_page(address)
    await line(page, "Ana").click()
    wrong = {"name": "a.png", "mimeType": "image/png", "buffer": b"<svg>"}
    await page.locator('input[type="file"]').set_input_files(wrong)
    await expect(page.get_by_text("Solo fotos")).to_be_visible()
    await expect(page.locator(".chip")).to_have_count(0)


async def test_a_picture_on_its_way_goes_with_its_words_and_into_no_other_ticket(
    open_page, address: str, zendesk: ZendeskSandbox, bridge: Bridge
) -> None:
    ana, bruno = bridge.opens("Ana"), bridge.opens("Bruno")
    page = await open_page(address)
    go_on = asyncio.Event()

    async def held(route: Route) -> None:
        await go_on.wait()
        await route.continue_()

    await page.route("**/pictures?*", held)
    plan = {"name": "plano.png", "mimeType": "image/png", "buffer": picture()}
    await line(page, "Ana").click()
    await page.locator('input[type="file"]').set_input_files(plan)
    await expect(page.locator(".chip[aria-busy=true]")).to_contain_text("plano.png")
    await line(page, "Bruno").click()
    await expect(page.get_by_role("heading", name="WhatsApp: Bruno")).to_be_visible()
    await expect(page.locator(".chip")).to_have_count(0)
    await page.locator('input[type="file"]').set_input_files(plan)
    await page.get_by_label("Mensaje").fill("Mira el plano.")
    await page.get_by_role("button", name="Enviar").click()
    await expect(page.get_by_role("button", name="Enviar")).to_be_disabled()
    go_on.set()
    await expect(page.get_by_role("log").get_by_role("img", name="Foto plano.png")).to_be_visible()
    await expect(page.locator(".chip")).to_have_count(0)
    said = zendesk.world.account.ticket(bruno).comments
    assert [len(one.attachments) for one in said] == [0, 1]
    assert len(zendesk.world.account.ticket(ana).comments) == 1


async def test_limits_run_down_where_everybody_sees_them(open_page, address: str, bridge: Bridge, zendesk) -> None:
    number = bridge.opens("Ana")
    bot = zendesk.world.account.bot_id
    for _ in range(28):
        zendesk.world.rates.ticket.take((bot, number))
    page = await open_page(address)
    await line(page, "Ana").click()
    budget = page.locator(".budget", has_text="en este ticket")
    await expect(budget).to_contain_text("2 de 30")
    await expect(budget).to_contain_text("se libera en")


async def test_every_language_says_the_same_things(open_page, address: str, bridge: Bridge) -> None:
    bridge.opens("Ana")
    page = await open_page(address)
    differing = await page.evaluate(
        """async () => {
          const { Words, LANGUAGES } = await import("/sandbox/files/zendesk/texts.js");
          const blanks = (text) => [...String(text).matchAll(/\\{\\w+\\}/g)].map((one) => one[0]).sort().join();
          const shape = (value) => value !== null && typeof value === "object"
            ? Object.fromEntries(Object.entries(value).sort().map(([key, one]) => [key, shape(one)])) : blanks(value);
          const [first, ...others] = LANGUAGES.map((one) => JSON.stringify(shape(new Words(one).texts)));
          return others.filter((one) => one !== first);
        }"""
    )
    assert differing == []
    for language, words in {"EN": "Unassigned", "PT": "Sem dono", "ES": "Sin asignar"}.items():
        await page.get_by_role("button", name=language, exact=True).click()
        await expect(page.get_by_role("tab", name=words)).to_be_visible()


@pytest.mark.parametrize("device", ["phone", "tablet", "desktop"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_and_nothing_is_wider_than_the_screen(
    open_page, address: str, zendesk: ZendeskSandbox, bridge: Bridge, device: Device, scheme: Scheme, shoot
) -> None:
    async def looks_right(name: str) -> None:
        await shoot(page, f"zendesk-{device}-{scheme}-{name}")
        assert await grave_findings(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    page = await open_page(address, device, scheme=scheme)
    await expect(page.get_by_text("Nadie espera.")).to_be_visible()
    await looks_right("empty")
    number = bridge.opens("Ana Silva")
    bridge.opens(f"Bruno {LONG}", f"Telegram: {LONG}")
    marta = zendesk.agent("Marta Ruiz")
    await marta.takes(number)
    bridge.hears(number, f"{LONG} no entiendo mi factura")
    await marta.notes(number, "Revisar el segundo cargo.")
    await marta.answers(number, "Te muestro dónde se ve.", files=[AgentFile("plano.png", picture())], status="pending")
    await expect(line(page, "Bruno")).to_be_visible()
    await looks_right("views")
    await page.get_by_role("tab", name="Míos").click()
    await line(page, "Ana Silva").click()
    await expect(page.get_by_role("img", name="Foto plano.png")).to_be_in_viewport()
    await looks_right("ticket")
    await page.get_by_role("button", name="Nota interna").click()
    await looks_right("note")
    if device != "desktop":
        await page.get_by_role("button", name="Datos").click()
        await expect(page.get_by_text("Lo que queda de los límites")).to_be_visible()
        await looks_right("facts")


async def test_without_the_token_it_says_what_to_do(open_page, address: str, watch: Watch) -> None:
    watch.expect("401")
    watch.expect("favicon.ico")
    page = await open_page(address.partition("?")[0])
    await expect(page.get_by_role("heading", name="This page needs the access token")).to_be_visible()


# ---------------------------------------------------------------- the whole story


async def test_the_two_way_story_is_seen_in_the_demo_without_an_account(
    open_page, new_person, chromium: str, dsn: str, tmp_path: Path, watch: Watch
) -> None:
    """A customer asks for a person, an agent takes the ticket, both talk, it is solved, and the bot answers again."""
    async with Demo(tmp_path / "demo", dsn, desk="zendesk") as demo:
        page = await open_page(demo.page("sandbox"))
        phone = page.locator("#pane-phone-telegram")
        field, log = phone.get_by_role("textbox"), phone.get_by_role("log")
        await expect(page.frame_locator("#pane-desk iframe").get_by_text("Nadie espera.")).to_be_visible()
        to_agents = page.get_by_role("link", name="Zendesk de prueba: Abrir en otra pestaña")
        await expect(to_agents).to_have_attribute("href", "/sandbox/zendesk")

        async def write(words: str) -> None:
            await field.fill(words)
            await field.press("Enter")

        await write("quiero hablar con una persona")
        desk = await (await new_person()).new_page()
        await desk.goto(demo.page("sandbox/zendesk"))
        await line(desk, "Ana").click()
        await expect(desk.get_by_role("log")).to_contain_text("quiero hablar con una persona")
        await desk.get_by_role("button", name="Tomar").click()
        await expect(log).to_contain_text("Marta")

        answer = desk.get_by_label("Mensaje")
        await desk.get_by_role("button", name="Nota interna").click()
        await answer.fill("esto no lo lee nadie más")
        await answer.press("Control+Enter")
        await expect(desk.get_by_role("log")).to_contain_text("esto no lo lee nadie más")
        await desk.get_by_role("button", name="Respuesta pública").click()
        plan = {"name": "plano.png", "mimeType": "image/png", "buffer": picture()}
        await desk.locator('input[type="file"]').set_input_files(plan)
        await expect(desk.locator(".chip")).to_be_visible()
        await answer.fill("Hola, soy Marta y sigo yo")
        await answer.press("Control+Enter")
        await expect(log.get_by_text("Hola, soy Marta y sigo yo")).to_be_visible()
        await expect(log.locator("img").last).to_be_visible()

        await write("gracias, ya entendí")
        await expect(desk.get_by_role("log")).to_contain_text("gracias, ya entendí", timeout=40_000)  # words are joined
        await desk.get_by_role("button", name="Resolver", exact=True).click()
        await expect(desk.locator(".ticket .head .status")).to_have_text("Resuelto")
        await expect(log).to_contain_text("Marta dejó la conversación")
        await write("¿Cuál es mi saldo?")
        await phone.get_by_role("button", name="Algo nuevo").click()  # the bot asks whether it is the same case
        await expect(phone.get_by_role("button", name="Cambiar de plan")).to_be_visible()
        assert "esto no lo lee nadie más" not in await log.inner_text()
        watch.rest()
