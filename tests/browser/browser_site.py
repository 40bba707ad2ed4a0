"""Somebody's web site with the widget on it, the gateway behind it, and the cable between the two."""

from __future__ import annotations

import asyncio
import contextlib
import html
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from shared_models import shared_models

from gateway.app.bench.processes import free_port
from gateway.app.bench.subjects import Gateway, SettingValue
from gateway.web.access import ensure_access_token

ENDPOINT = "site"

_STYLE = Path(__file__).with_name("host") / "style.css"


class Site:
    """A site of the test's own and the gateway that it belongs to, on two origins as in life."""

    def __init__(self, folder: Path, database_url: str, **settings: SettingValue) -> None:
        self.port = free_port()
        self.data_dir = folder / "data"
        changed = {key.replace("__", "."): value for key, value in settings.items()}
        self.gateway = Gateway(
            folder,
            database_url=database_url,
            data_dir=self.data_dir,
            models_url=shared_models(),
            settings={f"channels.webchat.{ENDPOINT}.origins": [self.origin], **changed},
        )

    @property
    def origin(self) -> str:
        """Where the page with the widget lives."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def gateway_url(self) -> str:
        return f"http://127.0.0.1:{self.gateway.port}"

    @property
    def token(self) -> str:
        """Opens the desk: ``{gateway_url}/desk?token={token}``."""
        return ensure_access_token(self.data_dir).value

    def page(self, *, language: str = "es", via_port: int = 0, **attributes: str) -> str:
        """The address of the page that embeds the widget; *via_port* reaches the gateway another way (a ``Cable``).

        *attributes* go on the script tag as ``data-…``.
        """
        query = {"language": language, "port": str(via_port or self.gateway.port), **attributes}
        return self.origin + "/?" + "&".join(f"{key}={value}" for key, value in query.items())

    @contextmanager
    def served(self) -> Iterator[None]:
        """Serve the page, from a thread: the test's own loop may be busy."""
        with _Pages(("127.0.0.1", self.port), _Page) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
            thread.start()
            try:
                yield
            finally:
                server.shutdown()
                thread.join()


class _Pages(ThreadingHTTPServer):
    daemon_threads = False
    allow_reuse_address = True


class _Page(BaseHTTPRequestHandler):
    """The host's page under a strict policy of its own: nothing inline, only the gateway besides itself."""

    def do_GET(self) -> None:  # the library's name
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        if path == "/style.css":
            self._answer("text/css; charset=utf-8", _STYLE.read_text(encoding="utf-8"))
        elif path == "/":
            attributes = {key: values[0] for key, values in query.items()}
            port = attributes.pop("port", "0")
            self._answer("text/html; charset=utf-8", _document(port, attributes), _policy(port))
        else:
            self.send_response(204)
            self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the library's name
        pass

    def _answer(self, content_type: str, text: str, policy: str = "") -> None:
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        if policy:
            self.send_header("Content-Security-Policy", policy)
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body)


def _policy(port: str) -> str:
    gateway = f"http://127.0.0.1:{port}"
    return (
        f"default-src 'none'; script-src {gateway}; style-src 'self' {gateway}; font-src 'self';"
        f" connect-src {gateway} ws://127.0.0.1:{port}; img-src 'self' data: blob: {gateway}; media-src blob: {gateway}"
    )


def _document(port: str, attributes: dict[str, str]) -> str:
    data = "".join(f' data-{html.escape(key)}="{html.escape(value)}"' for key, value in attributes.items())
    language = attributes.get("language", "es")
    texts = _TEXTS["en" if language.startswith("en") else "es"]
    plans = "".join(
        f"<li><b>{name}</b><span>{text}</span><em>{price}</em></li>" for name, text, price in texts["plans"]
    )
    return f"""<!doctype html>
<html lang="{html.escape(language)}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">
<title>Faro Móvil</title><link rel="icon" href="data:,"><link rel="stylesheet" href="/style.css"></head>
<body><header><strong>Faro Móvil</strong><nav>{texts["menu"]}</nav></header>
<main><h1>{texts["title"]}</h1><p>{texts["lead"]}</p><ul>{plans}</ul></main>
<footer>{texts["footer"]}</footer>
<script src="http://127.0.0.1:{html.escape(port)}/widget.js" data-site="{ENDPOINT}"{data} async></script>
</body></html>"""


_TEXTS: dict[str, dict] = {
    "es": {
        "menu": "<a href='#planes'>Planes</a><a href='#cobertura'>Cobertura</a><a href='#ayuda'>Ayuda</a>",
        "title": "La señal que te acompaña a casa",
        "lead": "Planes claros, sin letra pequeña, y alguien que contesta cuando lo necesitas.",
        "plans": [
            ("Esencial", "10 GB y llamadas sin límite", "$35.900"),
            ("Plus", "25 GB y llamadas sin límite", "$49.900"),
            ("Ilimitado", "Datos y llamadas sin límite", "$69.900"),
        ],
        "footer": "Faro Móvil es un operador de ejemplo: no existe.",
    },
    "en": {
        "menu": "<a href='#plans'>Plans</a><a href='#coverage'>Coverage</a><a href='#help'>Help</a>",
        "title": "The signal that walks you home",
        "lead": "Clear plans, no small print, and someone who answers when you need it.",
        "plans": [
            ("Essential", "10 GB and unlimited calls", "$35,900"),
            ("Plus", "25 GB and unlimited calls", "$49,900"),
            ("Unlimited", "Unlimited data and calls", "$69,900"),
        ],
        "footer": "Faro Móvil is a sample operator: it does not exist.",
    },
}


class Cable:
    """The network between a browser and the gateway, which a test can pull out and put back."""

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._transports: set[asyncio.WriteTransport] = set()
        self._calls: set[asyncio.Task[None]] = set()
        self._carries = asyncio.Event()
        self._carries.set()
        self._refuses = False
        self.port = 0

    def stall(self) -> None:
        """Nothing gets through any more, and nobody is told: the phone went into a tunnel."""
        self._carries.clear()

    def cut(self) -> None:
        """Every connection breaks, and new ones break at once."""
        self._refuses = True
        for transport in tuple(self._transports):
            transport.abort()

    def mend(self) -> None:
        """New connections work again; those that only stalled go on, as TCP's do."""
        self._refuses = False
        self._carries.set()

    @asynccontextmanager
    async def laid(self) -> AsyncIterator[Cable]:
        """In place, on a port of its own."""
        server = await asyncio.start_server(self._called, "127.0.0.1", 0)
        self.port = int(server.sockets[0].getsockname()[1])
        try:
            yield self
        finally:
            server.close()
            self.cut()
            for call in self._calls:
                call.cancel()
            await asyncio.gather(*self._calls, return_exceptions=True)
            await server.wait_closed()

    def _called(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        call = asyncio.get_running_loop().create_task(self._carry(reader, writer))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with self._held(writer), contextlib.suppress(OSError):
            if self._refuses:
                return
            await self._carries.wait()
            beyond_reader, beyond_writer = await asyncio.open_connection("127.0.0.1", self._to_port)
            with self._held(beyond_writer):
                await asyncio.gather(self._pour(reader, beyond_writer), self._pour(beyond_reader, writer))

    async def _pour(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                await self._carries.wait()
                writer.write(data)
                await writer.drain()
            if not writer.is_closing():
                writer.write_eof()

    @contextmanager
    def _held(self, writer: asyncio.StreamWriter) -> Iterator[None]:
        self._transports.add(writer.transport)
        try:
            yield
        finally:
            self._transports.discard(writer.transport)
            writer.transport.abort()
