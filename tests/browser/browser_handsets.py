"""Phones without anything behind them: what a channel would show is put on their screens by the test."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import msgspec
from aiohttp import web

from channels.browser_files import BrowserFiles
from channels.handset import Handset
from channels.sandboxes import PhoneButton, Shade, Skin
from config.bot import load_bot
from config.settings import SAMPLE_BOT
from gateway.core.news import News
from gateway.store.database import Database
from gateway.web.sandbox.doors import SandboxDoors, Show
from gateway.web.sandbox.showcase import read_showcase
from gateway.web.server import UI

TOKEN = "the-token-of-these-tests"

ROUND = Skin(
    app="Round",
    title="Faro Móvil",
    subtitle={"es": "empresa"},
    header=Shade("#ffffff", "#1b1b1d"),
    on_header=Shade("#111418", "#f1f1f3"),
    wallpaper=Shade("#ffffff", "#000000"),
    bubble=Shade("#f0f0f2", "#303034"),
    ink=Shade("#111418", "#f1f1f3"),
    own_bubble=Shade("#0a5fe0", "#0a5fe0"),
    own_ink=Shade("#ffffff", "#ffffff"),
    own_bubble_to=Shade("#7a35e6", "#7a35e6"),
    soft=Shade("#5c6066", "#a8abb0"),
    accent=Shade("#0757c2", "#7ab4ff"),
    buttons="inside",
    ticks="below",
    tail=False,
    radius_px=18,
    times="gaps",
    faces=True,
    field={"es": "Aa"},
)
PAPER = msgspec.structs.replace(
    ROUND,
    app="Paper",
    header=Shade("#075e54", "#1f2c33"),
    on_header=Shade("#ffffff", "#e9edef"),
    wallpaper=Shade("#efe7dd", "#0b141a"),
    bubble=Shade("#ffffff", "#202c33"),
    own_bubble=Shade("#d9fdd3", "#005c4b"),
    own_ink=Shade("#111b21", "#ffffff"),
    own_bubble_to=None,
    accent=Shade("#02664c", "#3fd0ae"),
    buttons="chips",
    ticks="inside",
    tail=True,
    radius_px=10,
    times="bubble",
    faces=False,
    field={},
)


class Noted:
    """Acts that only say what they were; each leaves a bubble."""

    def __init__(self) -> None:
        self.done: list[tuple[str, ...]] = []
        self._numbers = itertools.count(1)

    def speaks(self, language: str) -> None:
        del language

    async def writes(self, text: str) -> str:
        return self._did("writes", text)

    async def presses(self, message_id: str, button: PhoneButton) -> str:
        return self._did("presses", message_id, button.key)

    async def sends_picture(self, content: bytes, *, name: str, mime: str, caption: str) -> str:
        del content, name, caption
        return self._did("picture", mime)

    async def sends_place(self, latitude: float, longitude: float) -> str:
        return self._did("place", str(latitude), str(longitude))

    def _did(self, *what: str) -> str:
        self.done.append(what)
        return f"own{next(self._numbers)}"


async def _nobody(_: web.Request) -> web.Response:
    page = '<!doctype html><html lang="es"><title>Nadie</title><p>Nadie atiende.</p></html>'
    return web.Response(text=page, content_type="text/html")


@asynccontextmanager
async def shown(phones: Mapping[str, Handset]) -> AsyncIterator[str]:
    """The page's address. Nothing is asked of a database, and there is no desk."""
    show = Show(read_showcase(load_bot(SAMPLE_BOT)), phones, None)
    doors = SandboxDoors(show, TOKEN, Database("postgresql://nobody@127.0.0.1:9/none"), News())
    application = web.Application()
    application.add_routes([*doors.routes(), BrowserFiles(UI).route("/ui/"), web.get("/desk", _nobody)])
    runner = web.AppRunner(application, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/sandbox?token={TOKEN}"
    finally:
        await doors.hang_up()
        await runner.cleanup()
