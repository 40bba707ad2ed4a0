"""The bot's mind: one turn's outcome from what was said, by the chain in the order that its author wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from config.bot_model import Bot, LinkName
from gateway.core.errors import Misconfigured
from gateway.core.messages import Text
from gateway.core.turns import Reply, TurnInput, TurnOutcome
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
from gateway.dialogue.draft import FLOW_TIMER, Draft
from gateway.dialogue.flows import Flows
from gateway.dialogue.hearing import Heard, hear
from gateway.dialogue.speaking import Speaker
from gateway.dialogue.state import State, read_state
from nlp.language import LanguageDetector

_SECONDS_A_DAY = 86_400
_LAST_WORDS = {
    "en": "Something went wrong on our side. A person has been asked to answer you here.",
    "es": "Algo falló de nuestro lado. Ya pedimos que una persona te responda por aquí.",
    "pt": "Algo falhou do nosso lado. Já pedimos que uma pessoa responda por aqui.",
}
"""Said when the bot failed and the author's own reply about it fails as well."""


class Dialogue:
    """Fits ``gateway.core.ports.DialoguePort``. Holds nothing of a conversation; safe to share between tasks.

    The same input gives the same outcome, as far as *classify* does. Costs 15 to 60 µs besides *classify*.
    """

    def __init__(self, bot: Bot, classify: Classify, languages: LanguageDetector) -> None:
        """*classify* predicts one text (wiring puts a ``Batcher`` behind it); *languages* are those of the bot."""
        self.bot_version = bot.version
        self.calls_out = False
        self._bot = bot
        self._languages = languages
        self._speaker = Speaker(bot)
        self._flows = Flows(bot)
        self._commands = Commands(bot, self._flows, Targets(bot, self._flows))
        self._understanding = Understanding(bot, classify)
        self._links = self._chain()

    async def decide(self, turn: TurnInput) -> TurnOutcome:
        """One turn's outcome; what waited together is answered once. Raises ``Misconfigured`` on a flow in circles."""
        heard = hear(turn.entries)
        state, forgotten = read_state(turn.state, self._bot, int(turn.now.timestamp()) // _SECONDS_A_DAY)
        draft = Draft(self._bot, self._speaker, turn, heard, state, self._language(turn, heard, state))
        if forgotten:
            draft.note(forgotten)
        if heard.is_given_back:
            draft.begin_anew()
            draft.say("utter_given_back")
            draft.note("desk: given back")
        if heard.is_from_customer:
            await self._answer_customer(draft)
        else:
            self._time_out(draft)
        return draft.outcome()

    def failed(self, turn: TurnInput, error: str) -> TurnOutcome:
        """The bot itself failed: say so in words that cannot fail, and ask for a person. The state begins anew."""
        heard = hear(turn.entries)
        state, _ = read_state(b"", self._bot, int(turn.now.timestamp()) // _SECONDS_A_DAY)
        language = self._languages.matching(turn.language) or self._bot.languages[0]
        draft = Draft(self._bot, self._speaker, turn, heard, state, language)
        draft.resolve("none", confidence=0.0, reason=error)
        try:
            draft.ask_for_person("bot_failed")
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

    async def _answer_customer(self, draft: Draft) -> None:
        heard = draft.heard
        if not heard.fragments and heard.selection is None and not (heard.phone and draft.flow is not None):
            self._answer_wordless(draft)
            return
        for link in self._links:
            if await link.answer(draft):
                if not draft.hand_off and draft.resolution is not None and draft.resolution.link != "clarify":
                    draft.unresolved = 0
                self._take_what_followed(draft)
                return
        self._fall_back(draft)

    def _take_what_followed(self, draft: Draft) -> None:
        """A button opened a question, and words that came right after it may already answer it."""
        question = self._flows.open_question(draft)
        if draft.heard.selection is None or question is None or not draft.heard.fragments or not draft.replies:
            return
        asked = draft.replies.pop()
        taken = self._flows.answer(draft, draft.heard.fragments)
        if not taken and self._flows.take_anything(draft, draft.heard.text):
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
            draft.flow = None
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
            "intents": Intents(bot, self._flows, Targets(bot, self._flows), understanding),
            "clarify": Clarify(bot, understanding),
            "handoff": HandOffLink(bot),
        }
        chain = bot.chain if "commands" in bot.chain else ("commands", *bot.chain)
        return tuple(links[name] for name in chain)
