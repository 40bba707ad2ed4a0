"""What the bot asks around a handoff: to leave a message when nobody is there, to go on with a case that was solved.

Neither question keeps anybody waiting: whoever does not answer it is answered by the bot, and what they wrote before
the question was asked is what the bot then reads.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from config.bot_handoff import KEEP_BOT, LEAVE_MESSAGE, NEW_CASE, REOPEN_REPLY, SAME_CASE
from config.bot_model import Bot
from gateway.core.handoff_reasons import Asked
from gateway.core.messages import Selection
from gateway.core.turns import SolvedCase, TurnInput
from gateway.dialogue.answering import comparable, is_brief
from gateway.dialogue.chain import Understanding
from gateway.dialogue.draft import REOPEN_TIMER, Draft
from gateway.dialogue.hearing import Heard
from gateway.dialogue.state import HeldBack, Leaving, Offered, State

REOPEN_WAIT_S = 300.0
"""How long the bot waits for the answer to *the same case?* before it reads the message itself."""

LEAVING_S = 3_600
"""How long somebody may take to write the message that they want to leave."""

_MOST_HELD_CHARS = 2_000
_OURS = frozenset({LEAVE_MESSAGE, KEEP_BOT, SAME_CASE, NEW_CASE})

TypedOption = Callable[[Draft, str], Offered | None]


def with_held_back(heard: Heard, state: State, turn: TurnInput) -> Heard:
    """What was said, after what an unanswered question of ours had held back; a button is read by itself."""
    held = state.held
    if held is None:
        return heard
    is_out_of_time = any(timer.kind == REOPEN_TIMER and timer.payload == held.case for timer in heard.timers)
    if not heard.is_from_customer and not is_out_of_time:
        return heard
    is_button = heard.selection is not None and heard.selection.value != NEW_CASE
    if is_button or heard.is_given_back:
        return heard
    is_new = heard.selection is not None and turn.solved is not None
    return msgspec.structs.replace(
        heard,
        fragments=(*held.fragments, *heard.fragments),
        selection=heard.selection if is_new else None,
        wordless=heard.wordless | frozenset(held.wordless),
        phone=heard.phone or held.phone,
        is_from_customer=True,
    )


class AroundHandoff:
    """Takes the answers to both questions, and asks the second one. Holds nothing of a conversation."""

    def __init__(self, bot: Bot, understanding: Understanding, typed_option: TypedOption) -> None:
        self._bot = bot
        self._understanding = understanding
        self._typed_option = typed_option
        self._cancel = frozenset(map(comparable, bot.words.cancel))

    def answer(self, draft: Draft) -> bool:
        """Take an answer to a question of ours, or the message that is being left; false: there is none."""
        leaving = _still_leaving(draft)
        draft.leaving = None
        match self._chosen(draft):
            case "/leave_message":
                self._begin_message(draft, leaving)
            case "/keep_bot":
                self._keep_bot(draft)
            case "/same_case":
                self._go_on(draft)
            case "/new_case":
                return self._begin_something_new(draft)
            case _:
                return leaving is not None and leaving.is_writing and self._write(draft, leaving)
        return True

    async def asks(self, draft: Draft) -> bool:
        """Ask whether the customer goes on with the case that was solved; false: there is nothing to ask about."""
        solved = draft.turn.solved
        if solved is None or draft.asked_case == solved.handoff_id.hex or not draft.knows(REOPEN_REPLY):
            return False
        heard = draft.heard
        if heard.selection is not None or not (heard.fragments or heard.wordless) or await self._is_chat(draft):
            return False
        if not draft.say(REOPEN_REPLY):
            return False
        if draft.flow is not None and self._bot.flows[draft.flow.name].is_optional:
            draft.close_flow()
        self._hold_back(draft, solved)
        draft.note("handoff: asked whether it is about the case that was solved")
        draft.resolve("clarify", reason="asked whether the same case goes on")
        return True

    def _hold_back(self, draft: Draft, solved: SolvedCase) -> None:
        heard, case = draft.heard, solved.handoff_id.hex
        draft.asked_case = case
        draft.held = HeldBack(case, _bounded(heard.fragments), tuple(sorted(heard.wordless)), heard.phone)
        draft.set_timer(REOPEN_TIMER, REOPEN_WAIT_S, case)
        draft.negative = draft.before.negative  # how it sounds counts when it is read

    async def _is_chat(self, draft: Draft) -> bool:
        """Thanks and goodbyes are about no case."""
        prediction = await self._understanding.of(draft)
        if prediction is None or not prediction.candidates or not self._understanding.is_sure(prediction):
            return False
        intent = prediction.candidates[0].intent
        return intent in self._bot.small_talk or intent in self._bot.solved_by

    def _chosen(self, draft: Draft) -> str:
        """The button of ours that was pressed, or named by its number or label."""
        selection = draft.heard.selection
        if selection is not None:
            return selection.value if selection.value in _OURS else ""
        if not draft.heard.fragments:
            return ""
        option = self._typed_option(draft, draft.heard.fragments[-1])
        if option is None or option.value not in _OURS:
            return ""
        rest = draft.heard.fragments[:-1]
        draft.hear_anew(
            msgspec.structs.replace(draft.heard, fragments=rest, selection=Selection(option.value, option.label))
        )
        return option.value

    def _begin_message(self, draft: Draft, leaving: Leaving | None) -> None:
        asked = leaving or Leaving(Asked.ASKED)
        draft.close_flow()
        draft.paused = None
        draft.resolve("commands", source=LEAVE_MESSAGE)
        if not draft.is_closed:
            draft.ask_for_person(asked.reason, asked.detail)
        elif draft.heard.selection is not None and draft.heard.fragments and not draft.held:
            self._pass_on(draft, asked)
        else:
            now = int(draft.turn.now.timestamp())
            draft.leaving = Leaving(asked.reason, asked.detail, is_writing=True, since=now)
            draft.note("handoff: a message may be left")
            draft.say("utter_leave_message")

    def _keep_bot(self, draft: Draft) -> None:
        draft.note("handoff: goes on with the bot")
        draft.resolve("commands", source=KEEP_BOT)
        _ = draft.say("utter_kept_bot") or draft.say("utter_flow_cancelled") or draft.say("utter_default")

    def _go_on(self, draft: Draft) -> None:
        """The message that led to the question is in the conversation: whoever takes over reads it there."""
        solved = draft.turn.solved
        draft.drop_held()
        draft.note("handoff: goes on with the case that was solved")
        draft.resolve("handoff", source=SAME_CASE)
        if solved is None:
            draft.ask_for_person(Asked.ASKED, "same case, after its time")
        else:
            draft.ask_for_person(Asked.REOPENED, reopens=solved)

    def _begin_something_new(self, draft: Draft) -> bool:
        """What was held back is read now; false: go on and do so."""
        draft.note("handoff: something new")
        draft.hear_anew(msgspec.structs.replace(draft.heard, selection=None))
        draft.drop_held()
        if draft.heard.fragments or draft.heard.wordless or draft.heard.phone:
            return False
        _ = draft.say("utter_expired_choice") or draft.say("utter_default")
        draft.resolve("commands", source=NEW_CASE, reason="read already")
        return True

    def _write(self, draft: Draft, leaving: Leaving) -> bool:
        heard = draft.heard
        is_cancelled = is_brief(heard.text) and comparable(heard.text) in self._cancel
        if heard.selection is not None or heard.text.startswith("/"):
            return False
        if is_cancelled:
            self._keep_bot(draft)
        elif heard.fragments or heard.wordless or heard.phone:
            self._pass_on(draft, leaving)
        else:  # a mere reaction
            draft.leaving = leaving
            draft.resolve("none", confidence=0.0, reason="only a reaction")
        return True

    def _pass_on(self, draft: Draft, leaving: Leaving) -> None:
        draft.resolve("handoff", source=LEAVE_MESSAGE)
        if draft.is_closed:
            why = f"{leaving.reason}: {leaving.detail}" if leaving.detail else leaving.reason
            draft.hand_over(Asked.LEFT_MESSAGE, why, says="utter_message_left")
            draft.note("handoff: a message was left")
        else:
            draft.ask_for_person(leaving.reason, leaving.detail)


def _still_leaving(draft: Draft) -> Leaving | None:
    leaving = draft.leaving
    is_late = leaving is not None and leaving.is_writing and draft.turn.now.timestamp() - leaving.since > LEAVING_S
    return None if is_late else leaving


def _bounded(fragments: tuple[str, ...]) -> tuple[str, ...]:
    """The newest texts, as many characters as the classifier reads."""
    kept: list[str] = []
    left = _MOST_HELD_CHARS
    for fragment in reversed(fragments):
        if left <= 0:
            break
        kept.append(fragment[:left])
        left -= len(fragment)
    return tuple(reversed(kept))
