"""Walks through the author's flows: asks, takes answers, corrections and cancellations, and goes on."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import assert_never

import msgspec

from config.bot_model import (
    END,
    Bot,
    Branch,
    CallAction,
    Collect,
    Decide,
    Flow,
    HandOff,
    LinkTo,
    Rate,
    Say,
    SetSlots,
    SlotValue,
    Step,
    flow_slots,
)
from config.bot_templates import Engine
from gateway.core.errors import Misconfigured
from gateway.core.handoff_reasons import Asked
from gateway.core.messages import Choice, Option, Text
from gateway.core.turns import Reply
from gateway.dialogue.answering import Question, comparable, is_asking, is_brief, is_correcting, is_short, is_wishing
from gateway.dialogue.backend import Filled
from gateway.dialogue.draft import Calling, Draft
from gateway.dialogue.filling import are_rivals, kinds_for, value_named, without_parts_of_choices
from gateway.dialogue.state import OpenFlow
from nlp.entities.dates import DateWords

CHOOSE = "/choose:"
AT_CASE = "@"
"""Ties the buttons of a rating to the case that is rated: an old one goes to its own case, whatever came since."""

_MARK = re.compile(r"[0-9a-f]{8}")
"""Begins the value of a button that answers a flow's question: ``/choose:<flow>.<slot>=<value>``."""

MAX_STEPS = 200
"""Steps of one turn; a flow that takes more goes in circles."""


class Hint(msgspec.Struct, frozen=True):
    """An answer found inside of a sentence; ``is_clear`` unless the sentence wishes for something of its own."""

    step: Collect
    value: SlotValue
    is_correction: bool = False
    is_clear: bool = False


class Flows:
    """All flows of a bot, compiled. Holds nothing of a conversation."""

    def __init__(self, bot: Bot) -> None:
        engine = Engine()
        self._bot = bot
        dates = DateWords(bot.languages, bot.country)
        self._order = {name: {step: place for place, step in enumerate(flow.steps)} for name, flow in bot.flows.items()}
        self._conditions = {
            branch.condition: engine.condition(branch.condition)
            for flow in bot.flows.values()
            for step in flow.steps.values()
            for branch in step.next
            if branch.condition
        }
        self._questions: Mapping[tuple[str, str], Question] = {
            (flow.name, step.id): Question(step, bot, dates) for flow in bot.flows.values() for step in flow.collects
        }
        self._rivalled = {
            (flow.name, step.id)
            for flow in bot.flows.values()
            for step in flow.collects
            if any(are_rivals(step, other) for other in flow.collects)
        }
        self._correctable = {name: _correctable(flow) for name, flow in bot.flows.items()}
        self._rated = {
            name: step.slot
            for name, flow in bot.flows.items()
            for step in flow.steps.values()
            if isinstance(step, Rate)
        }
        self._instant = frozenset(name for name, flow in bot.flows.items() if flow.is_instant)
        self._cancel = frozenset(map(comparable, bot.words.cancel))
        self._no = frozenset(map(comparable, bot.words.no))
        self._back = frozenset(map(comparable, bot.words.back))

    def open_question(self, draft: Draft) -> Question | None:
        """The question that waits for an answer."""
        return self._questions.get((draft.flow.name, draft.flow.step)) if draft.flow is not None else None

    def start(self, draft: Draft, name: str, *, said: str = "", given: Mapping[str, str] | None = None) -> None:
        """Begin a flow anew. *given* answers by slot are taken where they are good ones; so are choices *said* and what
        else was found in the words, but for questions that are asked whatever was said before.
        """
        flow = self._bot.flows[name]
        if name not in self._instant:
            draft.close_flow()
        if name in self._rated:
            draft.rated_case, draft.case_to_rate = draft.case_to_rate, ""
        for slot in flow_slots(flow) - flow.keeps:
            draft.set_slot(slot, None)
        for step in flow.collects:
            question = self._questions[name, step.id]
            if given is not None and step.slot in given:
                draft.set_slot(step.slot, question.value_of(given[step.slot], draft.moment))
            elif said and not step.asks_again:
                mentioned = question.value_mentioned(said)
                is_sole = (name, step.id) not in self._rivalled
                value = self._named(draft, flow, question) if mentioned is None and is_sole else mentioned
                if value is not None or step.validation.kind == "choice":
                    draft.set_slot(step.slot, value)
        self._run(draft, flow, flow.first)

    def choose(self, draft: Draft, value: str) -> bool:
        """Take a button of a flow's question, also of one that is over. False: it is not such a button."""
        name, dot, rest = value.removeprefix(CHOOSE).partition(".")
        place, equals, answer = rest.partition("=")
        slot, _, case = place.partition(AT_CASE)
        flow = self._bot.flows.get(name)
        step = next((step for step in flow.collects if step.slot == slot), None) if flow is not None else None
        if flow is None or step is None or not (value.startswith(CHOOSE) and dot and equals):
            return False
        if draft.paused is not None and draft.paused.name == name:
            draft.flow, draft.paused = draft.paused, None
        question = self.open_question(draft)
        is_open = draft.flow is not None and draft.flow.name == name and case in ("", draft.rated_case)
        if is_open and question is not None and question.step.slot == slot:
            self._press(draft, flow, question, answer)
        elif is_open:
            self._correct(draft, flow, step, self._questions[name, step.id].value_of(answer, draft.moment))
        elif flow.collects[0].slot == slot:
            draft.paused = None
            draft.case_to_rate = case if _MARK.fullmatch(case) else ""
            self.start(draft, name, given={slot: answer})
        else:
            draft.note(f"commands: the flow {name} is over")
            draft.say("utter_expired_choice")
        return True

    def _press(self, draft: Draft, flow: Flow, question: Question, answer: str) -> None:
        """A button of the open question; one that is none of its choices has the question asked again."""
        value = question.value_of(answer, draft.moment)
        if value is None:
            self.ask_again(draft)
        else:
            self._take(draft, flow, question.step, value)

    def answer(self, draft: Draft, fragments: Sequence[str]) -> str:
        """Take what as a whole is the answer to the open question, or leads out of it; says how, or nothing."""
        question = self.open_question(draft)
        if question is None or draft.flow is None or not fragments:
            return ""
        flow = self._bot.flows[draft.flow.name]
        tried = (" ".join(fragments), *reversed(fragments[:-1])) if len(fragments) > 1 else tuple(fragments)
        tried = (tried[0], fragments[-1], *tried[1:]) if len(fragments) > 1 else tried
        if not question.is_text:
            for text in tried:
                if (value := question.value_of(text, draft.moment)) is not None:
                    return self._take(draft, flow, question.step, value)
        words = {comparable(text) for text in tried}
        if words & self._cancel or (words & self._no and question.step.validation.kind != "text"):
            draft.close_flow()
            draft.paused = None
            draft.ends_solved = flow.name in self._rated
            draft.say("utter_flow_cancelled")
            return "cancelled"
        return self._go_back(draft, flow, question.step) if words & self._back else ""

    def hint(self, draft: Draft, text: str) -> Hint | None:
        """A correction of an earlier answer (``no, the big one``), or a choice named inside of a sentence."""
        question = self.open_question(draft)
        if question is None or draft.flow is None:
            return None
        name = draft.flow.name
        named = None if is_asking(text) else self._named(draft, self._bot.flows[name], question)
        if question.is_text and not _may_correct_words(text):
            return Hint(question.step, named, is_clear=not is_wishing(text)) if named is not None else None
        place = self._order[name][question.step.id]
        for step in self._correctable[name]:
            known = draft.slots.get(step.slot)
            if known is None or step.slot == question.step.slot or self._order[name][step.id] >= place:
                continue
            value = self._questions[name, step.id].correction(text, draft.moment)
            if value is not None and value != known:
                return Hint(step, value, is_correction=True, is_clear=True)
        value = question.value_within(text)
        if value is None and named is not None:
            return Hint(question.step, named, is_clear=is_brief(text) and not is_wishing(text))
        if value is None:
            return None
        return Hint(question.step, value, is_clear=not is_wishing(text) or question.says_little_else(text))

    def take_hint(self, draft: Draft, hint: Hint) -> str:
        """Take what :meth:`hint` found; says how."""
        if draft.flow is None:
            return ""
        flow = self._bot.flows[draft.flow.name]
        if not hint.is_correction:
            return self._take(draft, flow, hint.step, hint.value)
        self._correct(draft, flow, hint.step, hint.value)
        return f"corrected {hint.step.slot}"

    def lean(self, draft: Draft, text: str) -> str:
        """Take the yes or the no that a short sentence begins with, where it is about nothing else; says how."""
        question = self.open_question(draft)
        value = question.leaning(text) if question is not None else None
        if question is None or draft.flow is None or value is None:
            return ""
        return self._take(draft, self._bot.flows[draft.flow.name], question.step, value)

    def is_choice(self, flow: OpenFlow, text: str) -> bool:
        """Whether *text* as a whole is one of the choices of that question."""
        question = self._questions.get((flow.name, flow.step))
        return question is not None and question.is_one_of_choices(text)

    def asks_for_rating(self, name: str) -> bool:
        """Whether this flow exists to be told how it was."""
        return name in self._rated

    def is_rated(self, draft: Draft, name: str) -> bool:
        """Whether this flow asks for a rating and got it."""
        return name in self._rated and draft.slots.get(self._rated[name]) is not None

    def take_text(self, draft: Draft, text: str) -> bool:
        """Take *text* for a question that wants the customer's own words."""
        question = self.open_question(draft)
        if question is None or draft.flow is None or not question.is_text:
            return False
        if not question.takes_anything and question.is_unsure(text):
            return False
        value = self._named(draft, self._bot.flows[draft.flow.name], question)
        if value is None:
            value = question.value_of(text, draft.moment)
        if value is None:
            return False
        self._take(draft, self._bot.flows[draft.flow.name], question.step, value)
        return True

    def retry(self, draft: Draft) -> bool:
        """Ask again, saying what is wanted. False: asked too often, the flow is given up."""
        question = self.open_question(draft)
        if question is None or draft.flow is None:
            return False
        step, tries = question.step, draft.flow.tries + 1
        if tries >= (step.max_tries or self._bot.settings.max_tries):
            draft.close_flow()
            draft.paused = None
            return False
        flow = self._bot.flows[draft.flow.name]
        draft.open_question(OpenFlow(flow.name, step.id, tries), flow.timeout_s)
        key = step.retry or f"utter_retry_{step.slot}"
        if draft.knows(key):
            self._ask(draft, flow, step, key)
            return True
        if draft.knows("utter_retry"):
            draft.say("utter_retry")
        self._ask(draft, flow, step, step.ask)
        return True

    def come_back(self, draft: Draft, name: str = "") -> bool:
        """Ask again what was interrupted (by name: only if it was that flow). False: nothing was."""
        if draft.paused is None or name not in {"", draft.paused.name}:
            return False
        draft.flow, draft.paused = draft.paused, None
        draft.note(f"flow: back to {draft.flow.name}")
        self.ask_again(draft)
        return True

    def ask_again(self, draft: Draft) -> None:
        """Repeat the open question after something else was answered in between."""
        question = self.open_question(draft)
        if question is not None and draft.flow is not None:
            flow = self._bot.flows[draft.flow.name]
            draft.open_question(draft.flow, flow.timeout_s)
            self._ask(draft, flow, question.step, question.step.ask)

    def _take(self, draft: Draft, flow: Flow, step: Collect, value: SlotValue) -> str:
        draft.set_slot(step.slot, value)
        others = self._take_others(draft, flow, step)
        self._run(draft, flow, self._target(draft, step.next), step)
        return f"took {', '.join((step.slot, *others))}"

    def _take_others(self, draft: Draft, flow: Flow, answered: Collect) -> list[str]:
        """Answers to later questions that the same words hold (``2, for Friday``).

        Where the customer's own words were wanted, they are about that alone.
        """
        if answered.validation.kind == "text" and answered.entity is None:
            return []
        place, slots = self._order[flow.name][answered.id], []
        for step in flow.collects:
            is_later = self._order[flow.name][step.id] > place and not step.asks_again
            if not is_later or draft.slots.get(step.slot) is not None or (flow.name, step.id) in self._rivalled:
                continue
            value = self._named(draft, flow, self._questions[flow.name, step.id])
            if value is not None:
                draft.set_slot(step.slot, value)
                slots.append(step.slot)
        return slots

    def _named(self, draft: Draft, flow: Flow, question: Question) -> SlotValue:
        """The answer to a question among the entities of the turn's words."""
        if not kinds_for(question.step) or not draft.entities:
            return None
        choices = [each for (name, _), each in self._questions.items() if name == flow.name and each.has_choices]
        entities = without_parts_of_choices(draft.entities, " ".join(draft.heard.spoken), choices)
        return value_named(question, entities, draft.moment)

    def _correct(self, draft: Draft, flow: Flow, step: Collect, value: SlotValue) -> None:
        """Replace an answer. Other answers stand; a yes or a no that came after it is asked for again."""
        step = next(first for first in flow.collects if first.slot == step.slot)
        order = self._order[flow.name]
        for later in flow.collects:
            if order[later.id] > order[step.id] and later.validation.kind == "yes_no":
                draft.set_slot(later.slot, None)
        draft.set_slot(step.slot, value)
        self._run(draft, flow, step.id)

    def _go_back(self, draft: Draft, flow: Flow, step: Collect) -> str:
        """To the question before this one, or to this one where there is none."""
        place = self._order[flow.name][step.id]
        asked = [
            earlier
            for earlier in flow.collects
            if self._order[flow.name][earlier.id] < place and draft.slots.get(earlier.slot) is not None
        ]
        target = asked[-1] if asked else step
        self._forget_from(draft, flow, target.id)
        self._run(draft, flow, target.id)
        return f"went back to {target.slot}"

    def _forget_from(self, draft: Draft, flow: Flow, step_id: str) -> None:
        """Empty the slots that are first asked for at this step or after it."""
        order = self._order[flow.name]
        earlier = {step.slot for step in flow.collects if order[step.id] < order[step_id]}
        for step in flow.collects:
            if step.slot not in earlier:
                draft.set_slot(step.slot, None)

    def _run(self, draft: Draft, flow: Flow, step_id: str, came_from: Step | None = None) -> None:
        """Go on until a question is asked or the flow is over. Raises ``Misconfigured`` when it goes in circles."""
        for _ in range(MAX_STEPS):
            if step_id == END:
                self._forget_answers_of_actions(draft, flow, flow.keeps)
                if flow.name not in self._instant:
                    draft.close_flow()
                draft.ends_solved = draft.ends_solved or flow.name in self._rated
                return
            step = flow.steps[step_id]
            self._forget_when_back(draft, flow, came_from, step)
            came_from = step
            match step:
                case Collect():
                    if draft.slots.get(step.slot) is None or step.asks_again:
                        draft.open_question(OpenFlow(flow.name, step.id), flow.timeout_s)
                        self._ask(draft, flow, step, step.ask)
                        return
                case SetSlots() | Say() | Decide() | Rate():
                    _perform(draft, step)
                case LinkTo():
                    flow, step_id, came_from = self._link(draft, flow, step), self._bot.flows[step.flow].first, None
                    continue
                case CallAction():
                    draft.calling = Calling(flow.name, step.id)
                    return
                case HandOff():
                    draft.ask_for_person(Asked.FLOW, step.reason or flow.name)
                    return
                case _:
                    assert_never(step)
            step_id = self._target(draft, step.next)
        raise Misconfigured(f"flows.{flow.name}", f"goes in circles without a question (over {MAX_STEPS} steps)")

    def resume(self, draft: Draft, filled: Filled | None) -> None:
        """Go on after a call with what it filled; ``None``: it failed."""
        if draft.calling is None:
            return
        flow = self._bot.flows[draft.calling.flow]
        step = flow.steps[draft.calling.step]
        draft.calling = None
        if not isinstance(step, CallAction):
            return
        for slot in step.fills:
            draft.set_slot(slot, filled.get(slot) if filled is not None else None)
        if filled is not None:
            self._run(draft, flow, self._target(draft, step.next), step)
        elif step.on_error:
            self._run(draft, flow, step.on_error, step)
        else:
            self._apologise(draft, step)

    def _apologise(self, draft: Draft, step: CallAction) -> None:
        """The author says nothing about this failure: a person takes over, where there is one."""
        draft.say("utter_action_failed")
        if "handoff" in self._bot.chain:
            draft.ask_for_person(Asked.ACTION_FAILED, step.action)
            return
        draft.close_flow()
        if not draft.replies:
            draft.say("utter_default")

    def _forget_answers_of_actions(self, draft: Draft, flow: Flow, kept: Collection[str]) -> None:
        """What the company's systems said is not remembered longer than its flow, unless the author keeps it."""
        for step in flow.steps.values():
            if isinstance(step, CallAction):
                for slot in step.fills:
                    if slot not in kept:
                        draft.set_slot(slot, None)

    def _link(self, draft: Draft, flow: Flow, step: LinkTo) -> Flow:
        """The linked flow asks its own questions anew, and keeps the answers that both need."""
        linked = self._bot.flows[step.flow]
        self._forget_answers_of_actions(draft, flow, flow.keeps | flow_slots(linked))
        for slot in flow_slots(linked) - flow_slots(flow) - linked.keeps:
            draft.set_slot(slot, None)
        return linked

    def _forget_when_back(self, draft: Draft, flow: Flow, came_from: Step | None, step: Step) -> None:
        """A jump backwards asks again: otherwise a question that was answered would be passed over."""
        order = self._order[flow.name]
        if came_from is not None and order[step.id] <= order[came_from.id]:
            self._forget_from(draft, flow, step.id)

    def _target(self, draft: Draft, branches: Sequence[Branch]) -> str:
        for branch in branches:
            if not branch.condition or self._conditions[branch.condition](draft.values()):
                return branch.target
        return END

    def _ask(self, draft: Draft, flow: Flow, step: Collect, key: str) -> None:
        """Say the question; its choices become buttons where the author gave none."""
        before = len(draft.replies)
        draft.say(key)
        if len(draft.replies) == before:
            return
        case = f"{AT_CASE}{draft.rated_case}" if flow.name in self._rated and draft.rated_case else ""
        prefix = f"{CHOOSE}{flow.name}.{step.slot}{case}="
        labels = self._questions[flow.name, step.id].choices(draft.language)
        generated = [Option(label, prefix + value) for label, value in labels]
        draft.replies[-1] = _with_options(draft.replies[-1], generated, prefix)


def _correctable(flow: Flow) -> Sequence[Collect]:
    """The questions whose answers a later sentence may correct, the latest first. A confirmation is given anew."""
    firsts = {step.slot: step for step in reversed(flow.collects)}
    return tuple(step for step in reversed(flow.collects) if firsts[step.slot] is step and not step.asks_again)


def _may_correct_words(text: str) -> bool:
    """In the customer's own words an earlier answer may be named without any thought of correcting it."""
    return is_correcting(text) and is_short(text)


def _rating(value: SlotValue) -> int | None:
    return int(value) if str(value) in {"1", "2", "3", "4", "5"} and value is not None else None


def _perform(draft: Draft, step: SetSlots | Say | Decide | Rate) -> None:
    match step:
        case SetSlots():
            for slot, value in step.values.items():
                draft.set_slot(slot, value)
        case Say():
            draft.say(step.reply)
        case Rate():
            draft.rating = _rating(draft.slots.get(step.slot))
        case Decide():
            pass


def _with_options(reply: Reply, generated: list[Option], prefix: str) -> Reply:
    """The author's options, plain values tied to the question; the generated ones where there are none."""
    if any(isinstance(part, Choice) for part in reply.parts):
        parts = tuple(_tied(part, prefix) if isinstance(part, Choice) else part for part in reply.parts)
        return msgspec.structs.replace(reply, parts=parts)
    if not generated:
        return reply
    parts = tuple(
        Choice(part.text, tuple(generated), "buttons", part.markup) if isinstance(part, Text) else part
        for part in reply.parts
    )
    return msgspec.structs.replace(reply, parts=parts)


def _tied(part: Choice, prefix: str) -> Choice:
    options = tuple(
        msgspec.structs.replace(option, value=prefix + option.value)
        if option.value and not option.value.startswith("/")
        else option
        for option in part.options
    )
    return msgspec.structs.replace(part, options=options)
