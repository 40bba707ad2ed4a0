"""What axe says of everything that people look at, in both colour schemes: nothing serious, nothing critical."""

from __future__ import annotations

from pathlib import Path

import pytest
from browser_axe import grave_findings
from browser_chat import Chat
from browser_demo import Demo
from browser_desk import Desk
from browser_launch import Device, Scheme
from browser_site import Site
from PIL import Image
from playwright.async_api import expect

SCHEMES: tuple[Scheme, ...] = ("light", "dark")
DEVICES: tuple[Device, ...] = ("phone", "desktop")


async def test_axe_finds_what_is_wrong(open_page) -> None:
    page = await open_page("data:text/html,<title>x</title><button></button><img src='data:,'>")
    findings = " ".join(await grave_findings(page))
    assert "button-name" in findings
    assert "image-alt" in findings


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("scheme", SCHEMES)
async def test_the_widget_closed_open_and_in_a_conversation(
    open_page, site: Site, scheme: Scheme, device: Device, tmp_path: Path, shoot
) -> None:
    chat = Chat(await open_page(site.page(), device, scheme=scheme))
    await expect(chat.launcher).to_be_visible()
    assert await grave_findings(chat.page) == []
    await chat.open()
    assert await grave_findings(chat.page) == []
    await converse(chat, tmp_path)
    await shoot(chat.page, f"axe-widget-{device}-{scheme}")
    assert await grave_findings(chat.page) == []


async def converse(chat: Chat, folder: Path) -> None:
    """Texts of both sides, buttons, a choice that was taken, a picture, a wait for a person."""
    await chat.say("¿Cuál es mi saldo?")
    await expect(chat.button("Cambiar de plan")).to_be_visible()
    assert await grave_findings(chat.page) == []
    await chat.press("Cambiar de plan")
    await chat.sees("¿A cuál quieres cambiarte?")
    await chat.say("ya no quiero")
    await expect(chat.thread.locator(".row.bot")).to_have_count(3)
    picture = folder / "foto.png"
    Image.new("RGB", (300, 200), "#7a5c99").save(picture)
    await chat.attach(picture)
    await expect(chat.thread.locator(".row.customer[data-seq] .media img")).to_be_visible()
    await expect(chat.thread.locator(".row.bot")).to_have_count(4)
    await chat.say("quiero hablar con una persona")
    await expect(chat.widget.get_by_text("Esperando a una persona")).to_be_visible()


@pytest.fixture
async def form_site(make_site) -> Site:
    """A site that asks who one is before the first message."""
    fields = [{"name": "name", "required": True}, {"name": "email"}]
    return await make_site(
        channels__webchat__site__form=fields, channels__webchat__site__welcome="Hola, le damos la bienvenida."
    )


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_the_form_before_the_first_message_empty_and_with_mistakes(
    open_page, form_site: Site, scheme: Scheme, shoot
) -> None:
    chat = Chat(await open_page(form_site.page(), "phone", scheme=scheme))
    await chat.launcher.click()
    begin = chat.widget.get_by_role("button", name="Empezar")
    await expect(begin).to_be_visible()
    assert await grave_findings(chat.page) == []
    await chat.widget.get_by_label("Correo").fill("nadie")
    await begin.click()
    await expect(chat.widget.get_by_text("Falta este dato.")).to_be_visible()
    await shoot(chat.page, f"axe-form-{scheme}")
    assert await grave_findings(chat.page) == []
    await chat.widget.get_by_label("Nombre").fill("Ana")
    await chat.widget.get_by_label("Correo").fill("ana@example.com")
    await begin.click()
    await expect(chat.input).to_be_visible()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("scheme", SCHEMES)
async def test_the_desk_with_nothing_open_and_with_a_case(
    open_page, new_person, site: Site, scheme: Scheme, device: Device, shoot
) -> None:
    words = f"Soy quien espera, {scheme} {device}"
    chat = Chat(await open_page(site.page()))
    await chat.open()
    await chat.say("quiero hablar con una persona")
    await expect(chat.widget.get_by_text("Esperando a una persona")).to_be_visible()
    await chat.say(words)
    desk = Desk(await (await new_person(device, scheme=scheme)).new_page(), "Berta")
    await desk.open(site.gateway_url, site.token)
    await expect(desk.page.locator(".case", has_text=words)).to_be_visible()
    assert await grave_findings(desk.page) == []
    await desk.choose(words)
    assert await grave_findings(desk.page) == []
    await desk.take()
    await desk.answer("Hola, le ayudo enseguida.")
    await shoot(desk.page, f"axe-desk-{device}-{scheme}")
    assert await grave_findings(desk.page) == []
    await desk.give_back()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("scheme", SCHEMES)
async def test_the_sandbox_before_and_after_the_first_words(
    open_page, demo: Demo, scheme: Scheme, device: Device, shoot
) -> None:
    page = await open_page(demo.page("sandbox"), device, scheme=scheme)
    words = f"¿Cuál es mi saldo? {device} {scheme}"
    phone = page.locator("#pane-phone-telegram")
    field = phone.get_by_role("textbox")
    if device == "phone":
        await page.get_by_role("tab", name="Telegram").click()
    await expect(field).to_be_visible()
    assert await grave_findings(page) == []
    await field.fill(words)
    await field.press("Enter")
    await expect(phone.get_by_role("log").get_by_text(words)).to_be_visible()
    await expect(phone.get_by_role("button", name="Cambiar de plan").last).to_be_visible()
    for tab in await page.get_by_role("tab").all():  # on a phone one part at a time
        await tab.click()
        await shoot(page, f"axe-sandbox-{device}-{scheme}-{await tab.get_attribute('id')}")
        assert await grave_findings(page) == []
    await expect(page.get_by_role("listitem").get_by_text(words)).to_be_visible()
    await shoot(page, f"axe-sandbox-{device}-{scheme}")
    assert await grave_findings(page) == []
