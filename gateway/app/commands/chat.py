"""``tertulia chat``: the bot's mind alone, in this process, with its state in memory. For authors, while they write."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from config.settings import Settings
from gateway.app.commands.conversation import ConversationView
from gateway.app.commands.lines import TypedLines
from gateway.app.commands.terminal import complaints, out, settings_or_exit
from gateway.app.runtime import stop_on_signals
from gateway.core.ids import ConversationId, MessageId, TurnId, new_id
from gateway.core.messages import AnyPart, Cards, Choice, Option, Parts, Selection, Text, plain_text
from gateway.core.ports import DialoguePort
from gateway.core.turns import CustomerSaid, Resolution, TurnInput, TurnOutcome


def run_chat(config: Path | None, language: str) -> None:
    settings = settings_or_exit(config)
    with complaints():
        asyncio.run(_chat(settings, language))


async def _chat(settings: Settings, language: str) -> None:
    from gateway.app.bots import model_without_database, open_dialogue, read_bot
    from gateway.app.feelings import Feelings
    from gateway.core.metrics import Metrics
    from nlp.models.versions import SENTIMENT

    stop = stop_on_signals()
    files, metrics = await asyncio.to_thread(read_bot, settings), Metrics()
    model = await asyncio.to_thread(model_without_database, settings, files, metrics)
    feel = None
    if files.bot.settings.sentiment:
        feel = Feelings(await asyncio.to_thread(model_without_database, settings, files, metrics, SENTIMENT))
    dialogue = open_dialogue(files, model, metrics, feel)
    talking = asyncio.create_task(Chat(dialogue, files.bot.name, language).run())
    stopped = asyncio.create_task(stop.wait())
    await dialogue.open()
    await asyncio.wait({talking, stopped}, return_when=asyncio.FIRST_COMPLETED)
    for task in (talking, stopped):
        task.cancel()
    await asyncio.gather(stopped, return_exceptions=True)
    await dialogue.close()
    if not talking.cancelled() and talking.done() and (error := talking.exception()) is not None:
        raise error


class Chat:
    """One conversation, kept in memory."""

    def __init__(self, dialogue: DialoguePort, name: str, language: str) -> None:
        self._dialogue = dialogue
        self._name = name
        self._language = language
        self._state = b""
        self._seq = 0
        self._conversation_id = ConversationId(new_id())
        self._options: dict[str, Option] = {}

    async def run(self) -> None:
        """Answer line by line until the input ends."""
        lines = TypedLines()
        view = ConversationView(out(), is_interactive=lines.is_terminal)
        view.prompt()
        while (line := await lines.next()) is not None:
            view.typed(line)
            if line.strip():
                self._show(view, await self.answer(self._parts(view, line)))
            view.prompt()

    async def answer(self, parts: Parts) -> TurnOutcome:
        """One turn; the state that it leaves is kept for the next."""
        self._seq += 1
        now = datetime.now(UTC)
        said = CustomerSaid(seq=self._seq, at=now, message_id=MessageId(new_id()), parts=parts)
        turn = TurnInput(
            turn_id=TurnId(new_id()),
            conversation_id=self._conversation_id,
            channel="terminal",
            app="terminal",
            entries=(said,),
            state=self._state,
            language=self._language,
            name="",
            now=now,
        )
        outcome = await self._dialogue.decide(turn)
        self._state = outcome.state
        self._language = outcome.language or self._language
        return outcome

    def _parts(self, view: ConversationView, line: str) -> Parts:
        label = view.chosen(line.strip())
        option = self._options.get(label) if label is not None else None
        if option is None or not option.value:
            return (Text(line),)
        return (Selection(option.value, option.label),)

    def _show(self, view: ConversationView, outcome: TurnOutcome) -> None:
        for reply in outcome.replies:
            options = [option for part in reply.parts for option in _options(part)]
            if options:
                self._options = {option.label: option for option in options}
            view.said(self._name, "bot", plain_text(reply.parts), [option.label for option in options])
        view.note(_hint(outcome.resolution))
        if outcome.hand_off:
            view.note(f"→ a person is asked for: {outcome.hand_off}", "warn")


def _options(part: AnyPart) -> tuple[Option, ...]:
    match part:
        case Choice():
            return part.options
        case Cards():
            return tuple(option for card in part.cards for option in card.options)
        case _:
            return ()


def _hint(resolution: Resolution) -> str:
    what = f"{resolution.intent} {resolution.confidence:.2f}" if resolution.intent else resolution.reason
    found = (f"{entity.kind}: {entity.value}" for entity in resolution.entities)
    return " · ".join(piece for piece in (resolution.link, what, *found, *resolution.steps) if piece)
