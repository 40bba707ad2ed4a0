"""The sandbox page's addresses: the page, the company's page, the phones, and the live view of the pipeline.

Whoever holds the access token may use them. What is done here is done to the sandboxes, and reaches the product
only as their webhooks do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import jinja2
import msgspec
from aiohttp import web

from channels.browser_files import BrowserFiles
from channels.sandboxes import HasEmbed, Phone, PhoneFile, PhoneView, Skin
from gateway.core.news import News
from gateway.store.database import Database
from gateway.web.access import admit, is_allowed
from gateway.web.answers import as_json, refusal
from gateway.web.sandbox.bodies import Refused, read_body, read_content
from gateway.web.sandbox.showcase import Showcase, text_in
from gateway.web.sandbox.trail import Trail, TrailPage

PAGE = Path(__file__).with_name("page")

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "connect-src 'self'; frame-src 'self'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}

MAX_PICTURE_BYTES = 5_000_000
MAX_VIEWERS = 32
PING_S = 20.0

PICTURES = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif", b"RIFF": "image/webp"}
"""How a picture begins that a phone would send."""

MOVING = frozenset({"audio/aac", "audio/mp4", "audio/mpeg", "audio/ogg", "audio/wav", "video/mp4", "video/webm"})
"""Sound and films that a phone plays."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Writes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: str


class Presses(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    key: str
    message: str = ""


class SendsPlace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    latitude: float
    longitude: float


class Speaks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    language: str


class PhoneOnPage(msgspec.Struct, frozen=True):
    """A phone as the page hears of it. ``name`` tells it from the others in addresses."""

    name: str
    skin: Skin


class Start(msgspec.Struct, frozen=True):
    """What the page is told first. ``site_app`` is the app of the company's page; empty without one.

    ``desk_page`` is the path of the page where agents work.
    """

    bot_name: str
    languages: tuple[str, ...]
    starters: Mapping[str, tuple[str, ...]]
    phones: tuple[PhoneOnPage, ...]
    site_app: str
    desk_page: str


class Show(msgspec.Struct, frozen=True):
    """What is on show: phones by the name of their channel, whose script the company's page holds, and the desk."""

    showcase: Showcase
    phones: Mapping[str, Phone]
    embedded: HasEmbed | None
    desk_page: str = "/desk"


class SandboxDoors:
    """The doors of the page, for one process."""

    def __init__(self, show: Show, token: str, database: Database, news: News) -> None:
        self._show = show
        self._token = token
        self._trail = Trail(database, news)
        self._files = BrowserFiles(PAGE)
        environment = jinja2.Environment(loader=jinja2.FileSystemLoader(PAGE), autoescape=True)
        self._site_page = environment.get_template("site.html")
        self._goodbye = asyncio.Event()
        self._viewers = 0

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        phone = "/sandbox/api/phones/{phone}"
        return [
            web.get("/sandbox", self._page),
            web.get("/sandbox/site", self._site),
            web.get("/sandbox/art.svg", self._art),
            self._files.route("/sandbox/files/"),
            web.get("/sandbox/api/start", self._guarded(self._start)),
            web.get("/sandbox/api/trail", self._guarded(self._read_trail)),
            web.get("/sandbox/api/stream", self._guarded(self._stream)),
            web.post("/sandbox/api/language", self._guarded(self._speak)),
            web.post(f"{phone}/writes", self._guarded(self._write)),
            web.post(f"{phone}/presses", self._guarded(self._press)),
            web.post(f"{phone}/places", self._guarded(self._send_place)),
            web.post(f"{phone}/pictures", self._guarded(self._send_picture)),
            web.get(f"{phone}/files/{{key}}", self._guarded(self._read_file)),
        ]

    async def open(self) -> None:
        await self._trail.open()

    async def hang_up(self) -> None:
        """End every stream; the pages try again by themselves."""
        self._goodbye.set()

    async def close(self) -> None:
        await self._trail.close()

    # ------------------------------------------------------------ pages

    async def _page(self, request: web.Request) -> web.StreamResponse:
        return admit(request, self._token) or web.FileResponse(PAGE / "index.html", headers=HEADERS)

    async def _site(self, request: web.Request) -> web.StreamResponse:
        if (answer := admit(request, self._token)) is not None:
            return answer
        language = self._language(request.query.get("language", ""))
        if self._show.embedded is None:
            return refusal(404, "not_found", "no channel of this demo is embedded into a site")
        showcase = self._show.showcase
        page = self._site_page.render(
            name=showcase.name,
            site=showcase.site,
            language=language,
            say=lambda texts: text_in(texts, language),
            has_art=bool(showcase.art),
            embed=self._show.embedded.embed(language, is_open="open" in request.query),
        )
        return web.Response(text=page, content_type="text/html", headers=HEADERS)

    async def _art(self, _request: web.Request) -> web.StreamResponse:
        """The author's own drawing; as an image it runs no scripts, and opened alone it may not either."""
        if not self._show.showcase.art:
            return refusal(404, "not_found", "the bot's folder holds no demo.svg")
        headers = {**HEADERS, "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox"}
        return web.Response(body=self._show.showcase.art, content_type="image/svg+xml", headers=headers)

    def _language(self, wished: str) -> str:
        languages = self._show.showcase.languages
        return wished if wished in languages else languages[0]

    # ------------------------------------------------------------ what the page is told

    async def _start(self, _request: web.Request) -> web.Response:
        showcase = self._show.showcase
        phones = tuple(PhoneOnPage(name, phone.skin) for name, phone in self._show.phones.items())
        site_app = self._show.embedded.app if self._show.embedded is not None else ""
        return as_json(
            Start(showcase.name, showcase.languages, showcase.starters, phones, site_app, self._show.desk_page)
        )

    async def _read_trail(self, request: web.Request) -> web.Response:
        after = request.query.get("after", "0")
        if not after.isdecimal():
            return refusal(400, "bad_request", "after is a number: the revision of an earlier answer")
        return as_json(self._trail.page(int(after)))

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events: ``phone`` with what changed on a screen, ``trail`` with new lines; all of it at first."""
        if self._viewers >= MAX_VIEWERS:
            return refusal(503, "too_many", "too many pages are open", {"Retry-After": "5"})
        stream = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        )
        await stream.prepare(request)
        viewer = Viewer(stream, self._show.phones, self._trail)
        self._viewers += 1
        try:
            await viewer.watch(self._goodbye)
        except ConnectionError:
            pass  # the page was closed
        finally:
            self._viewers -= 1
            viewer.close()
        return stream

    # ------------------------------------------------------------ what the customer does

    async def _speak(self, request: web.Request) -> web.Response:
        asked = await read_body(request, Speaks)
        language = self._language(asked.language)
        for phone in self._show.phones.values():
            phone.speaks(language)
        return as_json({"language": language})

    async def _write(self, request: web.Request) -> web.Response:
        act = await read_body(request, Writes)
        return await _done(self._phone(request).writes(act.text))

    async def _press(self, request: web.Request) -> web.Response:
        act = await read_body(request, Presses)
        return await _done(self._phone(request).presses(act.message, act.key))

    async def _send_place(self, request: web.Request) -> web.Response:
        act = await read_body(request, SendsPlace)
        if not (-90 <= act.latitude <= 90 and -180 <= act.longitude <= 180):
            return refusal(400, "bad_request", "that place is not on earth")
        return await _done(self._phone(request).sends_place(act.latitude, act.longitude))

    async def _send_picture(self, request: web.Request) -> web.Response:
        phone = self._phone(request)
        content = await read_content(request, MAX_PICTURE_BYTES)
        mime = next((mime for start, mime in PICTURES.items() if content.startswith(start)), "")
        if not mime:
            return refusal(415, "not_a_picture", "send PNG, JPEG, GIF or WebP")
        name = f"picture.{mime.removeprefix('image/')}"
        return await _done(phone.sends_picture(content, name=name, mime=mime, caption=""))

    async def _read_file(self, request: web.Request) -> web.Response:
        """A file that is on a phone. Whatever it claims to be, a browser shows or plays it, or gets nothing."""
        file = self._phone(request).file(request.match_info["key"])
        mime = _shown_as(file) if file is not None else ""
        if file is None or not mime:
            return refusal(404, "not_found", "there is no such picture, sound or film")
        headers = {**HEADERS, "Content-Security-Policy": "default-src 'none'; sandbox"}
        return web.Response(body=file.content, content_type=mime, headers=headers)

    def _phone(self, request: web.Request) -> Phone:
        phone = self._show.phones.get(request.match_info["phone"])
        if phone is None:
            raise Refused(refusal(404, "not_found", "there is no such phone"))
        return phone

    def _guarded(self, handler: Handler) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            if not is_allowed(request, self._token):
                return refusal(401, "token_needed", "open the page with the address that the demo printed")
            try:
                return await handler(request)
            except Refused as refused:
                return refused.answer

        return handle


class Viewer:
    """One open page: what it has seen already, and the stream on which the rest follows."""

    def __init__(self, stream: web.StreamResponse, phones: Mapping[str, Phone], trail: Trail) -> None:
        self._stream = stream
        self._phones = phones
        self._trail = trail
        self._seen = dict.fromkeys(phones, 0)
        self._trail_seen = -1
        self._stir = asyncio.Event()
        self._stir.set()
        self._unlisten = [phone.listen(self._stir.set) for phone in phones.values()]
        self._unlisten.append(trail.listen(self._stir.set))

    async def watch(self, goodbye: asyncio.Event) -> None:
        """Send what is new whenever there is something, until *goodbye* or the page is gone."""
        leaving = asyncio.create_task(goodbye.wait())
        try:
            while not goodbye.is_set():
                await self._send_news()
                stirred = asyncio.create_task(self._stir.wait())
                done, _ = await asyncio.wait((stirred, leaving), timeout=PING_S, return_when=asyncio.FIRST_COMPLETED)
                if stirred not in done:
                    stirred.cancel()
                if not done:
                    await self._stream.write(b": still here\n\n")
        finally:
            leaving.cancel()

    async def _send_news(self) -> None:
        self._stir.clear()
        for name, phone in self._phones.items():
            view = phone.view(self._seen[name])
            if view.revision != self._seen[name]:
                self._seen[name] = view.revision
                await self._send("phone", _PhoneNews(name, view))
        page = self._trail.page(max(self._trail_seen, 0))
        if page.revision != self._trail_seen:
            self._trail_seen = page.revision
            await self._send("trail", page)

    async def _send(self, event: str, content: _PhoneNews | TrailPage) -> None:
        await self._stream.write(b"event: %s\ndata: %s\n\n" % (event.encode(), msgspec.json.encode(content)))

    def close(self) -> None:
        for unlisten in self._unlisten:
            unlisten()


class _PhoneNews(msgspec.Struct, frozen=True):
    phone: str
    view: PhoneView


def _shown_as(file: PhoneFile) -> str:
    """The type under which a browser may have it; empty for what it only could store."""
    pictured = next((mime for start, mime in PICTURES.items() if file.content.startswith(start)), "")
    return pictured or (file.mime if file.mime in MOVING else "")


async def _done(act: Awaitable[None]) -> web.Response:
    """The answer to an act that the app allows or not."""
    try:
        await act
    except (LookupError, ValueError) as error:
        return refusal(409, "not_possible", str(error.args[0]) if error.args else "that cannot be done")
    return as_json({"done": True})
