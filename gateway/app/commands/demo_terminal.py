"""``tertulia demo --terminal``: you as the customer, here in the terminal.

What is typed becomes a signed webhook on a loopback port; what comes back went through database and outbox, and
reached the sandbox by the channel's own client.
"""

from __future__ import annotations

import asyncio

from rich.panel import Panel
from rich.text import Text

from channels.sandboxes import HasPeople, Reply
from config.bot import load_bot
from gateway.app.commands.conversation import ConversationView
from gateway.app.commands.demo_stage import ENDPOINT, Sitting, serve_demo
from gateway.app.commands.lines import TypedLines
from gateway.app.commands.terminal import own_name
from gateway.core.ids import ConversationId, HandoffId
from gateway.core.messages import Author, plain_text
from gateway.store.database import Database
from gateway.store.handoffs import OpenHandoff, list_open, read_messages
from gateway.store.turns import Watched, watch

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


async def talk_in_terminal(sitting: Sitting, channel: str, sandbox: HasPeople) -> None:
    """Talk until the input ends or the sitting does; then everything stops, in order."""
    await TerminalDemo(sitting, channel, sandbox).run()


class TerminalDemo:
    """One sitting: the gateway beside the conversation."""

    def __init__(self, sitting: Sitting, channel: str, sandbox: HasPeople) -> None:
        self._sitting = sitting
        self._sandbox = sandbox
        self._channel = channel
        self._language = sitting.language
        self._customer = sandbox.person(sitting.customer, language=sitting.language, has_started=True)
        self._console = sitting.console
        self._database = Database(sitting.dsn)
        self._bot = load_bot(sitting.settings.bot.folder)
        self._last_shown_s = 0.0
        self._told_cases: set[HandoffId] = set()

    async def run(self) -> None:
        """Serve and talk until the input ends or the sitting does; the gateway then finishes what runs."""
        ready = asyncio.Event()

        async def talk() -> None:
            await ready.wait()
            try:
                await self._talk()
            finally:  # whatever ended the talk, also a reader of our output that left, ends the gateway
                self._sitting.stop.set()

        talking = asyncio.create_task(talk())
        try:
            await serve_demo(self._sitting, ready.set)
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
            view.note(
                f"nothing more within {SETTLE_S:g} s; {self._sitting.settings.data_dir / 'demo.log'} may say why",
                "warn",
            )
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

    def _show(self, view: ConversationView, message: Reply, name: str, style: str) -> None:
        self._last_shown_s = asyncio.get_running_loop().time()
        view.said(name, style, message.text, message.buttons)


def _hint(watched: Watched, seconds: float) -> str:
    """What happened, in one line: the link that answered, how sure it was, and the time from key to screen."""
    what = f"{watched.intent} {watched.confidence:.2f}" if watched.intent else watched.outcome
    in_turn, in_all = watched.duration_us / 1000, seconds * 1000
    times = (f"turn {in_turn:.0f} ms", f"answer after {in_all:.0f} ms") if in_all > 0 else (f"turn {in_turn:.0f} ms",)
    pieces = (watched.link, what, *times)
    return " · ".join(piece for piece in pieces if piece)
