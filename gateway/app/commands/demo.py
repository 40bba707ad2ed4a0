"""``tertulia demo``: the whole product on this machine, with a sandbox in the provider's place and you as the customer.

What is typed becomes a signed webhook on a loopback port; what comes back went through database and outbox, and
reached the sandbox by the channel's own client.
"""

from __future__ import annotations

import asyncio
import importlib
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

import uvloop
from rich.panel import Panel
from rich.text import Text

from config.bot import load_bot
from config.settings import Settings, load_settings, merge
from gateway.app.commands.conversation import ConversationView
from gateway.app.commands.lines import TypedLines
from gateway.app.commands.terminal import complaints, out, settings_or_exit
from gateway.app.nodes import NodeMark, new_node_name, release_dead_nodes
from gateway.app.runtime import migrate_at_start, open_database, run_until_stopped, stop_on_signals
from gateway.app.supervisor import claim_port
from gateway.app.telemetry import configure_logging
from gateway.core.errors import Misconfigured
from gateway.store.database import Database
from gateway.store.turns import Watched, watch

CHANNEL = "telegram"
ENDPOINT = "demo"
SETTLE_S = 20.0
POLL_S = 0.03

GREETING = {
    "es": "Escribe como un cliente. Un número pulsa un botón. Ctrl-D o Ctrl-C para terminar.",
    "en": "Write as a customer would. A number presses a button. Ctrl-D or Ctrl-C to end.",
}
GOODBYE = {
    "es": "Hasta luego. La conversación queda guardada; la próxima vez sigue aquí.",
    "en": "Goodbye. The conversation is kept; next time it goes on here.",
}
ASKED_FOR_PERSON = {
    "es": "Pidió hablar con una persona. En otro terminal: tertulia desk list",
    "en": "A person was asked for. In another terminal: tertulia desk list",
}


class Message(Protocol):
    """What the sandbox shows the customer."""

    @property
    def text(self) -> str: ...

    @property
    def buttons(self) -> tuple[str, ...]: ...


class Customer(Protocol):
    """The customer with the app in their hand."""

    @property
    def id(self) -> int: ...

    @property
    def has_unread(self) -> bool: ...

    async def writes(self, text: str) -> int: ...

    async def presses(self, label: str) -> str: ...

    async def next_reply(self, *, timeout_s: float) -> Message: ...


class Sandbox(Protocol):
    """The provider's stand-in: keys, address, people."""

    token: str
    secret_token: str
    api_url: str

    def person(self, name: str, *, language: str) -> Customer: ...

    async def settled(self) -> None: ...


def run_demo(config: Path | None, name: str, language: str) -> None:
    """Talk until the input ends or Ctrl-C; then everything stops, in order."""
    language = language if language in GREETING else "en"
    settings = settings_or_exit(config, {"server": {"host": "127.0.0.1", "port": 0, "public_url": ""}})
    with complaints():
        uvloop.run(_demo(config, settings, name, language))


async def _demo(config: Path | None, settings: Settings, name: str, language: str) -> None:
    stop = stop_on_signals()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    node = new_node_name()
    port = claim_port(settings)
    with (settings.data_dir / "demo.log").open("a", encoding="utf-8") as log:
        configure_logging(settings.telemetry.model_copy(update={"log_format": "json"}), node, log)
        async with open_database(settings) as dsn, _open_sandbox(port) as sandbox:
            await migrate_at_start(settings, dsn)
            demo = Demo(_with_sandbox(config, sandbox, port), dsn, node, sandbox, name, language)
            await demo.run(stop)


def _open_sandbox(port: int) -> AbstractAsyncContextManager[Sandbox]:
    """The sandbox in the channel's own folder. Its keys are new at every start."""
    try:
        module = importlib.import_module(f"channels.{CHANNEL}.sandbox")
        factory = next(getattr(module, name) for name in module.__all__ if name.endswith("Sandbox"))
    except (ImportError, StopIteration):
        raise Misconfigured(f"channels.{CHANNEL}", "has no sandbox") from None
    opened: AbstractAsyncContextManager[Sandbox] = factory(
        webhook_url=f"http://127.0.0.1:{port}/webhooks/{CHANNEL}/{ENDPOINT}"
    )
    return opened


def _with_sandbox(config: Path | None, sandbox: Sandbox, port: int) -> Settings:
    """The operator's settings, with the sandbox as the only endpoint: the demo never talks to a real provider."""
    unpaced = {"per_s": 0, "per_recipient_s": 0, "per_group_min": 0}  # as the sandbox is; a real bot keeps its rates
    keys = {
        "token": sandbox.token,
        "secret_token": sandbox.secret_token,
        "api_url": sandbox.api_url,
        "rates": unpaced,
    }
    server = {"host": "127.0.0.1", "port": port, "public_url": ""}
    settings = load_settings(config, overrides={"server": server})
    return settings.model_copy(update={"channels": {CHANNEL: {ENDPOINT: merge({}, keys)}}, "desks": {}})


class Demo:
    """One sitting: the gateway beside the conversation."""

    def __init__(self, settings: Settings, dsn: str, node: str, sandbox: Sandbox, name: str, language: str) -> None:
        self._settings = settings
        self._dsn = dsn
        self._node = node
        self._sandbox = sandbox
        self._customer = sandbox.person(name, language=language)
        self._language = language
        self._console = out()
        self._database = Database(dsn)
        self._bot_name = load_bot(settings.bot.folder).name
        self._last_shown_s = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Serve and talk until the input ends or *stop*; the gateway then finishes what runs."""
        from gateway.app.wiring import run_worker
        from gateway.store.leases import release_node

        run_dir = self._settings.data_dir / "run"
        await release_dead_nodes(run_dir, lambda dead: release_node(self._dsn, dead))
        mark = NodeMark.set(run_dir, self._node)
        ready = asyncio.Event()

        async def serve() -> None:
            await run_worker(self._settings, node=self._node, dsn=self._dsn, stop=stop, ready=ready.set)

        async def talk() -> None:
            await ready.wait()
            try:
                await self._talk()
            finally:  # whatever ended the talk, also a reader of our output that left, ends the gateway
                stop.set()

        talking = asyncio.create_task(talk())
        try:
            if await run_until_stopped(serve, stop, self._settings.server.drain_s):
                mark.remove()
        finally:
            talking.cancel()
            await asyncio.gather(talking, return_exceptions=True)
            await self._database.close()
        if not talking.cancelled() and (error := talking.exception()) is not None:
            raise error
        if self._console.is_terminal:
            self._console.print()
        self._console.print(f"[soft]{GOODBYE[self._language]}[/]")

    async def _talk(self) -> None:
        lines = TypedLines()
        view = ConversationView(self._console, is_interactive=lines.is_terminal)
        self._greet()
        listener = asyncio.create_task(self._listen(view))
        try:
            view.prompt()
            while (line := await lines.next()) is not None:
                view.typed(line)
                if line.strip():
                    await self._say(view, line)
                view.prompt()
        finally:
            listener.cancel()
            await asyncio.gather(listener, return_exceptions=True)

    def _greet(self) -> None:
        title = Text.assemble(("Tertulia", "bold bot"), ("  demo", "soft"))
        self._console.print(Panel(Text(GREETING[self._language]), title=title, title_align="left", border_style="soft"))

    async def _say(self, view: ConversationView, line: str) -> None:
        """Write or press, and wait until everything that follows from it has arrived."""
        before = asyncio.get_running_loop().time()
        label = view.chosen(line.strip())
        try:
            await (self._customer.writes(line) if label is None else self._customer.presses(label))
        except LookupError as error:
            view.note(str(error), "warn")
            return
        watched = await self._settled()
        while self._customer.has_unread:
            self._show(view, await self._customer.next_reply(timeout_s=1))
        if watched is None:
            view.note(f"nothing more within {SETTLE_S:g} s; {self._settings.data_dir / 'demo.log'} may say why", "warn")
            return
        view.note(_hint(watched, self._last_shown_s - before))
        if watched.control == "queued":
            view.note(ASKED_FOR_PERSON[self._language], "warn")

    async def _settled(self) -> Watched | None:
        """The conversation once nothing is under way in it; ``None`` when that takes too long."""
        try:
            async with asyncio.timeout(SETTLE_S):
                await self._sandbox.settled()
                while True:
                    watched = await watch(self._database, CHANNEL, ENDPOINT, str(self._customer.id))
                    if watched is not None and watched.is_settled:
                        return watched
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            return None

    async def _listen(self, view: ConversationView) -> None:
        """Show what arrives, whenever it does: an agent may write long after the last question."""
        while True:
            try:
                message = await self._customer.next_reply(timeout_s=3600)
            except TimeoutError:
                continue
            self._show(view, message)
            view.prompt()

    def _show(self, view: ConversationView, message: Message) -> None:
        self._last_shown_s = asyncio.get_running_loop().time()
        view.said(self._bot_name, "bot", message.text, message.buttons)


def _hint(watched: Watched, seconds: float) -> str:
    """What happened, in one line: the link that answered, how sure it was, and the time from key to screen."""
    what = f"{watched.intent} {watched.confidence:.2f}" if watched.intent else watched.outcome
    in_turn, in_all = watched.duration_us / 1000, seconds * 1000
    times = (f"turn {in_turn:.0f} ms", f"answer after {in_all:.0f} ms") if in_all > 0 else (f"turn {in_turn:.0f} ms",)
    pieces = (watched.link, what, *times)
    return " · ".join(piece for piece in pieces if piece)
