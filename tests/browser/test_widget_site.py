"""What a site's operator gives the widget: a form, starters, a colour, and visitors that are signed in."""

from __future__ import annotations

import time

import jwt
import pytest
from browser_chat import Chat
from browser_site import Site
from playwright.async_api import Page, expect

SECRET = "a-secret-of-the-site-and-nobody-else"
ACCENT = "#f2c400"

HOSTILE = "<img src=x onerror=window.hacked=1>"


def _identity(subject: str, *, valid_s: int = 3600) -> str:
    return jwt.encode({"sub": subject, "name": "Ana Gómez", "exp": int(time.time()) + valid_s}, SECRET, "HS256")


@pytest.fixture
async def furnished(make_site) -> Site:
    return await make_site(
        channels__webchat__site__title={"es": "Atención Faro", "en": "Faro support"},
        channels__webchat__site__welcome={"es": f"Hola {HOSTILE}", "en": "Hello"},
        channels__webchat__site__starters=[
            {"label": {"es": "Consultar mi saldo"}, "value": "saldo"},
            {"label": HOSTILE, "value": HOSTILE},
        ],
        channels__webchat__site__form=[
            {"name": "name", "required": True},
            {"name": "email", "label": {"es": "Tu correo"}},
        ],
        channels__webchat__site__accent=ACCENT,
        channels__webchat__site__identity_secret=SECRET,
    )


async def test_a_form_comes_first_with_a_mistake_and_a_correction_and_only_once(furnished: Site, open_page) -> None:
    page = await open_page(furnished.page())
    chat = Chat(page)
    await chat.launcher.click()
    name = chat.widget.get_by_label("Nombre")
    email = chat.widget.get_by_label("Tu correo (opcional)")
    await expect(name).to_be_focused()
    await expect(chat.widget.get_by_label("Escribe un mensaje")).to_have_count(0)
    await email.fill("ana arroba ejemplo")
    await page.keyboard.press("Enter")
    await expect(name).to_have_attribute("aria-invalid", "true")
    await expect(name).to_have_accessible_description("Falta este dato.")
    await expect(email).to_have_accessible_description("Escribe un correo como nombre@ejemplo.com.")
    await expect(name).to_be_focused()
    await name.fill(HOSTILE)
    await email.fill("ana@ejemplo.com")
    await expect(email).to_have_attribute("aria-invalid", "false")
    await chat.widget.get_by_role("button", name="Empezar").click()
    await expect(chat.widget.get_by_label("Escribe un mensaje")).to_be_focused()
    await chat.widget.get_by_role("button", name="Consultar mi saldo").click()
    await chat.sees("saldo")
    await page.reload()
    await chat.sees("saldo")
    await expect(name).to_have_count(0)
    await expect(chat.widget.get_by_role("button", name="Consultar mi saldo")).to_have_count(0)
    assert await page.evaluate("window.hacked") is None


async def test_the_sites_words_and_colour_are_shown_and_stay_readable(furnished: Site, open_page) -> None:
    for scheme in ("light", "dark"):
        page = await open_page(furnished.page(identity=_identity("readable")), scheme=scheme)
        chat = await _opened(page)
        await expect(chat.panel).to_have_accessible_name("Atención Faro")
        await expect(chat.widget.locator(".welcome")).to_have_text(f"Hola {HOSTILE}")
        starter = chat.widget.get_by_role("button", name=HOSTILE)
        await expect(starter).to_be_visible()
        assert await chat.launcher.evaluate(_CONTRAST) > 4.5
        assert await starter.evaluate(_CONTRAST) > 4.5, scheme
        assert await page.evaluate("window.hacked") is None


_CONTRAST = """(one) => {
  const pen = new OffscreenCanvas(1, 1).getContext('2d');
  const light = (colour) => {
    pen.fillStyle = colour;
    pen.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...pen.getImageData(0, 0, 1, 1).data].map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const style = getComputedStyle(one);
  const [low, high] = [light(style.color), light(style.backgroundColor)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}"""


async def test_a_signed_in_visitor_has_several_conversations_on_every_device(furnished: Site, open_page) -> None:
    address = furnished.page(identity=_identity("ana"))
    page = await open_page(address)
    chat = await _opened(page)
    await chat.say("la primera conversación")
    await chat.all_is_stored()
    await chat.widget.get_by_role("button", name="Conversaciones").click()
    await expect(chat.widget.locator(".list [aria-current]")).to_contain_text("la primera conversación")
    await chat.widget.get_by_role("button", name="Nueva conversación").click()
    await expect(chat.input).to_be_focused()
    assert await chat.lines() == []
    await chat.say("la segunda, de otro tema")
    await chat.all_is_stored()

    elsewhere = await open_page(address, "phone")
    other = Chat(elsewhere)
    await other.launcher.click()
    await other.widget.get_by_role("button", name="Conversaciones").click()
    await expect(other.widget.locator(".list li")).to_have_count(2)
    await other.widget.locator(".list button", has_text="la primera conversación").click()
    await expect(other.bubble("la primera conversación", "customer")).to_be_visible()
    assert "la segunda, de otro tema" not in [line.text for line in await other.lines()]


async def test_signing_in_carries_over_what_was_said_and_signing_out_leaves_nothing(
    furnished: Site, open_page, watch
) -> None:
    page = await open_page(furnished.page())
    chat = Chat(page)
    await chat.launcher.click()
    await chat.widget.get_by_label("Nombre").fill("Ana")
    await page.keyboard.press("Enter")
    await chat.say("antes de entrar")
    await chat.all_is_stored()
    await page.evaluate("(identity) => tertulia.identify(identity)", _identity("carried"))
    await expect(chat.widget.get_by_role("button", name="Conversaciones")).to_be_visible()
    await expect(chat.bubble("antes de entrar", "customer")).to_be_visible()
    await page.evaluate("tertulia.forget()")
    await expect(chat.bubble("antes de entrar", "customer")).to_have_count(0)
    await expect(chat.widget.get_by_label("Nombre")).to_be_visible()
    left = await page.evaluate("Object.keys(localStorage).filter((key) => !/:(token|conversation|visitor)$/.test(key))")
    assert left == []


async def test_a_page_may_sign_in_before_the_widget_is_there(furnished: Site, open_page) -> None:
    page = await open_page(furnished.page())
    await page.evaluate(
        """(identity) => new Promise((done) => {
          const timer = setInterval(() => {
            if (!window.tertulia) return;
            clearInterval(timer);
            tertulia.identify(identity);
            tertulia.open();
            done();
          }, 1);
        })""",
        _identity("early"),
    )
    chat = Chat(page)
    await expect(chat.widget.get_by_role("button", name="Conversaciones")).to_be_visible()
    await expect(chat.widget.get_by_label("Escribe un mensaje")).to_be_visible()
    await expect(chat.widget.get_by_label("Nombre")).to_have_count(0)


async def test_an_identity_that_ended_leaves_a_visitor_without_a_name(furnished: Site, open_page, watch) -> None:
    watch.expect("401")
    page = await open_page(furnished.page(identity=_identity("late", valid_s=-60)))
    chat = Chat(page)
    await chat.launcher.click()
    await expect(chat.widget.get_by_label("Nombre")).to_be_visible()


async def _opened(page: Page) -> Chat:
    chat = Chat(page)
    await chat.open()
    return chat
