"""The product as people meet it: a customer on somebody's site, an agent at the desk, a bad network between."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from browser_chat import Chat, Line
from browser_desk import Desk
from browser_launch import Device
from browser_site import Cable, Site
from browser_watch import Watch
from PIL import Image, ImageDraw
from playwright.async_api import expect

DEVICES: tuple[Device, ...] = ("phone", "desktop")
DROPPED_S = 5.0
RESUMED_WITHIN_S = 5.0
BALANCE = "te quedan $12.400 de saldo"
LAST_WORD = "Gracias por tu opinión"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A photograph of a bill, as far as a machine can tell."""
    image = Image.new("RGB", (900, 640), "#e8e2d6")
    draw = ImageDraw.Draw(image)
    for row in range(8):
        draw.rectangle((80, 80 + 60 * row, 820 - 70 * (row % 3), 104 + 60 * row), fill="#8c8272")
    path = tmp_path / "factura.png"
    image.save(path)
    return path


@pytest.mark.parametrize("device", DEVICES)
async def test_a_customer_is_served_by_the_bot_then_by_a_person_then_by_the_bot_again(
    open_page, new_person, site: Site, device: Device, picture: Path, shoot
) -> None:
    chat = Chat(await open_page(site.page(), device))
    await chat.open()
    await ask_for_the_balance(chat)
    await change_the_plan(chat)
    await chat.attach(picture)
    await expect(chat.thread.locator(".row.customer[data-seq] .media img").last).to_be_in_viewport()
    await shoot(chat.page, f"journey-{device}-picture")
    await meet_a_person(chat, Desk(await (await new_person("desktop")).new_page(), "Berta"), site, device, shoot)
    await rate(chat)
    await shoot(chat.page, f"journey-{device}-rated")

    await chat.all_is_stored()
    before = await chat.lines()
    assert_dense(before)
    await chat.page.reload()
    await expect(chat.input).to_be_visible()  # it was open, so it is open
    await chat.sees(LAST_WORD)
    await expect(chat.thread.locator(".row .media")).to_have_count(sum(line.media for line in before))
    assert await chat.lines() == before


async def ask_for_the_balance(chat: Chat) -> None:
    await chat.say("¿Cuál es mi saldo?")
    await chat.sees(BALANCE)
    await chat.press("Cambiar de plan")
    await chat.sees("Cambiar de plan", "customer")


async def change_the_plan(chat: Chat) -> None:
    """The form, with a number that is none, and a date that is changed at the end."""
    await chat.sees("¿A cuál quieres cambiarte?")
    await chat.press("Plus · 25 GB · $49.900")
    await chat.sees("¿Cuál es el número de la línea?")
    await chat.say("12345")
    await chat.sees("Ese número no parece un celular nuestro")
    await chat.say("300 555 0142")
    await chat.sees("¿Desde qué día quieres el nuevo plan?")
    await chat.press("Hoy")
    await chat.sees("¿Lo confirmo?")
    today = await chat.bubble("¿Lo confirmo?").inner_text()
    await chat.press("Corregir algo")
    await chat.sees("¿Qué quieres corregir?")
    await chat.press("La fecha")
    await expect(chat.button("Mañana")).to_be_visible()
    await chat.press("Mañana")
    await expect(chat.thread.locator(".row.bot .bubble", has_text="¿Lo confirmo?")).to_have_count(2)
    tomorrow = await chat.bubble("¿Lo confirmo?").inner_text()
    assert today != tomorrow
    await chat.press("Sí, confirmar")
    await chat.sees("Hecho. La línea 3005550142 tendrá el plan Plus")


async def meet_a_person(chat: Chat, desk: Desk, site: Site, device: Device, shoot) -> None:
    """Asked for, answered at the desk in a browser of the agent's own, given back."""
    await desk.open(site.gateway_url, site.token)
    await chat.say("quiero hablar con una persona")
    await expect(chat.widget.get_by_text("Esperando a una persona")).to_be_visible()
    await chat.say(f"Es por mi pedido, estoy en el {device}")
    await desk.choose(f"estoy en el {device}")
    await desk.take()
    await expect(chat.widget.get_by_text("Berta te atiende")).to_be_visible()
    await desk.answer("Hola, soy Berta. Su pedido ya está en camino.")
    await chat.sees("Su pedido ya está en camino", "agent")
    await chat.say("Mil gracias, Berta")
    await desk.sees("Mil gracias, Berta")
    await shoot(chat.page, f"journey-{device}-agent")
    await shoot(desk.page, f"journey-{device}-desk")
    await desk.give_back()


async def rate(chat: Chat) -> None:
    await expect(chat.button("5 · Excelente")).to_be_visible()
    await chat.press("5 · Excelente")
    await chat.sees("5 · Excelente", "customer")
    await expect(chat.widget.get_by_text("Asistente virtual")).to_be_visible()
    await chat.say("Todo muy rápido")
    await chat.sees(LAST_WORD)


@pytest.mark.parametrize("device", DEVICES)
async def test_a_network_that_breaks_for_five_seconds_loses_nothing_and_doubles_nothing(
    open_page, site: Site, cable: Cable, watch: Watch, device: Device
) -> None:
    watch.expect("ERR_")  # the browser says in the console that it cannot connect
    watch.expect("WebSocket")
    chat = Chat(await open_page(site.page(via_port=cable.port), device))
    await chat.open()
    await chat.say("¿Cuál es mi saldo?")
    await chat.sees(BALANCE)
    cable.cut()
    said = [f"¿Cuál es mi saldo? Van {number}" for number in range(3)]
    for text in said:
        await chat.say(text)
    await expect(chat.banner).to_be_visible()
    await asyncio.sleep(DROPPED_S)  # the claim is about so many seconds
    assert len([line for line in await chat.lines() if line.seq == 0]) == 3
    cable.mend()
    await chat.all_is_stored()
    await answered(chat, said)
    await expect(chat.banner).to_be_hidden()
    assert_said_once(await chat.lines(), ["¿Cuál es mi saldo?", *said])


async def test_a_network_that_stalls_without_a_word_loses_nothing_and_doubles_nothing(
    open_page, site: Site, cable: Cable, watch: Watch
) -> None:
    watch.expect("ERR_")
    watch.expect("WebSocket")
    chat = Chat(await open_page(site.page(via_port=cable.port), "phone"))
    await chat.open()
    await chat.say("¿Cuál es mi saldo?")
    await chat.sees(BALANCE)
    cable.stall()
    said = ["¿Cuál es mi saldo? Uno", "¿Cuál es mi saldo? Dos"]
    for text in said:
        await chat.say(text)
    await asyncio.sleep(DROPPED_S)
    cable.mend()
    await chat.all_is_stored()
    await answered(chat, said)
    assert_said_once(await chat.lines(), ["¿Cuál es mi saldo?", *said])


async def test_a_browser_that_goes_offline_loses_nothing_and_doubles_nothing(
    open_page, site: Site, watch: Watch
) -> None:
    watch.expect("ERR_INTERNET_DISCONNECTED")
    watch.expect("WebSocket")
    chat = Chat(await open_page(site.page(), "phone"))
    await chat.open()
    await chat.say("¿Cuál es mi saldo?")
    await chat.sees(BALANCE)
    await chat.page.context.set_offline(True)
    await chat.say("¿Cuál es mi saldo? Otra vez")
    await asyncio.sleep(DROPPED_S)
    await chat.page.context.set_offline(False)
    await chat.all_is_stored()
    await answered(chat, ["¿Cuál es mi saldo? Otra vez"])
    assert_said_once(await chat.lines(), ["¿Cuál es mi saldo?", "¿Cuál es mi saldo? Otra vez"])


async def test_a_gateway_that_stops_or_is_killed_and_comes_back_is_resumed_by_itself(
    open_page, make_site, watch: Watch
) -> None:
    watch.expect("ERR_")
    watch.expect("WebSocket")
    site = await make_site()
    chat = Chat(await open_page(site.page(), "phone"))
    await chat.open()
    said = ["¿Cuál es mi saldo?"]
    await chat.say(said[0])
    await chat.sees(BALANCE)
    for number, is_polite in enumerate((True, False)):
        if is_polite:
            await site.gateway.child.stop()
        else:
            site.gateway.child.kill()
        said.append(f"¿Cuál es mi saldo? Tras la caída {number}")
        await chat.say(said[-1])
        await site.gateway.start()
        async with asyncio.timeout(RESUMED_WITHIN_S):
            await chat.all_is_stored()
        await answered(chat, said)
    assert_said_once(await chat.lines(), said)


@pytest.mark.parametrize("device", DEVICES)
async def test_two_tabs_show_the_same(open_page, site: Site, device: Device) -> None:
    first = Chat(await open_page(site.page(), device))
    await first.open()
    await first.say("¿Cuál es mi saldo?")
    await first.sees(BALANCE)
    second = Chat(await first.page.context.new_page())
    await second.page.goto(site.page())
    await second.open()
    await second.sees(BALANCE)
    await second.say("¿Cuál es mi saldo? Desde aquí")
    await first.page.bring_to_front()
    await first.sees("Desde aquí", "customer")
    await first.say("¿Cuál es mi saldo? Desde allá")
    await second.page.bring_to_front()
    await answered(second, ["¿Cuál es mi saldo? Desde aquí", "¿Cuál es mi saldo? Desde allá"])
    await answered(first, ["¿Cuál es mi saldo? Desde aquí", "¿Cuál es mi saldo? Desde allá"])
    assert await first.lines() == await second.lines()
    assert_dense(await first.lines())


async def answered(chat: Chat, said: Sequence[str]) -> None:
    """Wait until the bot spoke after the last thing that was said."""

    async def last_word() -> tuple[str, ...]:
        lines = await chat.lines()
        texts = [line.text for line in lines]
        if any(text not in texts for text in said):
            return ()
        return tuple(line.author for line in lines[-1:])

    async with asyncio.timeout(20):
        while await last_word() != ("bot",):
            await asyncio.sleep(0.05)


def assert_dense(lines: Sequence[Line]) -> None:
    """Every message has its number, one after another."""
    assert [line.seq for line in lines] == list(range(1, len(lines) + 1))


def assert_said_once(lines: Sequence[Line], said: Sequence[str]) -> None:
    """What the customer said, each once and in the order in which it was written; nothing is under way."""
    assert_dense(lines)
    assert [line.text for line in lines if line.author == "customer"] == list(said)
