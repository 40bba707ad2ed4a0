"""The links of the understanding chain: each answers a turn or abstains, and notes why."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from channels.shortening import stands_for
from config.bot_model import Bot, GoTo
from config.bot_uses import parse_go_to
from gateway.core.errors import TertuliaError
from gateway.core.handoff_reasons import Asked
from gateway.core.messages import Option, Selection
from gateway.core.turns import Candidate, Link
from gateway.dialogue.answering import Question, comparable, is_asking, is_brief, is_short, is_told, is_wishing
from gateway.dialogue.draft import Draft
from gateway.dialogue.flows import CHOOSE, Flows, Hint
from gateway.dialogue.state import Offered
from nlp.intents import Prediction
from nlp.text import MAX_READ_CHARS

Classify = Callable[[str], Awaitable[Prediction]]

_NUMBER = re.compile(r"#?\s*(\d{1,2})\s*[.)]?")
_RASA_PAYLOAD = re.compile(r"/([A-Za-z_][\w/]*)(?:\{.*\})?", re.DOTALL)
_OFFERED_BY_CLARIFY = 2
_STOP = re.compile(r"[,;!?¡¿\n]+|\.(?=\s|$)")
_MOST_CLAUSES = 8
_SURE = 0.9
_NEVER = 2.0
_SURELY_IN_SCOPE = 0.5


class ChainLink(Protocol):
    """One link. ``answer`` is true when the turn is decided; then the draft holds replies and resolution."""

    async def answer(self, draft: Draft) -> bool: ...


def _whole(draft: Draft, received: str) -> str:
    """The value that was offered, where the channel had to shorten it on the button."""
    return next((option.value for option in draft.before.offered if stands_for(received, option.value)), received)


class Targets:
    """Carries out what an intent, a word or a button leads to."""

    def __init__(self, bot: Bot, flows: Flows) -> None:
        self._bot = bot
        self._flows = flows

    def go(self, draft: Draft, target: GoTo, intent: str = "") -> bool:
        """Do it. False: there is nothing there (any more)."""
        match target.kind:
            case "intent":
                answer = self._bot.answers.get(target.name)
                return answer is not None and answer.kind != "intent" and self.go(draft, answer, target.name)
            case "reply":
                return draft.say(target.name)
            case "flow":
                if target.name not in self._bot.flows:
                    return False
                self._flows.start(draft, target.name, said=" ".join(draft.heard.spoken))
                return True
            case "handoff":
                draft.ask_for_person(Asked.ASKED, intent)
                return True


class Commands:
    """Buttons, the numbers and labels of options that were just offered, and the author's exact words."""

    def __init__(self, bot: Bot, flows: Flows, targets: Targets) -> None:
        self._bot = bot
        self._flows = flows
        self._targets = targets
        has_people = "handoff" in bot.chain or bool(bot.handoff_intents)
        self._person = frozenset(map(comparable, bot.words.person)) if has_people else frozenset()
        self._words: Mapping[str, GoTo] = {_as_command(word): target for word, target in bot.commands.items()}

    async def answer(self, draft: Draft) -> bool:
        heard = draft.heard
        if heard.selection is not None:
            return self._press(draft, heard.selection)
        if not heard.fragments:
            return False
        option = self.typed_option(draft, heard.fragments[-1])
        if option is not None:
            return self._press(draft, Selection(option.value, option.label))
        if self._word(draft, heard.text) or (len(heard.fragments) > 1 and self._word(draft, heard.fragments[-1])):
            return True
        return self._wants_person(draft, heard.fragments[-1])

    def _press(self, draft: Draft, selection: Selection) -> bool:
        value = _whole(draft, selection.value)
        if value.startswith(CHOOSE):
            return self._choose(draft, value)
        target = self._target(value)
        if target is None:
            draft.note("commands: the button's value is read as text")
            return False
        is_clarified = target.kind == "intent" and target.name in draft.before.clarifying
        if not self._leave_flow_and_go(draft, target):
            draft.note(f"commands: the button leads to {target.kind} {target.name}, which is not there")
            return False
        intent = target.name if target.kind == "intent" else ""
        draft.note(f"commands: button {value}")
        draft.resolve("clarify" if is_clarified else "commands", intent, source=_named(self._bot, target))
        return True

    def _choose(self, draft: Draft, value: str) -> bool:
        if not self._flows.choose(draft, value):
            draft.note("commands: the button belongs to no flow of this bot")
            return False
        draft.note(f"commands: button {value}")
        draft.resolve("flow", source=value.removeprefix(CHOOSE).partition(".")[0])
        return True

    def _target(self, value: str) -> GoTo | None:
        if not value.startswith("/"):
            return self._words.get(_as_command(value))
        target = parse_go_to(value[1:])
        rasa = _RASA_PAYLOAD.fullmatch(value)
        if target is None and rasa is not None and rasa[1] in self._bot.intents:
            return GoTo("intent", rasa[1])
        return target or self._words.get(_as_command(value))

    def typed_option(self, draft: Draft, text: str) -> Offered | None:
        """The option of the last reply that *text* names, by its number or its label."""
        offered = draft.before.offered
        if not offered or len(text) > 100:
            return None
        label = comparable(text)
        for option in offered:
            if comparable(option.label) == label:
                return option
        number = _NUMBER.fullmatch(text.strip())
        question = self._flows.open_question(draft)
        if number is None or (question is not None and question.value_of(text, draft.moment) is not None):
            return None
        place = int(number[1]) - 1
        return offered[place] if 0 <= place < len(offered) else None

    def _word(self, draft: Draft, text: str) -> bool:
        if len(text) > 100:
            return False
        target = self._words.get(_as_command(text))
        if target is None or not self._leave_flow_and_go(draft, target):
            return False
        draft.note("commands: exact word")
        draft.resolve("commands", target.name if target.kind == "intent" else "", source=_named(self._bot, target))
        return True

    def _wants_person(self, draft: Draft, text: str) -> bool:
        """The words for a person in any language of the bot, also instead of an answer; one word may be an answer."""
        if not self._person or len(text) > 100 or comparable(text) not in self._person:
            return False
        question = self._flows.open_question(draft)
        if question is not None and (question.value_of(text, draft.moment) is not None or question.is_text):
            is_answer = question.has_choices or not is_wishing(text)
            if is_answer:
                return False
        intent = min(self._bot.handoff_intents, default="")
        draft.close_flow()
        draft.paused = None
        draft.ask_for_person(Asked.ASKED, intent)
        draft.note("commands: words for a person")
        draft.resolve("handoff", intent, source="words")
        return True

    def _leave_flow_and_go(self, draft: Draft, target: GoTo) -> bool:
        """A word or a button of the author's begins something new: an open question is dropped."""
        draft.close_flow()
        draft.paused = None
        return self._targets.go(draft, target)


class FlowAnswers:
    """The open question takes the answer, unless the customer clearly speaks of something else."""

    def __init__(self, bot: Bot, flows: Flows, understanding: Understanding) -> None:
        self._bot = bot
        self._flows = flows
        self._understanding = understanding

    async def answer(self, draft: Draft) -> bool:
        flow = draft.flow
        question = self._flows.open_question(draft)
        if flow is None or question is None:
            return False
        heard = draft.heard
        fragments = heard.fragments or ((heard.phone,) if heard.phone else ())
        if heard.selection is not None:
            fragments = (heard.selection.value,)
        if not fragments:
            return False
        text = " ".join(fragments)
        taken = self._flows.answer(draft, fragments)
        hint = None if taken else self._flows.hint(draft, text)
        if hint is not None and hint.is_clear:
            taken = self._flows.take_hint(draft, hint)
        if not taken and self._bot.flows[flow.name].is_optional:
            return await self._take_or_leave(draft, question, text, hint)
        if not taken:
            if await self._speaks_of_something_else(draft, question, text, hint):
                draft.note(f"flow: {flow.name} waits, something else was asked")
                return False
            taken = self._take_or_retry(draft, text, hint)
        draft.note(f"flow: {flow.name}, {taken}")
        draft.resolve("flow", source=flow.name)
        return True

    async def _take_or_leave(self, draft: Draft, question: Question, text: str, hint: Hint | None) -> bool:
        """What only offers its questions never insists: anything but an answer drops it, and the chain goes on."""
        name = draft.flow.name if draft.flow is not None else ""
        is_possible = question.is_text or hint is not None
        taken = ""
        if is_possible and not await self._speaks_of_something_else(draft, question, text, hint):
            taken = self._take(draft, text, hint)
        if taken:
            draft.note(f"flow: {name}, {taken}")
            draft.resolve("flow", source=name)
            return True
        draft.close_flow()
        draft.note(f"flow: {name} was left")
        return False

    def _take(self, draft: Draft, text: str, hint: Hint | None) -> str:
        if hint is not None:
            return self._flows.take_hint(draft, hint)
        if not self._is_chat(draft) and self._flows.take_text(draft, text):
            return "took the text"
        return self._flows.lean(draft, text)

    def _is_chat(self, draft: Draft) -> bool:
        """A greeting or thanks fits many an author's pattern, and is no name."""
        question, prediction = self._flows.open_question(draft), draft.prediction
        if question is None or question.takes_anything or prediction is None or not prediction.candidates:
            return False
        best = prediction.candidates[0]
        return best.intent in self._bot.small_talk and best.confidence >= _SURE and prediction.score >= _SURELY_IN_SCOPE

    def _take_or_retry(self, draft: Draft, text: str, hint: Hint | None) -> str:
        if taken := self._take(draft, text, hint):
            return taken
        if self._flows.retry(draft):
            return "asked again"
        if "handoff" in self._bot.chain:
            draft.ask_for_person(Asked.UNRESOLVED, "no answer to a question")
            return "given up, a person was asked for"
        draft.say("utter_flow_cancelled")
        return "given up"

    async def _speaks_of_something_else(self, draft: Draft, question: Question, text: str, hint: Hint | None) -> bool:
        """What is no answer needs the usual confidence; what might be one (any text would do) needs more.

        Whoever repeats what led to this very question is asked it again, and not begun with anew for ever. Numbers
        alone are an answer, if a bad one; so is that one does not know.
        """
        if question.is_unsure(text) and not question.takes_anything:
            return False
        if not any(character.isalpha() for text in draft.heard.spoken for character in text):
            return False
        prediction = await self._understanding.of(draft)
        if prediction is None or draft.flow is None or not prediction.candidates:
            return False
        best = prediction.candidates[0]
        target = self._bot.answers.get(best.intent)
        if target is None or target == GoTo("flow", draft.flow.name):
            return False
        settings = self._bot.settings
        ends = best.intent in self._bot.solved_by
        is_meant = best.confidence >= settings.confidence and self._understanding.is_in_scope(prediction)
        if not is_meant or (best.intent in self._bot.small_talk and not ends):
            return False
        if question.is_text:
            return best.confidence >= self._needed_against_words(text, question, target, ends=ends)
        if best.confidence >= settings.interrupt:
            return True
        return not (ends or hint is not None or question.is_like_an_answer(text))

    def _needed_against_words(self, text: str, question: Question, target: GoTo, *, ends: bool) -> float:
        """How sure one must be that what was said is not the customer's own words that were asked for (2: never).

        It must have the form of a question, a wish or a farewell: whoever tells what happened (``una persona que me
        atendió mal``) speaks of things that intents are about, and a name (``Inés Profesor``) may sound like one.
        """
        usual = self._bot.settings.interrupt
        if ends:
            return usual if is_short(text) else _NEVER
        if target.kind == "handoff" and is_wishing(text):
            return usual
        if target.kind == "handoff":
            return max(_SURE, usual) if is_brief(text) else _NEVER
        if is_asking(text) or is_wishing(text):
            return usual if not is_told(text) else _NEVER
        return usual if question.takes_anything and is_brief(text) else _NEVER


class Understanding:
    """The classifier as the links see it: asked once a turn, silent when it fails."""

    def __init__(self, bot: Bot, classify: Classify) -> None:
        self._bot = bot
        self._classify = classify

    async def of(self, draft: Draft) -> Prediction | None:
        """What the turn's texts are about; ``None`` when there are none, or the classifier is not there."""
        spoken = draft.heard.spoken
        if draft.prediction is None and spoken:
            try:
                draft.prediction = await self._predict(spoken, " ".join(spoken))
            except (TertuliaError, TimeoutError) as error:
                draft.note(f"intents: not available ({type(error).__name__})")
        return draft.prediction

    def is_in_scope(self, prediction: Prediction) -> bool:
        """By the author's threshold, else by the model's."""
        scope = self._bot.settings.scope
        return prediction.is_in_scope if scope is None else prediction.score >= scope

    def is_sure(self, prediction: Prediction) -> bool:
        """Whether the best candidate may be answered."""
        best = prediction.candidates[0]
        return self.is_in_scope(prediction) and best.confidence >= self._bot.settings.confidence

    async def _predict(self, fragments: tuple[str, ...], text: str) -> Prediction:
        """The whole; where that is unclear or small talk, the last part that is clear by itself, small talk last."""
        whole = await self._classify(text)
        pieces = fragments if len(fragments) > 1 else _clauses(text)
        if len(pieces) < 2 or self._is_settled(whole):
            return whole
        each = await asyncio.gather(*map(self._classify, pieces))
        clear = [prediction for prediction in each if prediction.candidates and self.is_sure(prediction)]
        serious = [each for each in clear if each.candidates[0].intent not in self._bot.small_talk]
        return serious[-1] if serious else whole if self._is_sure_of_any(whole) else (clear or [whole])[-1]

    def _is_sure_of_any(self, prediction: Prediction) -> bool:
        return bool(prediction.candidates) and self.is_sure(prediction)

    def _is_settled(self, prediction: Prediction) -> bool:
        return self._is_sure_of_any(prediction) and prediction.candidates[0].intent not in self._bot.small_talk


class Intents:
    """Answers what the classifier is sure of."""

    def __init__(self, bot: Bot, flows: Flows, targets: Targets, understanding: Understanding) -> None:
        self._bot = bot
        self._flows = flows
        self._targets = targets
        self._understanding = understanding

    async def answer(self, draft: Draft) -> bool:
        prediction = await self._understanding.of(draft)
        if prediction is None or not prediction.candidates:
            return False
        best = prediction.candidates[0]
        if not self._understanding.is_in_scope(prediction):
            draft.note(f"intents: out of scope, score {prediction.score:.3f}")
            return False
        if best.confidence < self._bot.settings.confidence:
            draft.note(f"intents: {best.intent} {best.confidence:.2f} below {self._bot.settings.confidence:.2f}")
            return False
        target = self._bot.answers.get(best.intent)
        if target is None or not self._go(draft, target, best.intent):
            draft.note(f"intents: {best.intent} {best.confidence:.2f}, but nothing answers it")
            return False
        if best.intent in self._bot.solved_by:
            draft.ends_solved = True
            draft.close_flow()
            draft.paused = None
        draft.asks_again = target.kind in {"reply", "flow"} and not draft.hand_off
        draft.note(f"intents: {best.intent} {best.confidence:.2f}")
        link: Link = "handoff" if target.kind == "handoff" else "intents"
        draft.resolve(link, best.intent, confidence=best.confidence, source=_named(self._bot, target))
        return True

    def _go(self, draft: Draft, target: GoTo, intent: str) -> bool:
        """An open question is put aside for a flow that is begun in between; a flow put aside is gone on with."""
        if target.kind == "flow" and self._flows.come_back(draft, target.name):
            return True
        waiting = draft.flow
        if not self._targets.go(draft, target, intent):
            return False
        if target.kind == "flow" and draft.flow != waiting and not draft.hand_off:
            draft.paused = waiting
        return True


class Clarify:
    """Asks once which of the best two was meant; never twice in a row."""

    def __init__(self, bot: Bot, understanding: Understanding) -> None:
        self._bot = bot
        self._understanding = understanding

    async def answer(self, draft: Draft) -> bool:
        prediction = await self._understanding.of(draft)
        if prediction is None or not self._understanding.is_in_scope(prediction):
            return False
        if draft.before.clarifying:
            draft.note("clarify: asked just before")
            return False
        offered = [candidate for candidate in prediction.candidates if self._may_offer(candidate)]
        offered = offered[:_OFFERED_BY_CLARIFY]
        if not offered:
            draft.note("clarify: nothing to offer")
            return False
        options = [
            Option(self._bot.labels[candidate.intent].get(draft.language), f"/intent:{candidate.intent}")
            for candidate in offered
        ]
        if not draft.say("utter_clarify", options):
            return False
        draft.clarifying = tuple(candidate.intent for candidate in offered)
        draft.note("clarify: offered " + ", ".join(draft.clarifying))
        draft.resolve("clarify", confidence=offered[0].confidence, reason="asked which was meant")
        return True

    def _may_offer(self, candidate: Candidate) -> bool:
        return candidate.confidence >= self._bot.settings.clarify_from and candidate.intent in self._bot.labels


class HandOffLink:
    """Asks for a person when the bot did not understand several times."""

    def __init__(self, bot: Bot) -> None:
        self._after = bot.settings.after_unresolved

    async def answer(self, draft: Draft) -> bool:
        if not self._after or draft.unresolved + 1 < self._after:
            draft.note(f"handoff: unresolved {draft.unresolved + 1} of {self._after}")
            return False
        times = f"{draft.unresolved + 1} times"
        draft.ask_for_person(Asked.UNRESOLVED, times)
        draft.note(f"handoff: unresolved {times}")
        draft.resolve("handoff", reason="not understood", confidence=0.0)
        return True


def _clauses(text: str) -> tuple[str, ...]:
    """The parts of a message between stops, at most eight: ``Good morning, I have no signal`` are two."""
    parts = tuple(part for part in map(str.strip, _STOP.split(text[:MAX_READ_CHARS])) if part)
    return parts if len(parts) <= _MOST_CLAUSES else ()


def _as_command(text: str) -> str:
    """A word as commands compare it; of ``/start payload`` and ``/start@bot`` the command alone."""
    text = text.strip()
    if text.startswith("/"):
        return text.split(maxsplit=1)[0].partition("@")[0].lower()
    return comparable(text)


def _named(bot: Bot, target: GoTo) -> str:
    """What answered, for the record: a reply's key, or ``flow:name``."""
    if target.kind == "intent":
        target = bot.answers.get(target.name, target)
    return target.name if target.kind == "reply" else f"{target.kind}:{target.name}".rstrip(":")
