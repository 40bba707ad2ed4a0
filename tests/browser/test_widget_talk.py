"""The widget on somebody's page, against a real gateway: talking, losing the network, several tabs, by keyboard."""

from __future__ import annotations

import asyncio
import gzip
import re
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import pytest
from browser_chat import Chat
from browser_site import Cable, Site
from playwright.async_api import Page, WebSocket, expect

MAX_GZIP_BYTES = 30 * 1024

NETWORK = "net::ERR_"
SOCKET = "WebSocket connection"


async def _opened(page: Page) -> Chat:
    chat = Chat(page)
    await chat.open()
    return chat


async def _says(page: Page, text: str, answer: str) -> Chat:
    chat = await _opened(page)
    await chat.say(text)
    await chat.sees(answer)
    return chat


# ---------------------------------------------------------------- talking


async def test_a_visitor_asks_and_is_answered_and_a_reload_keeps_all(site: Site, open_page) -> None:
    page = await open_page(site.page())
    chat = await _says(page, "¿Cuál es el horario de las tiendas?", "horario")
    await chat.all_is_stored()
    before = await chat.lines()
    assert [line.author for line in before] == ["customer", "bot"]
    await page.reload()
    await expect(chat.panel).to_be_visible()  # the panel stays open in this tab
    await chat.sees("horario")
    assert await chat.lines() == before


async def test_a_button_is_pressed_and_stays_marked(site: Site, open_page) -> None:
    page = await open_page(site.page())
    chat = await _says(page, "saldo", "saldo")
    label = await chat.thread.locator("button.option").first.inner_text()
    await chat.press(label)
    await expect(chat.bubble(label, "customer")).to_be_visible()
    await expect(chat.thread.locator(".option.taken")).to_contain_text(label)
    await page.reload()
    await expect(chat.thread.locator(".option.taken")).to_contain_text(label)


async def test_two_tabs_show_the_same(site: Site, new_person) -> None:
    person = await new_person()
    one, other = [Chat(await person.new_page()) for _ in range(2)]
    for chat in (one, other):
        await chat.page.goto(site.page())
        await chat.open()
    await one.say("hola desde la primera")
    await expect(other.bubble("hola desde la primera", "customer")).to_be_visible()
    await other.say("y desde la segunda")
    await expect(one.bubble("y desde la segunda", "customer")).to_be_visible()
    for chat in (one, other):
        await chat.all_is_stored()
        await expect(chat.thread.locator(".row.bot")).not_to_have_count(0)
    lines = await one.lines()
    for _ in range(100):
        if await other.lines() == await one.lines():
            break
        await one.page.wait_for_timeout(50)
    assert [line.seq for line in await one.lines()] == list(range(1, len(await one.lines()) + 1))
    assert await other.lines() == await one.lines()
    assert len(lines) >= 3


async def test_what_comes_while_it_is_closed_is_counted_in_every_tab_until_it_is_read(site: Site, new_person) -> None:
    person = await new_person()
    one, other = [Chat(await person.new_page()) for _ in range(2)]
    await one.page.goto(site.page())
    await one.open()
    await one.say("saldo")
    await one.page.keyboard.press("Escape")
    await expect(one.panel).to_be_hidden()
    await expect(one.launcher.locator(".badge")).to_have_text("1")
    await expect(one.launcher).to_have_accessible_name("Abrir el chat, 1 mensaje nuevo")
    await other.page.goto(site.page())
    await expect(other.launcher.locator(".badge")).to_have_text("1")
    await other.open()
    await other.sees("saldo")
    for chat in (one, other):
        await expect(chat.launcher.locator(".badge")).to_have_count(0)
    await one.page.reload()
    await one.open()
    await one.sees("saldo")
    await expect(one.launcher.locator(".badge")).to_have_count(0)


async def test_hostile_words_of_the_visitor_are_words(site: Site, open_page) -> None:
    page = await open_page(site.page())
    chat = await _opened(page)
    for text in ("<img src=x onerror=window.hacked=1>", "<script>window.hacked=1</script>", "javascript:alert(1)"):
        await chat.say(text)
        await expect(chat.bubble(text, "customer")).to_be_visible()
    await chat.all_is_stored()
    await page.reload()
    await expect(chat.bubble("<img src=x onerror=window.hacked=1>", "customer")).to_be_visible()
    assert await page.evaluate("window.hacked") is None


async def test_a_text_that_is_too_long_is_kept_and_said_to_be(site: Site, open_page) -> None:
    page = await open_page(site.page())
    chat = await _opened(page)
    await chat.say("x" * 10_001)
    await expect(chat.widget.get_by_role("alert")).to_contain_text("10.000")
    assert len(await chat.input.input_value()) == 10_001
    assert await chat.lines() == []


# ---------------------------------------------------------------- files


async def test_a_picture_is_uploaded_and_shown(site: Site, open_page, tmp_path: Path) -> None:
    page = await open_page(site.page())
    chat = await _opened(page)
    picture = tmp_path / "módem.png"
    picture.write_bytes(await page.screenshot())
    await chat.attach(picture)
    await expect(chat.thread.get_by_role("button", name=re.compile("módem.png"))).to_be_visible()
    await chat.all_is_stored()
    await page.reload()
    image = chat.thread.locator(".media img")
    await expect(image).to_be_visible()
    await page.wait_for_function(
        "() => document.querySelector('tertulia-widget').shadowRoot.querySelector('tertulia-thread')"
        ".shadowRoot.querySelector('.media img').naturalWidth > 100"
    )


async def test_files_may_be_dropped_and_pasted_and_taken_off_again(site: Site, open_page) -> None:
    page = await open_page(site.page())
    chat = await _opened(page)
    give = """(target, [kind, name]) => {
      const data = new DataTransfer();
      data.items.add(new File(['hola'], name, { type: 'text/plain' }));
      const fire = (type) => target.dispatchEvent(type === 'paste'
        ? new ClipboardEvent(type, { clipboardData: data, bubbles: true, cancelable: true })
        : new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true, composed: true }));
      if (kind === 'paste') return void fire('paste');
      fire('dragenter');
      const over = fire('dragover');
      const dropped = fire('drop');
      return [over, dropped];
    }"""
    chips = chat.widget.locator(".chosen")
    went_on = await chat.panel.evaluate(give, ["drop", "soltado.txt"])
    assert went_on == [False, False], "the browser would leave the page for the file"
    await expect(chips).to_have_count(1)
    await chat.input.evaluate(give, ["paste", "pegado.txt"])
    await expect(chips).to_have_text([re.compile("soltado.txt"), re.compile("pegado.txt")])
    await chat.widget.get_by_role("button", name="Quitar soltado.txt").click()
    await expect(chips).to_have_count(1)
    await expect(chat.input).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(chat.thread.get_by_role("link", name=re.compile("pegado.txt"))).to_be_visible()
    await chat.all_is_stored()


async def test_files_that_are_not_taken_are_refused_before_they_are_sent(site: Site, open_page, tmp_path: Path) -> None:
    page = await open_page(site.page())
    chat = await _opened(page)
    for name, content in (("dibujo.svg", b"<svg onload='window.hacked=1'/>"), ("vacío.png", b"")):
        (tmp_path / name).write_bytes(content)
    large = tmp_path / "grande.png"
    with large.open("wb") as file:
        file.truncate(11_000_000)
    chooser = chat.widget.locator("input[type=file]")
    await chooser.set_input_files([tmp_path / "dibujo.svg", tmp_path / "vacío.png", large])
    chips = chat.widget.locator(".chosen.bad")
    await expect(chips).to_have_count(3)
    await expect(chips.nth(0)).to_contain_text("no se admite")
    await expect(chips.nth(1)).to_contain_text("vacío")
    await expect(chips.nth(2)).to_contain_text("demasiado grande")
    await expect(chat.widget.get_by_role("button", name="Enviar", exact=True)).to_be_disabled()
    await chips.nth(0).get_by_role("button").click()
    await expect(chips).to_have_count(2)


async def test_a_file_that_lies_about_its_type_says_so_at_the_message(
    site: Site, open_page, watch, tmp_path: Path
) -> None:
    watch.expect("415")
    page = await open_page(site.page())
    chat = await _opened(page)
    liar = tmp_path / "foto.png"
    liar.write_bytes(b"<html><script>window.hacked=1</script></html>")
    await chat.attach(liar)
    failed = chat.thread.locator(".row.failed")
    await expect(failed).to_contain_text("no se admite")
    await expect(failed.get_by_role("button", name="Enviar de nuevo")).to_have_count(0)


# ---------------------------------------------------------------- the network


async def test_what_is_written_without_a_network_is_sent_by_itself_once(
    site: Site, cable: Cable, open_page, watch
) -> None:
    for text in (NETWORK, SOCKET):
        watch.expect(text)
    page = await open_page(site.page(via_port=cable.port))
    chat = await _says(page, "saldo", "saldo")
    cable.cut()
    await expect(chat.banner).to_contain_text("Sin conexión")
    for number in range(1, 4):
        await chat.say(f"escrito sin red {number}")
    await expect(chat.thread.locator(".row.sending")).to_have_count(3)
    cable.mend()
    await chat.all_is_stored()
    await expect(chat.banner).to_be_hidden()
    own = [line.text for line in await chat.lines() if "sin red" in line.text and line.author == "customer"]
    assert own == [f"escrito sin red {number}" for number in range(1, 4)]
    seqs = [line.seq for line in await chat.lines()]
    assert seqs == sorted(set(seqs))


async def test_more_than_the_site_takes_at_once_is_taken_a_little_later_in_order(site: Site, new_person) -> None:
    page = await (await new_person()).new_page()
    heard: list[str] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: heard.append(str(frame))))
    await page.goto(site.page())
    chat = await _opened(page)
    said = [f"línea {number}" for number in range(1, 41)]  # the site takes twenty at once, and five a second
    await chat.widget.evaluate("(widget, said) => said.forEach((text) => widget.chat.say(text, []))", said)
    await expect(chat.thread.locator(".row.customer")).to_have_count(len(said))
    await expect(chat.thread.locator(".row.customer:not([data-seq])")).to_have_count(0, timeout=20_000)
    assert [line.text for line in await chat.lines() if line.author == "customer"] == said
    assert any("too_many" in frame for frame in heard)
    await expect(chat.thread.locator(".row.failed")).to_have_count(0)


async def test_what_was_not_sent_survives_a_reload(site: Site, cable: Cable, open_page, watch) -> None:
    for text in (NETWORK, SOCKET):
        watch.expect(text)
    page = await open_page(site.page(via_port=cable.port))
    chat = await _says(page, "saldo", "saldo")
    await page.context.set_offline(True)
    await expect(chat.banner).to_contain_text("Sin conexión")
    await chat.say("no te pierdas")
    await expect(chat.thread.locator(".row.sending")).to_have_count(1)
    await page.context.set_offline(False)
    cable.cut()
    await page.close()
    cable.mend()
    page = await page.context.new_page()
    chat = Chat(page)
    await page.goto(site.page(via_port=cable.port))
    await chat.open()
    await expect(chat.bubble("no te pierdas", "customer")).to_be_visible()
    await chat.all_is_stored()
    assert [line.text for line in await chat.lines()].count("no te pierdas") == 1


async def test_a_network_that_only_stalls_doubles_nothing(site: Site, cable: Cable, open_page, watch) -> None:
    watch.expect(NETWORK)
    watch.expect(SOCKET)
    page = await open_page(site.page(via_port=cable.port))
    chat = await _says(page, "saldo", "saldo")
    cable.stall()
    await chat.say("en el túnel")
    await page.wait_for_timeout(1_500)  # the tunnel is as long as this
    await expect(chat.thread.locator(".row.sending")).to_have_count(1)
    cable.mend()
    await chat.all_is_stored()
    assert [line.text for line in await chat.lines()].count("en el túnel") == 1


def _frames(socket: WebSocket, event: Literal["framesent", "framereceived"], word: str) -> list[str]:
    """Those that hold *word*, from now on."""
    found: list[str] = []
    socket.on(event, lambda frame: found.append(str(frame)) if word in str(frame) else None)  # type: ignore[call-overload]
    return found


@pytest.mark.parametrize("is_alive", [True, False])
async def test_a_connection_that_died_in_silence_is_noticed_and_a_quiet_one_left_alone(
    site: Site, cable: Cable, new_person, watch, is_alive: bool
) -> None:
    watch.expect(NETWORK)
    watch.expect(SOCKET)
    page = await (await new_person()).new_page()
    sockets: list[WebSocket] = []
    page.on("websocket", lambda socket: sockets.append(socket))  # noqa: PLW0108  the library wraps functions only
    await page.clock.install()
    await page.goto(site.page(via_port=cable.port))
    await page.clock.resume()
    await _says(page, "saldo", "saldo")
    if not is_alive:
        cable.stall()
    pings, pongs = _frames(sockets[0], "framesent", "ping"), _frames(sockets[0], "framereceived", "pong")
    for _ in range(10):
        await page.clock.run_for(5_000)
        while is_alive and len(pongs) < len(pings):  # its clock runs ahead of the answer's way
            await asyncio.sleep(0.01)
    assert pings
    assert (len(sockets) == 1) is is_alive
    cable.mend()


async def test_where_sockets_are_blocked_it_talks_by_requests(site: Site, open_page, new_person) -> None:
    person = await new_person()
    await person.add_init_script(
        """window.WebSocket = class extends EventTarget {
          static OPEN = 1;
          constructor() { super(); setTimeout(() => this.onclose({ code: 1006 })); }
          close() {}
        };"""
    )
    page = await person.new_page()
    await page.goto(site.page())
    chat = await _says(page, "saldo", "saldo")
    await chat.all_is_stored()
    await chat.say("horario")
    await chat.sees("horario")
    assert [line.seq for line in await chat.lines()][:2] == [1, 2]


async def test_after_a_restart_it_goes_on_by_itself(make_site, open_page, watch) -> None:
    for text in (NETWORK, SOCKET, "503"):
        watch.expect(text)
    own_site: Site = await make_site()
    page = await open_page(own_site.page())
    chat = await _says(page, "saldo", "saldo")
    await own_site.gateway.child.stop()
    await chat.say("mientras no estabas")
    await own_site.gateway.start()
    await expect(chat.thread.locator(".row.sending")).to_have_count(0, timeout=5_000)
    assert [line.text for line in await chat.lines()].count("mientras no estabas") == 1


# ---------------------------------------------------------------- keyboard and screens


async def test_it_is_used_by_keyboard_alone(site: Site, open_page) -> None:
    page = await open_page(site.page())
    chat = Chat(page)
    await expect(chat.launcher).to_be_visible()
    for _ in range(10):
        await page.keyboard.press("Tab")
        if await chat.launcher.evaluate("one => one.matches(':focus-visible')"):
            break
    await page.keyboard.press("Enter")
    await expect(chat.input).to_be_focused()
    await page.keyboard.type("una línea")
    await page.keyboard.press("Shift+Enter")
    await page.keyboard.type("y otra")
    await page.keyboard.press("Enter")
    await expect(chat.bubble("una línea\ny otra", "customer")).to_be_visible()
    await expect(chat.input).to_be_focused()
    await chat.sees("", "bot")
    await page.keyboard.press("Escape")
    await expect(chat.panel).to_be_hidden()
    await expect(chat.launcher).to_be_focused()
    await expect(chat.launcher).to_have_attribute("aria-expanded", "false")


async def test_a_phone_gets_the_whole_screen_and_keeps_the_focus_inside(site: Site, open_page) -> None:
    page = await open_page(site.page(), "phone")
    chat = await _opened(page)
    box = await chat.panel.bounding_box()
    assert box is not None
    assert (box["x"], box["y"], box["width"], box["height"]) == (0, 0, 390, 844)
    await expect(chat.launcher).to_be_hidden()
    await expect(chat.panel).to_have_attribute("aria-modal", "true")
    size = await chat.input.evaluate("one => parseFloat(getComputedStyle(one).fontSize)")
    assert size >= 16, "a smaller one makes iOS zoom in"
    for _ in range(12):
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.localName") == "tertulia-widget"
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await chat.widget.get_by_role("button", name="Cerrar el chat").click()
    await expect(chat.panel).to_be_hidden()
    assert await page.evaluate("getComputedStyle(document.documentElement).overflow") == "visible"


@pytest.mark.parametrize(
    ("language", "label", "placeholder"),
    [("en", "Open the chat", "Write a message"), ("pt-BR", "Abrir o chat", "Escreva uma mensagem")],
)
async def test_it_speaks_the_language_of_the_page(
    site: Site, open_page, language: str, label: str, placeholder: str
) -> None:
    page = await open_page(site.page(language=language))
    await page.get_by_role("button", name=label).click()
    await expect(page.get_by_placeholder(placeholder)).to_be_visible()


async def test_the_pages_own_style_and_the_widgets_leave_one_another_alone(site: Site, open_page) -> None:
    page = await open_page(site.page())
    heading = "getComputedStyle(document.querySelector('h1')).font"
    before = await page.evaluate(heading)
    chat = await _opened(page)
    assert await page.evaluate(heading) == before
    spacing = "one => getComputedStyle(one).letterSpacing + getComputedStyle(one).textTransform"
    assert await chat.input.evaluate(spacing) == "normalnone"


async def test_a_page_listens_and_opens_it(site: Site, open_page) -> None:
    page = await open_page(site.page())
    chat = Chat(page)
    await expect(chat.launcher).to_be_visible()
    await page.evaluate(
        """() => {
          window.heard = [];
          for (const name of ['open', 'close', 'message'])
            tertulia.on(name, (detail) => heard.push([name, detail.author]));
          tertulia.open();
        }"""
    )
    await chat.say("saldo")
    await chat.sees("saldo")
    await page.evaluate("tertulia.close()")
    await expect(chat.panel).to_be_hidden()
    assert await page.evaluate("heard") == [["open", None], ["message", "bot"], ["close", None]]


# ---------------------------------------------------------------- size


async def test_all_that_a_visitor_loads_to_talk_is_below_thirty_kilobytes(site: Site, new_person) -> None:
    person = await new_person()
    bodies: dict[str, bytes] = {}

    async def keep(response) -> None:
        path = urlsplit(response.url).path
        if response.url.startswith(site.gateway_url) and path.startswith(("/ui/", "/widget")):
            bodies[path] = await response.body()

    person.on("response", keep)
    page = await person.new_page()
    await page.goto(site.page())
    await _says(page, "saldo", "saldo")
    sizes = {path: len(gzip.compress(body, 6)) for path, body in sorted(bodies.items())}
    assert {"/widget.js", "/ui/thread.js", "/ui/tokens.css"} <= sizes.keys()
    assert sum(sizes.values()) < MAX_GZIP_BYTES, sizes
