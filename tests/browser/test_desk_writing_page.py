"""How an agent writes at the desk, files, templates, notes, ready replies; with colleagues; on any line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from browser_axe import grave_findings
from browser_watch import Watch
from desk_world import BALANCE, TOKEN, Case, Desk, Words, World, serving, world_of
from playwright.async_api import Locator, Page, Route, WebSocketRoute, expect

from gateway.core.channel import ApprovedTemplate
from gateway.core.ids import AccountId
from gateway.core.messages import MediaKind, Parts
from gateway.core.news import Passing
from gateway.core.turns import Resolution
from gateway.store.consent import Standing
from gateway.web.desk import ReplyLine
from gateway.web.desk.surface import NoSurfaces, Recipient, Speaking

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415408d763b8715c0700033c01756a1aa9"
    "f30000000049454e44ae426082"
)
PDF = b"%PDF-1.7\n" + bytes(5_000)
FILM = b"\0\0\0\x18ftypisom" + bytes(500)
UNCLEAR = Resolution(link="none", reason="0.31 below 0.55", language="es")
VISIT = ApprovedTemplate("visita", "es_CO", "Hola {{1}}, vamos el {{2}}.", 2)

READY = (
    ReplyLine(name="saludo", text="Hola, {name|buen día}. Soy {agent}.", language="es"),
    ReplyLine(name="saludo", text="Hello {name}, this is {agent}.", language="en"),
    ReplyLine(name="espera", text="Gracias por la paciencia.", language="es"),
    ReplyLine(name="raro", text="{{ 7*7 }} {% if x %} {otro} $& {agent}"),
)


class Surfaces(NoSurfaces):
    """An app that shows films as documents, and whose window the test opens and closes."""

    def __init__(self) -> None:
        self.now = Speaking()

    def speaking(self, standing: Standing) -> Speaking:
        return self.now

    def media(self, account_id: AccountId) -> frozenset[MediaKind]:
        return frozenset({"image", "document"})

    def losses(self, to: Recipient, parts: Parts) -> tuple[str, ...]:
        return ("video as document",) if getattr(parts[0], "kind", "") == "video" else ()

    async def templates(self, account_id: AccountId) -> tuple[ApprovedTemplate, ...]:
        return (VISIT, ApprovedTemplate("hello", "en", "Hello.", 0))

    def template_text(self, account_id: AccountId, name: str, language: str) -> str:
        return VISIT.text if name == VISIT.name else ""


@pytest.fixture
async def world(dsn: str) -> AsyncIterator[World]:
    async with world_of(dsn) as world:
        yield world


@pytest.fixture
def surfaces() -> Surfaces:
    return Surfaces()


@pytest.fixture
async def desk(dsn: str, tmp_path: Path, surfaces: Surfaces) -> AsyncIterator[Desk]:
    async with serving(dsn, tmp_path, words=Words(), surfaces=surfaces, ready=READY) as desk:
        yield desk


def address(desk: Desk, case: Case | None = None, agent: str = "Ana") -> str:
    return f"{desk.url}/desk?token={TOKEN}&agent={agent}" + (f"#{case.conversation}" if case else "")


def field(page: Page, name: str = "Tu respuesta") -> Locator:
    return page.get_by_role("textbox", name=name)


async def give(page: Page, *files: tuple[str, str, bytes]) -> None:
    """Pick files, as the picker of the system would."""
    await expect(field(page)).to_be_enabled()
    chosen = [{"name": name, "mimeType": mime, "buffer": data} for name, mime, data in files]
    await page.locator("input[type=file]").set_input_files(chosen)  # type: ignore[arg-type]


async def parts_of(world: World) -> list[list[dict[str, object]]]:
    rows = await world.connection.fetch("SELECT parts::text FROM message WHERE author = 'agent' ORDER BY position")
    return [msgspec.json.decode(row[0]) for row in rows]


# ---------------------------------------------------------------- files


async def test_files_are_picked_said_with_what_becomes_of_them_and_sent_with_the_words(
    desk: Desk, world: World, open_page, watch: Watch, shoot
) -> None:
    watch.expect("415")
    case = await world.conversation("Marta Ríos", agent="Ana")
    page: Page = await open_page(address(desk, case))
    await give(
        page,
        ("foto.png", "image/png", PNG),
        ("clip.mp4", "video/mp4", FILM),
        ("malo.exe", "application/x-msdownload", b"MZ"),
    )
    tray = page.get_by_role("list", name="Archivos de la respuesta")
    await expect(tray.get_by_role("listitem")).to_have_count(3)
    await expect(tray.locator("img")).to_have_count(1)
    await expect(tray.get_by_text("llega como documento")).to_be_visible()
    await expect(tray.get_by_text("Este tipo de archivo no se envía.")).to_be_visible()
    send = page.get_by_role("button", name="Enviar", exact=True)
    await expect(send).to_be_disabled()
    await shoot(page, "desk-files")
    await page.get_by_role("button", name="Quitar malo.exe").focus()
    await page.keyboard.press("Enter")
    await expect(send).to_be_enabled()
    await field(page).fill("Ahí van")
    await field(page).press("Enter")
    await expect(tray).to_be_hidden()
    await expect(page.locator("tertulia-thread .row.agent[data-seq]")).to_have_count(1)
    [said] = await parts_of(world)
    assert [part.get("kind") or part["text"] for part in said] == ["image", "video", "Ahí van"]


async def test_an_upload_that_broke_is_tried_again_and_waits_in_its_own_conversation(
    desk: Desk, world: World, open_page, watch: Watch
) -> None:
    watch.expect("503")
    case, other = await world.conversation("Marta Ríos", agent="Ana"), await world.conversation("Luis", agent="Ana")
    page: Page = await open_page(address(desk, case))

    async def away(route: Route) -> None:
        await route.fulfill(status=503, json={"error": {"code": "unavailable", "message": "away"}})

    await page.route("**/files", away)
    await give(page, ("a.pdf", "application/pdf", PDF))
    again = page.get_by_role("button", name="Reintentar")
    await expect(again).to_be_visible()
    await page.unroute("**/files", away)
    await page.get_by_role("button", name="Luis").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Luis")
    await expect(again).to_be_hidden()
    await page.get_by_role("button", name="Marta Ríos").click()
    await again.click()
    await expect(page.get_by_text("5 kB")).to_be_visible()
    await page.reload()
    await expect(page.get_by_text("5 kB")).to_be_visible()
    await expect(field(page)).to_be_enabled()  # what the browser kept is there before the conversation is
    await field(page).press("Enter")
    await expect(page.locator("tertulia-thread .row.agent[data-seq]")).to_have_count(1)
    assert (await parts_of(world))[0][0]["name"] == "a.pdf"
    assert other.handoff is not None


async def test_files_are_dropped_and_pasted_and_words_that_are_pasted_stay_words(
    desk: Desk, world: World, open_page
) -> None:
    case = await world.conversation("Marta Ríos", agent="Ana")
    page: Page = await open_page(address(desk, case))
    await expect(field(page)).to_be_enabled()
    await page.evaluate(
        """() => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array([0x25, 0x50, 0x44, 0x46, 0x2d, 0x31, 0x2e, 0x37, 10])], "a.pdf", {type: "application/pdf"}));
            const area = document.querySelector(".conversation");
            for (const type of ["dragenter", "dragover", "drop"])
                area.dispatchEvent(new DragEvent(type, {dataTransfer: data, bubbles: true, cancelable: true}));
            const both = new DataTransfer();
            both.items.add(new File(["x"], "x.png", {type: "image/png"}));
            both.items.add("palabras", "text/plain");
            document.querySelector("textarea").dispatchEvent(new ClipboardEvent("paste", {clipboardData: both, bubbles: true, cancelable: true}));
            const data2 = new DataTransfer();
            data2.items.add(new File([new Uint8Array([0x25, 0x50, 0x44, 0x46, 0x2d, 0x31, 0x2e, 0x37, 10])], "b.pdf", {type: "application/pdf"}));
            document.querySelector("textarea").dispatchEvent(new ClipboardEvent("paste", {clipboardData: data2, bubbles: true, cancelable: true}));
        }"""  # noqa: E501  a program of the page's
    )
    await expect(page.locator(".attachment .name")).to_have_text(["a.pdf", "b.pdf"])
    await expect(page.locator(".drop")).to_be_hidden()


# ---------------------------------------------------------------- the window and templates


async def test_in_a_closed_window_only_a_template_is_offered_and_its_blanks_are_filled(
    desk: Desk, world: World, surfaces: Surfaces, open_page, shoot
) -> None:
    surfaces.now = Speaking(
        "closed", None, datetime.now(UTC) - timedelta(hours=3), "window_closed", {"es": "x"}, has_templates=True
    )
    case = await world.conversation("Marta Ríos", agent="Ana")
    page: Page = await open_page(address(desk, case))
    await expect(page.get_by_text("La ventana de mensajes está cerrada.")).to_be_visible()
    await expect(field(page)).to_be_disabled()
    await page.keyboard.press("p")
    dialog = page.get_by_role("dialog", name="Plantillas")
    await expect(dialog.locator(".template").first).to_contain_text("visita")
    await dialog.locator(".template").first.click()
    await expect(dialog.get_by_label("Dato 1")).to_have_value("Marta Ríos")
    await dialog.get_by_role("button", name="Enviar la plantilla").click()
    await expect(dialog.get_by_role("alert")).to_have_text("Faltan datos por llenar.")
    await page.keyboard.type("martes <b>")
    await expect(dialog.locator(".preview")).to_have_text("Hola Marta Ríos, vamos el martes <b>.")
    await shoot(page, "desk-template")
    await page.keyboard.press("Enter")
    await expect(page.locator("tertulia-thread").get_by_text("Hola Marta Ríos, vamos el martes <b>.")).to_be_visible()
    await expect(page.locator("tertulia-thread .row.agent[data-seq]")).to_have_count(1)
    [[said]] = await parts_of(world)
    assert (said["type"], said["values"]) == ("template", ["Marta Ríos", "martes <b>"])


async def test_a_window_that_closes_while_one_writes_closes_the_field_and_keeps_the_words(
    desk: Desk, world: World, surfaces: Surfaces, open_page
) -> None:
    case = await world.conversation("Marta Ríos", agent="Ana")
    page: Page = await open_page(address(desk, case))
    await expect(field(page)).to_be_enabled()
    surfaces.now = Speaking("open", until=datetime.now(UTC) + timedelta(seconds=6), has_templates=True)
    desk.news.changed((case.conversation,))
    await expect(page.get_by_text("La ventana de mensajes cierra pronto.")).to_be_visible()
    await field(page).fill("casi")
    await expect(field(page)).to_be_disabled()
    await expect(page.get_by_text("La ventana de mensajes está cerrada.")).to_be_visible()
    await expect(field(page)).to_have_value("casi")


async def test_words_that_will_wait_for_the_customer_are_told_to_wait_before_they_are_typed(
    desk: Desk, world: World, surfaces: Surfaces, open_page
) -> None:
    surfaces.now = Speaking("held", None, None, "window_closed", {}, "seguimos_aqui", has_templates=True)
    case = await world.conversation("Marta Ríos", agent="Ana")
    page: Page = await open_page(address(desk, case))
    await expect(page.get_by_text("ahora sale la plantilla «seguimos_aqui»")).to_be_visible()
    await expect(field(page)).to_be_enabled()


# ---------------------------------------------------------------- notes, and several agents


async def test_a_note_is_seen_by_colleagues_in_its_place_and_taken_back_by_its_author_alone(
    desk: Desk, world: World, open_page, shoot
) -> None:
    case = await world.conversation("Marta Ríos", agent="Leo")
    await world.says(case, "¿hay alguien?")
    ana: Page = await open_page(address(desk, case))
    leo: Page = await open_page(address(desk, case, "Leo"))
    await expect(ana.get_by_text("También mira: Leo")).to_be_visible()
    await expect(leo.get_by_text("También mira: Ana")).to_be_visible()
    await expect(field(leo)).to_be_enabled()
    await field(leo).fill("borrador")
    await ana.keyboard.press("n")
    await ana.keyboard.type("Ojo <b>VIP</b>")
    await shoot(ana, "desk-note")
    await ana.keyboard.press("Enter")
    for page in (ana, leo):
        await expect(page.locator("tertulia-thread .row.note .bubble")).to_have_text("Ojo <b>VIP</b>")
        await expect(page.locator("tertulia-thread .row.note .name")).to_have_text("Nota de Ana")
    await expect(field(leo)).to_have_value("borrador")
    await expect(leo.get_by_role("button", name="Borrar la nota")).to_have_count(0)
    assert await world.connection.fetchval("SELECT count(*) FROM message") == 1
    await ana.get_by_role("button", name="Borrar la nota").click()
    await ana.get_by_role("dialog").get_by_role("button", name="Borrar la nota").click()
    for page in (ana, leo):
        await expect(page.locator("tertulia-thread .row.note")).to_have_count(0)


async def test_taking_a_case_from_a_colleague_is_asked_again_and_told_to_who_loses_it(
    desk: Desk, world: World, open_page
) -> None:
    case = await world.conversation("Marta Ríos", agent="Leo")
    await world.says(case, "¿hay alguien?")
    leo: Page = await open_page(address(desk, case, "Leo"))
    ana: Page = await open_page(address(desk, case))
    await expect(field(leo)).to_be_enabled()
    await field(leo).fill("a medias")
    take = ana.get_by_role("button", name="Tomarla de Leo")
    await take.click()
    await ana.get_by_role("dialog").get_by_role("button", name="Cancelar").click()
    await expect(field(leo)).to_be_enabled()
    await take.click()
    await ana.get_by_role("dialog").get_by_role("button", name="Tomarla de Leo").click()
    await expect(field(ana)).to_be_focused()
    await expect(leo.get_by_text("Ana tomó esta conversación. Tu borrador se conserva.")).to_be_visible()
    await expect(field(leo)).to_be_disabled()
    await expect(field(leo)).to_have_value("a medias")
    await expect(leo.locator(".case.others")).to_contain_text("La tiene Ana")
    await field(ana).press_sequentially("ya")
    await expect(leo.locator("tertulia-thread .row.agent .dots")).to_be_visible()


async def test_words_for_colleagues_never_go_on_as_words_for_the_customer(desk: Desk, world: World, open_page) -> None:
    case = await world.conversation("Marta Ríos")
    page: Page = await open_page(address(desk, case))

    async def slowly(route: Route) -> None:
        await field(page, "Tu nota").wait_for()
        await page.keyboard.type("no le digas")
        await route.continue_()

    await page.route("**/take", slowly)
    await expect(page.get_by_role("button", name="Tomar")).to_be_visible()
    await page.keyboard.press("t")
    await page.keyboard.press("n")
    await expect(page.get_by_role("button", name="Devolver al bot")).to_be_visible()
    await expect(field(page, "Tu nota")).to_be_focused()
    await page.keyboard.type(" que ya sale")
    await page.keyboard.press("Enter")
    await page.keyboard.type("tampoco esto")
    await page.keyboard.press("Enter")
    notes = page.locator("tertulia-thread .row.note .bubble")
    await expect(notes).to_have_text(["no le digas que ya sale", "tampoco esto"])
    assert await parts_of(world) == []


# ---------------------------------------------------------------- ready replies


async def test_a_ready_reply_is_found_with_the_keyboard_and_filled_in_one_pass(
    desk: Desk, world: World, open_page, shoot
) -> None:
    case = await world.conversation("{agent} <img src=x onerror=window.hacked=1>", agent="Ana")
    page: Page = await open_page(address(desk, case))
    await expect(field(page)).to_be_enabled()
    await page.keyboard.press("a")
    await page.keyboard.type("Va: /")
    replies = page.get_by_role("option")
    await expect(replies).to_have_count(3)
    await shoot(page, "desk-canned")
    await page.keyboard.type("sal")
    await expect(replies).to_have_count(1)
    await page.keyboard.press("Enter")
    await expect(field(page)).to_have_value("Va: Hola, {agent} <img src=x onerror=window.hacked=1>. Soy Ana.")
    await expect(replies).to_have_count(0)
    await page.keyboard.press("Control+a")
    await page.keyboard.type("/raro")
    await page.keyboard.press("Tab")
    await expect(field(page)).to_have_value("{{ 7*7 }} {% if x %} {otro} $& Ana")
    await page.keyboard.press("Enter")
    await expect(page.locator("tertulia-thread").get_by_text("{{ 7*7 }} {% if x %} {otro} $& Ana")).to_be_visible()
    await page.keyboard.type("/nada-de-eso")
    await expect(page.get_by_text("Ninguna coincide.")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_text("Ninguna coincide.")).to_be_hidden()
    await expect(field(page)).to_be_focused()
    assert await page.evaluate("window.hacked") is None


async def test_an_agent_keeps_a_reply_and_colleagues_find_it(desk: Desk, world: World, open_page, watch: Watch) -> None:
    watch.expect("409")
    case = await world.conversation("Marta Ríos", agent="Ana")
    page: Page = await open_page(address(desk, case))
    await field(page).fill("Su pedido sale mañana, {name}.")
    await page.get_by_role("button", name="Respuestas listas").click()
    await page.get_by_role("button", name="Guardar una respuesta").click()
    dialog = page.get_by_role("dialog", name="Guardar una respuesta")
    await expect(dialog.get_by_label("Texto")).to_have_value("Su pedido sale mañana, {name}.")
    await dialog.get_by_label("Nombre corto").fill("pedido")
    await dialog.get_by_role("button", name="Guardar").click()
    await expect(dialog).to_be_hidden()
    await field(page).fill("")
    await field(page).press_sequentially("/ped")
    await expect(page.get_by_role("option")).to_contain_text("Su pedido sale mañana, Marta Ríos.")
    row = await world.connection.fetchrow("SELECT name, language, agent FROM canned_reply")
    assert tuple(row) == ("pedido", "es", "Ana")
    await page.get_by_role("button", name="Borrar la respuesta pedido").click()
    await expect(page.get_by_text("Ninguna coincide.")).to_be_visible()


# ---------------------------------------------------------------- why, and what calls


async def test_the_head_tells_why_a_person_was_asked_for_and_opens_to_what_led_there(
    desk: Desk, world: World, open_page, shoot
) -> None:
    case = await world.conversation("Marta Ríos", reason="unresolved: 2 times", asked_ago_s=0)
    await world.turn(case, "mi saldo", "Tienes $ 12.400.", resolution=BALANCE)
    for words in ("no era eso", "¡que no!"):
        await world.turn(case, words, "No entendí.", resolution=UNCLEAR)
    await world.connection.execute("""UPDATE handoff SET slots = '{"plan": "Plus"}', asked_at = now()""")
    page: Page = await open_page(address(desk, case))
    why = page.get_by_role("region", name="Por qué se pidió una persona")
    await expect(why.get_by_role("button")).to_contain_text("El bot no entendió")
    await page.keyboard.press("w")
    await expect(why.locator("li q")).to_have_text(["mi saldo", "no era eso", "¡que no!"])
    await expect(why).to_contain_text("balance 0.93")
    await expect(why.get_by_text("Plus")).to_be_visible()
    await shoot(page, "desk-why")
    assert await grave_findings(page) == []


SOUNDS = """
window.sounds = [];
document.addEventListener("desk-sound", (event) => window.sounds.push(event.detail));
window.notices = [];
window.Notification = class extends EventTarget {
  static permission = "granted";
  constructor(title, options) { super(); window.notices.push([title, options.body]); }
  close() {}
};
"""


async def test_a_newcomer_is_heard_only_after_a_gesture_and_until_it_is_switched_off(
    desk: Desk, world: World, new_person
) -> None:
    context = await new_person()
    await context.add_init_script(SOUNDS)
    page: Page = await context.new_page()
    await page.goto(address(desk))
    await expect(page.get_by_role("heading", name="Nadie espera")).to_be_visible()

    async def comes(name: str) -> None:
        case = await world.conversation(name)
        desk.news.changed((case.conversation,))
        await expect(page.get_by_role("button", name=name)).to_be_visible()

    await comes("Luis")
    assert await page.evaluate("window.sounds") == []
    await page.get_by_role("heading", name="Elige una conversación").click()
    await comes("Marta")
    await page.wait_for_function("window.sounds.length === 1")
    await page.keyboard.press("s")
    await expect(page.get_by_role("button", name="Sonido")).to_have_attribute("aria-pressed", "false")
    await comes("Eva")
    await page.reload()
    await expect(page.get_by_role("button", name="Sonido")).to_have_attribute("aria-pressed", "false")
    await expect(page.get_by_text("3 esperan")).to_be_visible()


async def test_unread_words_are_counted_until_they_are_seen(desk: Desk, world: World, open_page) -> None:
    case, other = await world.conversation("Marta Ríos", agent="Ana"), await world.conversation("Luis", agent="Ana")
    await world.says(case, "uno")
    page: Page = await open_page(address(desk, case))
    await expect(page.locator("tertulia-thread").get_by_text("uno")).to_be_visible()
    await page.get_by_role("button", name="Luis").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Luis")
    for words in ("dos", "tres"):
        await world.says(case, words)
    desk.news.changed((case.conversation,))
    line = page.get_by_role("button", name="Marta Ríos")
    await expect(line.locator(".count")).to_have_text("2")
    await expect(page).to_have_title("(1) Mesa · Tertulia")
    await expect(page.get_by_text("2 contigo")).to_be_visible()
    await line.click()
    await expect(line.locator(".count")).to_have_count(0)
    await expect(page).to_have_title("Mesa · Tertulia")
    assert other.handoff is not None


# ---------------------------------------------------------------- other ways to hear


async def test_where_no_socket_gets_through_news_come_as_events_each_once(
    desk: Desk, world: World, new_person, watch: Watch
) -> None:
    watch.expect("WebSocket")
    case = await world.conversation("Marta Ríos", agent="Ana")
    await world.says(case, "primero")
    context = await new_person()
    page: Page = await context.new_page()

    async def closed(socket: WebSocketRoute) -> None:
        await socket.close(code=1011)

    await page.route_web_socket("**/desk/socket", closed)
    await page.goto(address(desk, case))
    thread = page.locator("tertulia-thread")
    await expect(thread.get_by_text("primero")).to_be_visible(timeout=20_000)
    await world.says(case, "segundo")
    desk.news.changed((case.conversation,))
    await expect(thread.get_by_text("segundo")).to_have_count(1)
    desk.news.passing(Passing(case.conversation, "delta", author="bot", subject="m1", text="Un mo"))
    await expect(thread.get_by_text("Un mo")).to_be_visible()
    await field(page).fill("aquí estoy")
    await field(page).press("Enter")
    await expect(thread.get_by_text("aquí estoy")).to_have_count(1)


async def test_where_streams_are_held_back_too_the_page_asks_and_says_so(
    desk: Desk, world: World, new_person, watch: Watch
) -> None:
    for noise in ("WebSocket", "ERR_FAILED"):
        watch.expect(noise)
    case = await world.conversation("Marta Ríos", agent="Ana")
    await world.says(case, "primero")
    context = await new_person()
    page: Page = await context.new_page()

    async def closed(socket: WebSocketRoute) -> None:
        await socket.close(code=1011)

    await page.route_web_socket("**/desk/socket", closed)
    await page.route("**/desk/events*", lambda route: route.abort())
    await page.goto(address(desk, case))
    await expect(page.get_by_text("Conexión limitada")).to_be_visible(timeout=25_000)
    thread = page.locator("tertulia-thread")
    await expect(thread.get_by_text("primero")).to_be_visible()
    await world.says(case, "segundo")
    await expect(thread.get_by_text("segundo")).to_have_count(1)


# ---------------------------------------------------------------- on a phone, in every light


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", ["phone", "desktop"])
async def test_what_one_writes_with_has_no_serious_barrier_and_is_never_cut_off(
    desk: Desk, world: World, surfaces: Surfaces, open_page, shoot, device: str, scheme: str
) -> None:
    case = await world.conversation("Donaudampfschifffahrtsgesellschaftskapitän", agent="Ana")
    await world.turn(case, "saldo", "Tienes $ 12.400.", resolution=BALANCE)
    await desk.post("/desk/api/canned", {"agent": "Leo", "name": "de-leo", "text": "Hola"})
    page: Page = await open_page(address(desk, case), device, scheme=scheme)
    await give(page, ("Donaudampfschifffahrtsgesellschaft.pdf", "application/pdf", PDF), ("a.mp4", "video/mp4", FILM))
    await expect(page.get_by_text("llega como documento")).to_be_attached()
    await _is_sound(page, shoot, f"desk-files-{device}-{scheme}")
    await field(page).press_sequentially("/")
    await expect(page.get_by_role("option")).to_have_count(4)
    await page.keyboard.press("ArrowUp")
    await expect(page.get_by_role("button", name="Borrar la respuesta de-leo")).to_be_visible()
    await _is_sound(page, shoot, f"desk-canned-{device}-{scheme}")
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Nota", exact=True).click()
    await field(page, "Tu nota").fill("Ojo")
    await field(page, "Tu nota").press("Enter")
    await expect(page.locator("tertulia-thread .row.note")).to_be_visible()
    await expect(field(page, "Tu nota")).to_have_value("")
    await field(page, "Tu nota").press("Escape")
    surfaces.now = Speaking("closed", None, datetime.now(UTC), "window_closed", {}, has_templates=True)
    desk.news.changed((case.conversation,))
    await page.get_by_role("button", name="Elegir una plantilla").click()
    await page.locator(".template").first.click()
    await _is_sound(page, shoot, f"desk-template-{device}-{scheme}")


async def _is_sound(page: Page, shoot, name: str) -> None:
    await shoot(page, name)
    assert await grave_findings(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
    composer = await page.locator(".composer").bounding_box()
    assert composer is not None
    assert composer["y"] + composer["height"] <= await page.evaluate("innerHeight") + 1, name
