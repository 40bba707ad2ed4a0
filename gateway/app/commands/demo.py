"""``tertulia demo``: the whole product on this machine, with a sandbox in the provider's place and you as the customer.

What is typed becomes a signed webhook on a loopback port; what comes back went through database and outbox, and
reached the sandbox by the channel's own client.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import os
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

import uvloop
from rich.panel import Panel
from rich.text import Text

from channels.discovery import discover
from config.bot import load_bot
from config.settings import Settings, load_settings, merge
from gateway.app.commands.conversation import ConversationView
from gateway.app.commands.lines import TypedLines
from gateway.app.commands.terminal import complaints, out, own_name, settings_or_exit
from gateway.app.nodes import NodeMark, new_node_name, release_dead_nodes
from gateway.app.runtime import migrate_at_start, open_database, run_until_stopped, stop_on_signals
from gateway.app.supervisor import claim_port
from gateway.app.telemetry import configure_logging
from gateway.core.errors import Misconfigured
from gateway.core.ids import ConversationId, HandoffId
from gateway.core.messages import Author, plain_text
from gateway.store.database import Database
from gateway.store.handoffs import OpenHandoff, list_open, read_messages
from gateway.store.turns import Watched, watch

ENDPOINT = "demo"
SETTLE_S = 20.0
POLL_S = 0.03

EARLIER_MESSAGES = 4

GREETING = {
    "es": "Escribe como un cliente de {bot}. Un número pulsa un botón. Ctrl-C para terminar.",
    "en": "Write as a customer of {bot} would. A number presses a button. Ctrl-C to end.",
}
TRY = {"es": "Por ejemplo: ", "en": "For example: "}
GOES_ON = {"es": "La conversación sigue donde quedó:", "en": "The conversation goes on where it stopped:"}
GOODBYE = {
    "es": "Hasta luego. La conversación queda guardada; la próxima vez sigue aquí.",
    "en": "Goodbye. The conversation is kept; next time it goes on here.",
}
WAITS = {
    "es": "Espera a una persona y el bot calla. Contesta tú, desde otra terminal:",
    "en": "Waiting for a person; the bot is silent. Be that person, in another terminal:",
}
STILL_WAITS = {"es": "Sigue esperando a una persona.", "en": "Still waiting for a person."}
GIVE_BACK = {"es": "y para que vuelva el bot:", "en": "and to bring the bot back:"}
AN_ANSWER = {"es": "¡Hola!", "en": "Hello!"}
YOU = {"es": "tú", "en": "you"}


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
    """The provider's stand-in, as ``channels/<name>/sandbox.py`` opens it with ``open_sandbox(webhook_url)``."""

    @property
    def settings_values(self) -> Mapping[str, object]: ...

    def person(self, name: str, *, language: str, has_started: bool) -> Customer: ...

    async def settled(self) -> None: ...


def run_demo(config: Path | None, channel: str, name: str, language: str) -> None:
    """Talk until the input ends or Ctrl-C; then everything stops, in order."""
    language = language or _language_of_this_terminal()
    settings = settings_or_exit(config, {"server": {"host": "127.0.0.1", "port": 0, "public_url": ""}})
    with complaints():
        uvloop.run(_demo(config, settings, channel, name, language if language in GREETING else "en"))


def _language_of_this_terminal() -> str:
    named = (os.environ.get(name, "") for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return next(filter(None, named), "")[:2].lower()


async def _demo(config: Path | None, settings: Settings, channel: str, name: str, language: str) -> None:
    stop = stop_on_signals()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    node = new_node_name()
    port = claim_port(settings)
    channel = channel or _first_with_sandbox()
    with (settings.data_dir / "demo.log").open("a", encoding="utf-8") as log:
        configure_logging(settings.telemetry.model_copy(update={"log_format": "json"}), node, log)
        async with open_database(settings) as dsn, _open_sandbox(channel, port) as sandbox:
            await migrate_at_start(settings, dsn)
            demo = Demo(_with_sandbox(config, channel, sandbox, port), dsn, node, channel, sandbox, name, language)
            await demo.run(stop)


def _first_with_sandbox() -> str:
    for name in sorted(discover()):
        if importlib.util.find_spec(f"channels.{name}.sandbox") is not None:
            return name
    raise Misconfigured("channels", "none has a sandbox")


def _open_sandbox(channel: str, port: int) -> AbstractAsyncContextManager[Sandbox]:
    """The sandbox in the channel's own folder. Its keys are new at every start."""
    try:
        module = importlib.import_module(f"channels.{channel}.sandbox")
    except ImportError:
        raise Misconfigured(f"channels.{channel}", "has no sandbox") from None
    opened: AbstractAsyncContextManager[Sandbox] = module.open_sandbox(
        f"http://127.0.0.1:{port}/webhooks/{channel}/{ENDPOINT}"
    )
    return opened


def _with_sandbox(config: Path | None, channel: str, sandbox: Sandbox, port: int) -> Settings:
    """The operator's settings, with the sandbox as the only endpoint: the demo never talks to a real provider."""
    server = {"host": "127.0.0.1", "port": port, "public_url": ""}
    settings = load_settings(config, overrides={"server": server})
    return settings.model_copy(update={"channels": {channel: {ENDPOINT: merge({}, sandbox.settings_values)}}})


class Demo:
    """One sitting: the gateway beside the conversation."""

    def __init__(
        self, settings: Settings, dsn: str, node: str, channel: str, sandbox: Sandbox, name: str, language: str
    ) -> None:
        self._settings = settings
        self._dsn = dsn
        self._node = node
        self._sandbox = sandbox
        self._channel = channel
        self._customer = sandbox.person(name, language=language, has_started=True)
        self._language = language
        self._console = out()
        self._database = Database(dsn)
        self._bot = load_bot(settings.bot.folder)
        self._last_shown_s = 0.0
        self._told_cases: set[HandoffId] = set()

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
        await self._recall(view)
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
        lines = [Text(GREETING[self._language].format(bot=self._bot.name))]
        examples = [label.get(self._language).replace(" ", "\N{NO-BREAK SPACE}") for label in self._bot.labels.values()]
        if examples:
            lines.append(Text.assemble((TRY[self._language], "soft"), " · ".join(examples)))
        title = Text.assemble(("Tertulia", "bot.name"), ("  demo", "soft"))
        content = Text("\n").join(lines)
        self._console.print(Panel(content, title=title, title_align="left", border_style="soft", padding=(0, 1)))

    async def _recall(self, view: ConversationView) -> None:
        """Show the end of what was said in earlier sittings, and who is to speak now."""
        watched = await self._watch()
        if watched is None:
            return
        async with self._database.begin() as connection:
            conversation_id = ConversationId(watched.conversation_id)
            messages = await read_messages(connection, conversation_id, after=0, limit=EARLIER_MESSAGES)
        self._console.print(f"[soft]{GOES_ON[self._language]}[/]")
        names = {Author.CUSTOMER: (YOU[self._language], "accent"), Author.AGENT: ("agent", "agent")}
        for message in messages:
            view.earlier(*names.get(message.author, (self._bot.name, "bot")), plain_text(message.parts))
        self._console.print()
        await self._tell_of_the_desk(view, watched)

    async def _watch(self) -> Watched | None:
        return await watch(self._database, self._channel, ENDPOINT, str(self._customer.id))

    async def _case(self, watched: Watched) -> OpenHandoff | None:
        """The open case of this conversation, while people have it."""
        if watched.control == "bot":
            return None
        async with self._database.begin() as connection:
            cases = await list_open(connection)
        return next((case for case in cases if case.conversation_id == watched.conversation_id), None)

    async def _tell_of_the_desk(self, view: ConversationView, watched: Watched) -> None:
        """How to be the person that was asked for, once for each case."""
        case = await self._case(watched) if watched.control == "queued" else None
        if case is None:
            return
        if case.id in self._told_cases:
            view.note(STILL_WAITS[self._language], "warn")
            return
        self._told_cases.add(case.id)
        language, desk = self._language, f"{own_name()} desk"
        answer = f'{desk} answer {case.id} "{AN_ANSWER[language]}" --agent Berta'
        lines = (WAITS[language], f"  {answer}", GIVE_BACK[language], f"  {desk} give-back {case.id}")
        view.note("\n  ".join(lines), "warn")

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
            self._show(view, await self._customer.next_reply(timeout_s=1), self._bot.name, "bot")
        if watched is None:
            view.note(f"nothing more within {SETTLE_S:g} s; {self._settings.data_dir / 'demo.log'} may say why", "warn")
            return
        view.note(_hint(watched, self._last_shown_s - before))
        await self._tell_of_the_desk(view, watched)

    async def _settled(self) -> Watched | None:
        """The conversation once nothing is under way in it; ``None`` when that takes too long."""
        try:
            async with asyncio.timeout(SETTLE_S):
                await self._sandbox.settled()
                while True:
                    watched = await self._watch()
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
            watched = await self._watch()
            case = None if watched is None else await self._case(watched)
            is_agent = case is not None and bool(case.agent)
            self._show(
                view, message, case.agent if case and is_agent else self._bot.name, "agent" if is_agent else "bot"
            )
            view.prompt()

    def _show(self, view: ConversationView, message: Message, name: str, style: str) -> None:
        self._last_shown_s = asyncio.get_running_loop().time()
        view.said(name, style, message.text, message.buttons)


def _hint(watched: Watched, seconds: float) -> str:
    """What happened, in one line: the link that answered, how sure it was, and the time from key to screen."""
    what = f"{watched.intent} {watched.confidence:.2f}" if watched.intent else watched.outcome
    in_turn, in_all = watched.duration_us / 1000, seconds * 1000
    times = (f"turn {in_turn:.0f} ms", f"answer after {in_all:.0f} ms") if in_all > 0 else (f"turn {in_turn:.0f} ms",)
    pieces = (watched.link, what, *times)
    return " · ".join(piece for piece in pieces if piece)
