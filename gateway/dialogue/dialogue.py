"""The bot's mind: one turn's outcome from what was said, by the chain in the order that its author wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from config.bot_model import Bot, CallAction, LinkName
from config.bot_outside import OutsideWindow
from config.bot_templates import Values
from gateway.core.errors import Misconfigured
from gateway.core.handoff_reasons import Asked, Ended
from gateway.core.messages import Parts, Text
from gateway.core.ports import BeforeCalling
from gateway.core.turns import Reply, TurnInput, TurnOutcome
from gateway.dialogue.around_handoff import AroundHandoff, with_held_back
from gateway.dialogue.backend import ActionFailed, Backend, Filled
from gateway.dialogue.chain import (
    ChainLink,
    Clarify,
    Classify,
    Commands,
    FlowAnswers,
    HandOffLink,
    Intents,
    Targets,
    Understanding,
)
from gateway.dialogue.draft import FLOW_TIMER, Calling, Draft
from gateway.dialogue.filling import FindEntities, entity_finder
from gateway.dialogue.flows import Flows
from gateway.dialogue.hearing import Heard, hear
from gateway.dialogue.mood import Feel, Mood
from gateway.dialogue.rules import ContactDetails, Rules
from gateway.dialogue.speaking import Speaker
from gateway.dialogue.state import State, read_state
from nlp.language import LanguageDetector
from nlp.training_data import TrainingData

_NOBODY_SPOKE = frozenset({Ended.CUSTOMER_QUIET, Ended.AGENT_QUIET})
"""Reasons of a handoff's end after which nobody is asked how it was."""

MAX_CALLS = 8
"""Calls to the company's systems in one turn; a flow that makes more goes in circles."""

_SECONDS_A_DAY = 86_400
_LAST_WORDS = {
    "en": "Something went wrong on our side. A person has been asked to answer you here.",
    "es": "Algo falló de nuestro lado. Ya pedimos que una persona te responda por aquí.",
    "pt": "Algo falhou do nosso lado. Já pedimos que uma pessoa responda por aqui.",
}
"""Said when the bot failed and the author's own reply about it fails as well."""


class Dialogue:
    """Fits ``gateway.core.ports.DialoguePort``. Holds nothing of a conversation; safe to share between tasks.

    The same input gives the same outcome, as far as *classify* does. Costs 15 to 60 µs besides *classify*
    and *find* (10 to 200 µs).
    """

    def __init__(
        self,
        bot: Bot,
        classify: Classify,
        languages: LanguageDetector,
        backend: Backend | None = None,
        feel: Feel | None = None,
        find: FindEntities | None = None,
        details: ContactDetails | None = None,
    ) -> None:
        """*classify* predicts one text (wiring puts a ``Batcher`` behind it); *languages* are those of the bot.

        *backend* is where actions are called; without one the environment says it. *feel* says how a text sounds.
        *find* finds entities; without it what is built in is found, and nothing that the author taught. *details*
        tells what the author's rules want to know of a contact.
        """
        self.bot_version = bot.version
        self._bot = bot
        self._languages = languages
        self._backend = backend or Backend(bot.actions)
        self._speaker = Speaker(bot)
        self._flows = Flows(bot)
        self._targets = Targets(bot, self._flows)
        self._commands = Commands(bot, self._flows, self._targets)
        self._understanding = Understanding(bot, classify)
        self._mood = Mood(bot, feel)
        self._rules = Rules(bot, details)
        self._around = AroundHandoff(bot, self._understanding, self._commands.typed_option)
        self._find = find or entity_finder(bot, TrainingData(()))
        self._links = self._chain()

    async def open(self) -> None:
        """Be ready to call the company's systems."""
        await self._backend.open()

    async def close(self) -> None:
        await self._backend.close()

    async def decide(self, turn: TurnInput, before_calling: BeforeCalling | None = None) -> TurnOutcome:
        """One turn's outcome; what waited together is answered once. Raises ``Misconfigured`` on a flow in circles.

        *before_calling* is awaited before each call to something outside; what it raises ends the turn.
        """
        heard = hear(turn.entries)
        state, forgotten = read_state(turn.state, self._bot, int(turn.now.timestamp()) // _SECONDS_A_DAY)
        heard = with_held_back(heard, state, turn)
        language = self._language(turn, heard, state)
        draft = Draft(self._bot, self._speaker, turn, heard, state, language, self._find)
        if forgotten:
            draft.note(forgotten)
        if heard.is_given_back:
            draft.begin_anew()
            if heard.given_back_for != Ended.CUSTOMER_QUIET:  # who left is not called back
                draft.say("utter_given_back")
            draft.note("desk: given back")
        if heard.is_from_customer:
            await self._answer_customer(draft, before_calling)
        elif heard.is_given_back:
            self._ask_how_it_was(draft)
        else:
            self._time_out(draft)
        await self._call_out(draft, before_calling)
        return draft.outcome()

    def failed(self, turn: TurnInput, error: str) -> TurnOutcome:
        """The bot itself failed: say so in words that cannot fail, and ask for a person. The state begins anew."""
        heard = hear(turn.entries)
        state, _ = read_state(b"", self._bot, int(turn.now.timestamp()) // _SECONDS_A_DAY)
        language = self._languages.matching(turn.language) or self._bot.languages[0]
        draft = Draft(self._bot, self._speaker, turn, heard, state, language)
        draft.resolve("none", confidence=0.0, reason=error)
        try:
            draft.ask_for_person(Asked.BOT_FAILED)
        except Misconfigured:
            draft.note("handoff: the author's reply cannot be said")
            text = _LAST_WORDS.get(language.partition("-")[0], _LAST_WORDS["en"])
            draft.replies.append(Reply((Text(text),), "utter_handoff"))
        return draft.outcome()

    def _language(self, turn: TurnInput, heard: Heard, state: State) -> str:
        """The conversation's language; the first time, the profile's may be overruled by clear words."""
        known = state.language if state.language in self._bot.languages else ""
        prior = known or self._languages.matching(turn.language)
        words = " ".join(text for text in heard.fragments if not text.startswith("/"))  # /start is no language
        if not words:
            return prior or self._bot.languages[0]
        return self._languages.choose(words, prior, is_first=not known)

    @property
    def fallbacks(self) -> OutsideWindow:
        """The templates that the author named for a closed window; fits the router's ``Fallbacks``."""
        return self._bot.outside

    def announcement(
        self, key: str, language: str, *, agent: str = "", facts: Mapping[str, object] | None = None
    ) -> Parts | None:
        """What is said when a person comes or leaves (``utter_agent_joined``, ``utter_agent_left``).

        In the conversation's *language*, else the bot's first; ``None`` when the author wrote nothing for it. *facts*
        fill further blanks.
        """
        spoken = self._languages.matching(language) or self._bot.languages[0]
        return self._speaker.announcement(key, spoken, agent, datetime.now(UTC), facts or {})

    def is_answer(self, state: bytes, text: str) -> bool:
        """Whether *text* is one of the choices of the question that is open in *state*. Never raises."""
        flow = read_state(state, self._bot, 0)[0].flow
        return flow is not None and self._flows.is_choice(flow, text)

    def _ask_how_it_was(self, draft: Draft) -> None:
        """What the author wants after a person had the case: to ask for a rating, for instance."""
        target, heard = self._bot.after_handoff, draft.heard
        if target is None or not heard.given_back_by:
            return
        if not draft.turn.may_speak or not heard.was_answered or heard.given_back_for in _NOBODY_SPOKE:
            draft.note("desk: nobody is asked how it was")
            return
        draft.case_to_rate = heard.given_back_case
        self._targets.go(draft, target)

    async def _call_out(self, draft: Draft, before_calling: BeforeCalling | None) -> None:
        """Carry out the calls that a flow waits for, one after another, until it waits for none."""
        called: list[Calling] = []
        while (calling := draft.calling) is not None:
            if len(called) >= MAX_CALLS:
                raise Misconfigured(f"flows.{calling.flow}", f"calls more than {MAX_CALLS} times in one turn")
            called.append(calling)
            self._flows.resume(draft, await self._call(draft, calling, called.count(calling), before_calling))

    async def _call(
        self, draft: Draft, calling: Calling, time: int, before_calling: BeforeCalling | None
    ) -> Filled | None:
        step = self._bot.flows[calling.flow].steps[calling.step]
        name = step.action if isinstance(step, CallAction) else ""
        if not self._backend.is_sampled and before_calling is not None:
            await before_calling()
        try:
            if self._backend.is_sampled:
                filled = self._backend.sample(name, draft.values)
            else:
                key = f"{draft.turn.turn_id}:{calling.flow}.{calling.step}" + (f":{time}" if time > 1 else "")
                filled = await self._backend.call(name, _caller(draft), key)
        except ActionFailed as error:
            draft.note(f"action: {name} failed, {error.reason}")
            return None
        draft.note(f"action: {name}, the sample's answer" if self._backend.is_sampled else f"action: {name}")
        return filled

    async def _answer_customer(self, draft: Draft, before_calling: BeforeCalling | None) -> None:
        said_before = len(draft.replies)
        if self._around.answer(draft):
            return
        draft.drop_held()
        heard = draft.heard
        if not heard.fragments and heard.selection is None and not (heard.phone and draft.flow is not None):
            if not await self._around.asks(draft):
                self._answer_wordless(draft)
                await self._rules.hands_over(draft, keeps=said_before)
            return
        if await self._mood.hands_over(draft):
            return
        for link in self._links:
            if isinstance(link, Intents) and await self._around.asks(draft):
                return
            if await link.answer(draft):
                await self._finish(draft, before_calling, said_before)
                return
        self._fall_back(draft)
        await self._rules.hands_over(draft, keeps=said_before)

    async def _finish(self, draft: Draft, before_calling: BeforeCalling | None, said_before: int) -> None:
        """What follows when a link answered: the author's rules, calls, and the question that waits."""
        if not draft.hand_off and draft.resolution is not None and draft.resolution.link != "clarify":
            draft.unresolved = 0
        if await self._rules.hands_over(draft, keeps=said_before):
            return
        has_called = draft.calling is not None
        await self._call_out(draft, before_calling)
        if has_called and await self._rules.hands_over(draft, keeps=_without_question(draft)):
            return
        if draft.asks_again and draft.flow == draft.before.flow:
            self._flows.ask_again(draft)
        self._take_what_followed(draft)
        await self._call_out(draft, before_calling)
        if draft.flow is None:
            self._flows.come_back(draft)
        self._end_after_rating(draft)

    def _end_after_rating(self, draft: Draft) -> None:
        """Thanks instead of a rating end the case as well: there is nothing that anybody waits for."""
        was, resolution = draft.before.flow, draft.resolution
        if was is None or draft.flow is not None or draft.hand_off or resolution is None:
            return
        is_left = self._flows.asks_for_rating(was.name) and resolution.link != "flow"
        draft.ends_solved = draft.ends_solved or (is_left and resolution.intent in self._bot.small_talk)

    def _take_what_followed(self, draft: Draft) -> None:
        """A button opened a question, and words that came right after it may already answer it."""
        question = self._flows.open_question(draft)
        if draft.heard.selection is None or question is None or not draft.heard.fragments or not draft.replies:
            return
        asked = draft.replies.pop()
        taken = self._flows.answer(draft, draft.heard.fragments)
        hint = None if taken else self._flows.hint(draft, draft.heard.text)
        if hint is not None:
            taken = self._flows.take_hint(draft, hint)
        if not taken and self._flows.take_text(draft, draft.heard.text):
            taken = "took the text"
        if taken:
            draft.note(f"flow: {taken}, said right after the button")
        else:
            draft.replies.append(asked)

    def _fall_back(self, draft: Draft) -> None:
        draft.unresolved += 1
        draft.say("utter_default")
        prediction = draft.prediction
        is_outside = prediction is not None and not self._understanding.is_in_scope(prediction)
        draft.resolve("none", confidence=0.0, reason="out of scope" if is_outside else "not understood")
        self._flows.ask_again(draft)

    def _answer_wordless(self, draft: Draft) -> None:
        """Never silence: tell what the bot can do with a picture, a place or a contact card."""
        if draft.heard.wordless:
            draft.say("utter_media_received")
            self._flows.ask_again(draft)
            draft.resolve("none", confidence=0.0, reason="without words: " + ", ".join(sorted(draft.heard.wordless)))
        elif draft.heard.has_reaction:
            draft.resolve("none", confidence=0.0, reason="only a reaction")
        else:
            draft.say("utter_default")
            draft.resolve("none", confidence=0.0, reason="an empty message")

    def _time_out(self, draft: Draft) -> None:
        """A question stayed without an answer for as long as its flow waits."""
        for timer in draft.heard.timers:
            flow = draft.flow
            if timer.kind != FLOW_TIMER or flow is None or timer.payload != flow.name:
                continue
            draft.flow = draft.paused = None
            draft.ends_solved = self._flows.is_rated(draft, flow.name)
            draft.note(f"flow: {flow.name} timed out")
            draft.resolve("flow", source=flow.name, reason="timed out")
            reply = self._bot.flows[flow.name].timeout_reply
            if reply:
                draft.say(reply)

    def _chain(self) -> Sequence[ChainLink]:
        """The author's links in order. Buttons always work, so a chain without commands begins with them anyway."""
        bot = self._bot
        understanding = self._understanding
        links: Mapping[LinkName, ChainLink] = {
            "commands": self._commands,
            "flow": FlowAnswers(bot, self._flows, understanding),
            "intents": Intents(bot, self._flows, self._targets, understanding),
            "clarify": Clarify(bot, understanding),
            "handoff": HandOffLink(bot),
        }
        chain = bot.chain if "commands" in bot.chain else ("commands", *bot.chain)
        return tuple(links[name] for name in chain)


def _without_question(draft: Draft) -> int:
    """How many replies stand when the question that was just asked is taken back."""
    return len(draft.replies) - 1 if draft.flow is not None and draft.replies else len(draft.replies)


def _caller(draft: Draft) -> Values:
    """What an action may send: what templates see, and who asks where."""
    turn = draft.turn
    who = {"contact": turn.contact_id or turn.conversation_id, "conversation": turn.conversation_id}
    return {**draft.values(), **who}
