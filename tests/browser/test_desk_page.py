"""The desk as an agent meets it, in Chromium: by keyboard, on a phone, with colleagues, without a network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from axe_playwright_python.async_playwright import Axe
from browser_watch import Watch
from desk_world import BALANCE, QUESTION, TOKEN, Case, Desk, Words, World, picture, serving, world_of
from playwright.async_api import Page, Route, expect

from gateway.core.errors import Unavailable
from gateway.core.messages import Card, Cards, Choice, ContactCard, Location, Option, Selection, Text
from gateway.core.news import Passing
from gateway.core.turns import Candidate, Entity, Resolution

UNRESOLVED = Resolution(link="none", reason="0.31 below 0.55", language="es", candidates=(Candidate("balance", 0.31),))
HTML = "<img src=x onerror=window.hacked=1><script>window.hacked=1</script>"


@pytest.fixture
async def world(dsn: str) -> AsyncIterator[World]:
    async with world_of(dsn) as world:
        yield world


@pytest.fixture
async def desk(dsn: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with serving(dsn, tmp_path, words=Words()) as desk:
        yield desk


def address(desk: Desk, *, agent: str = "Ana", case: Case | None = None, more: str = "") -> str:
    """The desk as *agent* opens it, at a conversation when there is a *case*."""
    named = f"&agent={agent}" if agent else ""
    return f"{desk.url}/desk?token={TOKEN}{named}{more}" + (f"#{case.conversation}" if case else "")


def answer_field(page: Page):
    return page.get_by_role("textbox", name="Tu respuesta")


async def holds(claim: Callable[[], Awaitable[object]], patience_s: float = 8.0) -> None:
    """Return when the claim holds; a claim about the database cannot be awaited otherwise."""
    async with asyncio.timeout(patience_s):
        while not await claim():
            await asyncio.sleep(0.02)


async def test_an_agent_serves_a_customer_with_the_keyboard_alone(desk: Desk, world: World, open_page) -> None:
    case = await world.conversation("Marta Ríos")
    await world.turn(case, "mi saldo", "Tienes $ 12.400.", QUESTION, resolution=BALANCE)
    page: Page = await open_page(address(desk, agent=""))
    await expect(page.get_by_role("button", name="Marta Ríos")).to_be_visible()
    press = page.keyboard.press
    await press("j")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Marta Ríos")
    await expect(page.get_by_text("intents · balance 0.93 · 12 ms")).to_be_visible()
    await press("e")
    await expect(page.get_by_text("commands: no command")).to_be_visible()
    await press("t")
    await expect(page.get_by_role("dialog")).to_be_visible()
    await page.keyboard.type("Ana")
    await press("Enter")
    await expect(answer_field(page)).to_be_focused()
    await page.keyboard.type("Hola, Marta.")
    await press("Shift+Enter")
    await page.keyboard.type("Ya lo miro.")
    await press("Enter")
    await expect(page.get_by_text("Ya lo miro.", exact=False).last).to_be_visible()
    await expect(answer_field(page)).to_have_value("")
    said = "SELECT parts -> 0 ->> 'text' FROM message WHERE author = 'agent'"
    await holds(lambda: world.connection.fetchval(said))
    assert [row[0] for row in await world.connection.fetch(said)] == ["Hola, Marta.\nYa lo miro."]
    await press("Escape")
    await press("c")
    await expect(page.get_by_placeholder("El bot responde a este cliente.")).to_be_visible()
    row = await world.connection.fetchrow("SELECT agent, end_reason FROM handoff")
    assert tuple(row) == ("Ana", "solved")
    await press("3")
    await expect(page.locator(".case.closed")).to_contain_text("resuelto · Ana")
    await press("?")
    await expect(page.get_by_role("dialog", name="Teclas")).to_be_visible()
    await press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(page.locator("tertulia-thread").get_by_text("Hola, Marta.", exact=False)).to_have_count(1)


async def test_keys_rest_where_somebody_writes_and_where_they_were_switched_off(
    desk: Desk, world: World, open_page
) -> None:
    case = await world.conversation("Marta Ríos", agent="Ana")
    page: Page = await open_page(address(desk, case=case))
    await answer_field(page).click()
    await page.keyboard.type("bc t?")
    assert await answer_field(page).input_value() == "bc t?"
    await page.keyboard.press("Escape")
    await page.keyboard.press("?")
    await page.get_by_label("Usar teclas sueltas").uncheck()
    await page.get_by_role("button", name="Entendido").click()
    await page.keyboard.press("b")
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    assert await world.connection.fetchval("SELECT control FROM conversation") == "agent"


async def test_nothing_that_a_stranger_wrote_is_ever_run(
    desk: Desk, world: World, open_page, watch: Watch, shoot
) -> None:
    watch.expect("404")  # the file of the picture
    case = await world.conversation(
        f"N{HTML}",
        reason=f"r{HTML}",
        details={f"d{HTML}": HTML, "link": "javascript:window.hacked=1"},
        slots={f"s{HTML}": HTML},
        app=f"A{HTML}",
        agent=f"G{HTML}"[:60],
    )
    hostile = Resolution(
        link="intents",
        intent=f"i{HTML}",
        confidence=0.9,
        candidates=(Candidate(f"c{HTML}", 0.9),),
        entities=(Entity(kind=HTML, value=HTML, text=HTML),),
        reason=f"w{HTML}",
        steps=(f"p{HTML}",),
        sentiment=HTML,
    )
    await world.turn(
        case,
        f"t{HTML} javascript:window.hacked=1",
        (Text(f"**{HTML}** [x](javascript:window.hacked=1)", "markdown"),),
        resolution=hostile,
    )
    await world.says(case, (Choice(HTML, (Option(HTML, "v"), Option("u", url="javascript:window.hacked=1"))),), "bot")
    await world.says(case, (Cards((Card(HTML, HTML, "javascript:window.hacked=1", (Option(HTML, "v"),)),)),), "bot")
    await world.says(case, (Selection("v", HTML), Location(1, 2, HTML, HTML), ContactCard(HTML, HTML)))
    await world.says(case, picture("00/11", "image/svg+xml", HTML))
    await world.says(case, HTML, "agent", agent=HTML, status="failed")
    page: Page = await open_page(address(desk, agent=HTML[:60], case=case))
    await expect(page.get_by_role("heading", level=1)).to_have_text(f"N{HTML}")
    for button in await page.locator("desk-turn button").all():
        await button.click()
    await expect(page.get_by_text(f"p{HTML}")).to_be_visible()
    await expect(page.get_by_text(f"R{HTML}").first).to_be_visible()
    assert await page.evaluate("window.hacked") is None
    links = await page.evaluate(
        """() => [...document.querySelectorAll("tertulia-thread")].flatMap(
            (thread) => [...thread.shadowRoot.querySelectorAll("a")].map((link) => link.protocol))"""
    )
    assert "javascript:" not in links
    assert await page.evaluate("document.querySelectorAll('img, body script').length") == 0
    await shoot(page, "desk-hostile")


async def test_only_an_upset_message_carries_a_mark(desk: Desk, world: World, open_page) -> None:
    case = await world.conversation("Julia Paz")
    await world.turn(
        case, "mi saldo", "Tienes $ 12.400.", resolution=msgspec.structs.replace(BALANCE, sentiment="neutral")
    )
    await world.turn(case, "no sirve", "Lo siento.", resolution=msgspec.structs.replace(BALANCE, sentiment="negative"))
    page: Page = await open_page(address(desk, case=case))
    await expect(page.get_by_role("button", name="suena molesto")).to_have_count(1)
    await expect(page.get_by_role("button", name="intents · balance")).to_have_count(2)


async def test_a_case_that_came_to_an_empty_desk_leaves_it_again(desk: Desk, world: World, open_page) -> None:
    page: Page = await open_page(address(desk))
    await expect(page.get_by_role("heading", name="Nadie espera")).to_be_visible()
    case = await world.conversation("Marta Ríos")
    desk.news.changed((case.conversation,))
    await expect(page.locator(".case.waiting")).to_contain_text("Marta Ríos")
    await desk.agents.accept(case.handoff, "Ana")
    desk.news.changed((case.conversation,))
    await expect(page.locator(".case.mine")).to_contain_text("Marta Ríos")
    await desk.agents.give_back(case.handoff, "solved")
    desk.news.changed((case.conversation,))
    await expect(page.locator(".case")).to_have_count(0)
    await expect(page.get_by_role("heading", name="Nadie espera")).to_be_visible()


async def test_a_time_zone_is_named_and_makes_nobody_known(desk: Desk, world: World, open_page) -> None:
    known = await world.conversation("Marta Ríos", details={"time_zone": "America/Bogota"})
    guessed = await world.conversation("", details={"time_zone_hint": "Europe/Madrid"})
    page: Page = await open_page(address(desk, case=known))
    context = page.locator("aside.context")

    async def facts() -> dict[str, str]:
        names, values = (context.locator(f"section:first-of-type {one}") for one in ("dt", "dd"))
        return dict(zip(await names.all_inner_texts(), await values.all_inner_texts(), strict=True))

    await expect(context.locator(".person")).to_have_text("Marta Ríos")
    said = await facts()
    assert (said["Zona horaria"], said["Identidad"]) == ("America/Bogota", "verificada")
    await page.goto(address(desk, case=guessed))
    await page.reload()
    await expect(context.locator(".person")).to_contain_text("Visitante")
    said = await facts()
    assert said["Zona horaria (supuesta)"] == "Europe/Madrid"
    assert "Identidad" not in said, "a zone tells nobody's name"


async def test_where_nothing_led_to_a_person_there_is_nothing_to_open(desk: Desk, world: World, open_page) -> None:
    case = await world.conversation("Marta Ríos")
    await world.says(case, "¿hay alguien?")
    page: Page = await open_page(address(desk, case=case))
    why = page.get_by_role("button", name="Pidió una persona").last
    await expect(why).to_be_disabled()
    await page.keyboard.press("w")
    await expect(why).to_have_attribute("aria-expanded", "false")
    await expect(page.locator("#why-more")).to_be_hidden()


async def test_words_that_run_from_right_to_left_stay_on_their_speakers_side(
    desk: Desk, world: World, open_page
) -> None:
    case = await world.conversation("محمد", language="ar")
    await world.turn(case, "أريد التحدث مع شخص", "سأوصلك بأحد زملائنا", resolution=BALANCE)
    page: Page = await open_page(address(desk, case=case))
    bot = page.locator("tertulia-thread .row.bot .bubble")
    await expect(bot).to_have_css("direction", "rtl")
    for corner, size in {"top-left": "5px", "bottom-left": "5px", "top-right": "14px", "bottom-right": "14px"}.items():
        await expect(bot).to_have_css(f"border-{corner}-radius", size)
    await expect(page.locator(".conversation > header")).to_contain_text("árabe")


async def test_on_a_phone_one_column_is_seen_at_a_time(desk: Desk, world: World, open_page, shoot) -> None:
    case = await world.conversation("Luis Alberto Montenegro de la Espriella")
    await world.turn(case, "saldo" * 60, "Tienes $ 12.400.", resolution=BALANCE)
    page: Page = await open_page(address(desk), "phone")
    list_, conversation, details = page.locator(".queue"), page.locator(".conversation"), page.locator(".context")
    await page.get_by_role("button", name="Luis Alberto").tap()
    await expect(list_).to_be_hidden()
    await expect(conversation).to_be_visible()
    await page.get_by_role("button", name="Detalles").tap()
    await expect(details).to_be_visible()
    await page.get_by_role("button", name="Volver a la conversación").tap()
    await expect(details).to_be_hidden()
    await page.get_by_role("button", name="Tomar").tap()
    await expect(answer_field(page)).to_be_enabled()
    await shoot(page, "desk-phone")
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await page.get_by_role("button", name="Volver a la cola").tap()
    await expect(list_).to_be_visible()
    await expect(conversation).to_be_hidden()
    await page.go_back()
    await expect(conversation).to_be_visible()


async def test_colleagues_see_one_another_and_the_slower_one_is_told(
    desk: Desk, world: World, open_page, watch: Watch
) -> None:
    watch.expect("409")
    case = await world.conversation("Marta Ríos")
    await world.says(case, "¿hay alguien?")
    ana: Page = await open_page(address(desk, agent="Ana", case=case))
    leo: Page = await open_page(address(desk, agent="Leo", case=case))
    await expect(ana.get_by_role("button", name="Tomar")).to_be_visible()
    await expect(leo.get_by_role("button", name="Tomar")).to_be_visible()

    async def too_late(route: Route) -> None:
        await desk.agents.accept(case.handoff, "Leo")
        await route.continue_()

    await ana.route("**/take", too_late)
    await ana.get_by_role("button", name="Tomar").click()
    await expect(ana.get_by_role("alert")).to_contain_text("tomó el caso antes que tú")
    await expect(
        ana.get_by_text("Leo responde a este cliente.").or_(ana.get_by_placeholder("Leo responde a este cliente."))
    ).to_be_visible()
    await expect(answer_field(ana)).to_be_disabled()
    await expect(answer_field(leo)).to_be_enabled()
    await leo.keyboard.press("a")
    await leo.keyboard.type("Sí, aquí estoy")
    await leo.keyboard.press("Enter")
    await expect(ana.locator("tertulia-thread").get_by_text("Sí, aquí estoy")).to_be_visible()
    await expect(ana.locator(".case.others")).to_contain_text("La tiene Leo")


async def test_an_answer_that_came_too_late_goes_back_into_the_draft(
    desk: Desk, world: World, open_page, watch: Watch
) -> None:
    watch.expect("409")
    case = await world.conversation("Marta Ríos", agent="Ana")
    page: Page = await open_page(address(desk, case=case))

    async def too_late(route: Route) -> None:
        await desk.agents.accept(case.handoff, "Leo")
        await route.continue_()

    await page.route("**/answer", too_late)
    await answer_field(page).fill("Un momento, por favor")
    await answer_field(page).press("Enter")
    await expect(page.get_by_role("alert").last).to_contain_text("Tu texto volvió al borrador")
    await expect(answer_field(page)).to_have_value("Un momento, por favor")
    await expect(answer_field(page)).to_be_disabled()
    assert await world.connection.fetchval("SELECT count(*) FROM message WHERE author = 'agent'") == 0
    await page.reload()
    await expect(answer_field(page)).to_have_value("Un momento, por favor")


async def test_without_a_network_words_are_kept_and_said_once_when_it_is_back(
    desk: Desk, world: World, open_page, watch: Watch, shoot
) -> None:
    watch.expect("ERR_INTERNET_DISCONNECTED")
    case = await world.conversation("Marta Ríos", agent="Ana")
    page: Page = await open_page(address(desk, case=case))
    await expect(answer_field(page)).to_be_enabled()
    await page.context.set_offline(True)
    await expect(page.get_by_text("Sin conexión", exact=True)).to_be_visible()
    await answer_field(page).fill("Sigo aquí")
    await answer_field(page).press("Enter")
    await expect(page.get_by_role("button", name="Enviar de nuevo")).to_be_visible()
    await world.says(case, "¿sigue ahí?")
    await shoot(page, "desk-offline")
    await page.context.set_offline(False)
    await expect(page.get_by_text("Sin conexión", exact=True)).to_be_hidden()
    await expect(page.get_by_text("¿sigue ahí?").first).to_be_visible()
    await expect(page.get_by_role("button", name="Enviar de nuevo")).to_have_count(0)
    await expect(page.locator("tertulia-thread").get_by_text("Sigo aquí")).to_have_count(1)
    assert await world.connection.fetchval("SELECT count(*) FROM message WHERE author = 'agent'") == 1


async def test_a_database_that_does_not_answer_is_said_and_overcome(
    desk: Desk, world: World, open_page, monkeypatch
) -> None:
    case = await world.conversation("Marta Ríos")
    page: Page = await open_page(address(desk, case=case))
    await expect(page.get_by_role("heading", level=1)).to_have_text("Marta Ríos")

    async def away(*_: object) -> None:
        raise Unavailable("gone")

    with monkeypatch.context() as patch:
        patch.setattr(desk.doors._reading, "marks", away)
        await expect(page.get_by_text("La base de datos no responde")).to_be_visible()
    await expect(page.get_by_text("La base de datos no responde")).to_be_hidden()
    await world.conversation("Luis")
    await expect(page.get_by_role("button", name="Luis")).to_be_visible()


async def test_news_are_counted_in_the_title_and_typing_is_seen(desk: Desk, world: World, open_page) -> None:
    case = await world.conversation("Marta Ríos", agent="Ana")
    page: Page = await open_page(address(desk, case=case))
    await expect(page).to_have_title("Mesa · Tertulia")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Marta Ríos")
    waiting = await world.conversation("Luis")
    await world.says(waiting, "hola")
    desk.news.changed((waiting.conversation,))
    await expect(page).to_have_title("(1) Mesa · Tertulia")
    await expect(page.get_by_role("button", name="Luis").locator(".count")).to_have_text("1")
    desk.news.passing(Passing(case.conversation, "typing", author="customer"))
    await expect(page.locator("tertulia-thread .dots")).to_be_visible()
    heard: list[Passing] = []
    desk.news.listen(lambda _id: None, heard.append)
    await answer_field(page).press_sequentially("ya")
    await holds(lambda: _is(any(p.kind == "typing" and p.author == "agent" and p.is_on for p in heard)))
    await page.get_by_role("button", name="Luis").click()
    await holds(lambda: _is(any(p.kind == "typing" and not p.is_on for p in heard)))
    await expect(page.get_by_role("button", name="Luis").locator(".count")).to_have_count(0)
    assert await page.evaluate("(key) => localStorage[key]", f"tertulia.desk.draft.{case.conversation}") == '"ya"'


async def _is(claim: bool) -> bool:
    return claim


async def test_a_long_conversation_is_read_backwards_as_the_reader_scrolls(desk: Desk, world: World, open_page) -> None:
    case = await world.conversation("Marta Ríos")
    for number in range(130):
        await world.says(case, f"mensaje {number}")
    page: Page = await open_page(address(desk, case=case))
    thread = page.locator("tertulia-thread")
    await expect(thread.get_by_text("mensaje 129")).to_be_visible()
    await expect(thread.get_by_text("mensaje 0", exact=True)).to_have_count(0)
    for _ in range(30):
        await thread.evaluate("(thread) => thread.shadowRoot.querySelector('.scroll').scrollBy(0, -4000)")
        if await thread.get_by_text("mensaje 0", exact=True).count():
            break
        await page.evaluate("() => new Promise((done) => setTimeout(done, 50))")
    await expect(thread.get_by_text("mensaje 0", exact=True)).to_have_count(1)
    await expect(page.get_by_text("Aquí empieza la conversación")).to_be_attached()
    shown = await thread.evaluate("(t) => [...t.shadowRoot.querySelectorAll('.bubble')].map((b) => b.textContent)")
    assert shown == sorted(set(shown), key=lambda text: int(text.split()[1]))


async def test_three_thousand_cases_are_a_short_list_that_grows_as_one_scrolls(
    desk: Desk, world: World, open_page
) -> None:
    for number in range(3):
        await world.conversation(f"Persona {number}", asked_ago_s=10_000 - number)
    await world.connection.execute(
        """
        WITH n AS (SELECT gen_random_uuid() AS c, gen_random_uuid() AS h, i FROM generate_series(1, 3000) i),
        c AS (
            INSERT INTO conversation (id, account_id, address_id, contact_id, control, epoch, handoff_id)
            SELECT n.c, account_id, address_id, contact_id, 'queued', 1, n.h
            FROM n, (SELECT * FROM conversation LIMIT 1) x
        )
        SELECT 1
        """
    )
    await world.connection.execute(
        """
        INSERT INTO handoff (id, conversation_id, desk, reason)
        SELECT handoff_id, id, 'builtin', 'asked' FROM conversation WHERE handoff_id NOT IN (SELECT id FROM handoff)
        """
    )
    page: Page = await open_page(address(desk))
    await expect(page.get_by_role("tab", name="Cola 3003")).to_be_visible()
    assert await page.locator(".case").count() <= 200
    before = await page.locator(".case").count()
    await page.locator(".list").evaluate("(list) => list.scrollTo(0, list.scrollHeight)")
    await expect(page.locator(".case").nth(before)).to_be_attached()
    await page.get_by_role("searchbox").fill("persona 2")
    await expect(page.locator(".case")).to_have_count(1)


async def test_in_a_frame_the_queue_is_a_strip_and_the_first_case_is_open(
    desk: Desk, world: World, open_page, shoot
) -> None:
    page: Page = await open_page(address(desk, more="&embed=1"), "phone")
    await expect(page.get_by_role("heading", name="Nadie espera")).to_be_visible()
    case = await world.conversation("Marta Ríos")
    await world.says(case, "¿hay alguien?")
    desk.news.changed((case.conversation,))
    await expect(page.get_by_role("heading", level=1)).to_have_text("Marta Ríos")
    await expect(page.get_by_role("tab", name="Cola")).to_be_hidden()
    await page.get_by_role("button", name="Tomar").click()
    await answer_field(page).fill("Aquí estoy")
    await page.get_by_role("button", name="Enviar").click()
    await expect(page.locator("tertulia-thread").get_by_text("Aquí estoy")).to_be_visible()
    await shoot(page, "desk-embedded")
    await page.get_by_role("button", name="Cerrar como resuelto").click()
    await expect(page.get_by_role("button", name="Intervenir")).to_be_visible()
    other = await world.conversation("Luis")
    desk.news.changed((other.conversation,))
    await expect(page.get_by_role("heading", level=1)).to_have_text("Luis")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", ["phone", "tablet", "desktop"])
async def test_no_serious_barrier_is_found_and_nothing_is_wider_than_the_screen(
    desk: Desk, world: World, open_page, shoot, device: str, scheme: str
) -> None:
    case = await world.conversation(
        "Donaudampfschifffahrtsgesellschaftskapitän", details={"email": "kapitaen@donaudampfschifffahrt.example"}
    )
    await world.turn(case, "saldo", "Tienes $ 12.400.", QUESTION, resolution=BALANCE)
    await world.conversation("Sofía", agent="Ana")
    await world.conversation("Jorge", agent="Leo")
    page: Page = await open_page(address(desk), device, scheme=scheme)
    await expect(page.locator(".case")).to_have_count(3)
    await _is_sound(page, "queue")
    await page.locator(".case").first.click()
    await expect(page.get_by_text("balance 0.93")).to_be_visible()
    await page.locator("desk-turn button").click()
    await shoot(page, f"desk-{device}-{scheme}")
    await _is_sound(page, "conversation")
    if device != "desktop":
        await page.get_by_role("button", name="Detalles").click()
        await _is_sound(page, "details")
        await page.get_by_role("button", name="Volver a la conversación").click()
    await page.keyboard.press("?")
    await _is_sound(page, "keys")


async def test_what_scrolls_is_reached_by_the_keyboard_and_only_while_it_scrolls(
    desk: Desk, world: World, open_page
) -> None:
    short = await world.conversation("Luis")
    case = await world.conversation("Marta Ríos", details={f"fact {number}": number for number in range(40)})
    for number in range(12):
        await world.turn(case, f"pregunta {number}\n\n" * 12, resolution=UNRESOLVED)
    await world.connection.execute("UPDATE turn SET at = now() - interval '90 s'")  # before a person was asked for
    page: Page = await open_page(address(desk, case=case))
    details = page.locator("aside.context .sections")
    await expect(details).to_have_attribute("tabindex", "0")
    await page.keyboard.press("w")
    await expect(page.locator("#why-more")).to_have_attribute("tabindex", "0")
    await _is_sound(page, "long facts")
    await page.get_by_role("button", name="Luis").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Luis")
    await expect(details).not_to_have_attribute("tabindex", "0")
    assert short.handoff is not None


async def _is_sound(page: Page, where: str) -> None:
    results = await Axe().run(page)
    serious = [v for v in results.response["violations"] if v["impact"] in ("serious", "critical")]
    found = [(v["id"], [node["html"][:200] for node in v["nodes"]]) for v in serious]
    assert not found, f"{where}: {found}"
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), where


async def test_an_empty_desk_and_a_closed_door_say_what_is_so(desk: Desk, open_page, watch: Watch, shoot) -> None:
    watch.expect("401")
    watch.expect("HTTP Authentication failed")
    page: Page = await open_page(address(desk))
    await expect(page.get_by_role("heading", name="Nadie espera")).to_be_visible()
    await expect(page.get_by_role("heading", name="Elige una conversación")).to_be_visible()
    await shoot(page, "desk-empty")
    await page.context.clear_cookies()
    desk.doors._feed.hang_up()
    await expect(page.get_by_role("heading", name="Esta página necesita el código de acceso")).to_be_visible()
    await shoot(page, "desk-refused")


@pytest.mark.parametrize(
    ("language", "title"), [("es", "Nadie espera"), ("en", "Nobody is waiting"), ("pt", "Ninguém está aguardando")]
)
async def test_the_page_speaks_the_agents_language(desk: Desk, open_page, language: str, title: str) -> None:
    page: Page = await open_page(address(desk), language={"pt": "pt-BR"}.get(language, language))
    await expect(page.get_by_role("heading", name=title)).to_be_visible()
    assert await page.evaluate("document.documentElement.lang") == language
