"""Loads an author's folder as one frozen :class:`Bot`, or says everything that is wrong with it at once.

Layout: ``bot.yaml``, ``nlu/*.yml`` (or ``.csv``, ``.jsonl``), ``replies/*.yml``, ``flows/*.yml``, ``actions.yml``,
``canned.yml``; ``docs/bots.md`` is the author's page.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import yaml

from config.bot_actions import ActionReader
from config.bot_canned import read_canned
from config.bot_examples import YAML_SUFFIXES, example_files, is_outside, labelled_rows
from config.bot_flows import FlowReader
from config.bot_handoff import KEEP_BOT, LEAVE_MESSAGE, NEW_CASE, OFFER_REPLY, REOPEN_REPLY, SAME_CASE
from config.bot_model import Bot, GoTo
from config.bot_problems import BadBot, Problem, refuse_errors
from config.bot_replies import ReplyReader
from config.bot_settings import SettingsReader
from config.bot_templates import Engine
from config.bot_uses import Uses
from config.bot_yaml import Source, line_of

__all__ = ["BadBot", "Bot", "Problem", "bot_version", "check_bot", "load_bot"]

ANNOUNCEMENTS = (
    "utter_agent_joined",
    "utter_agent_left",
    "utter_handoff_delayed",
    "utter_handoff_waiting",
    "utter_handoff_expected",
    "utter_handoff_still_there",
    "utter_handoff_closed_quiet",
    "utter_opted_out",
    "utter_opted_in",
)
"""Replies that no turn of the bot decides: a person comes or leaves (``{agent}`` is their name), or keeps somebody
waiting; somebody asked for silence, or took that back."""

_CONTENT = ("bot.yaml", "nlu", "replies", "flows", "actions.yml", "actions.py", "knowledge", "tasks")
_OPTIONAL_REPLIES = (
    *("utter_given_back", "utter_retry", "utter_action_failed", REOPEN_REPLY, "utter_handoff_reopened"),
    *(OFFER_REPLY, "utter_leave_message", "utter_message_left", "utter_kept_bot", *ANNOUNCEMENTS),
)
_TOLD = {
    "utter_agent_joined": "that a person comes",
    "utter_agent_left": "that the person leaves",
    "utter_handoff_delayed": "that nobody knows of the case yet",
    "utter_handoff_waiting": "that nobody has come for a while",
    "utter_handoff_expected": "how long the wait is",
    "utter_handoff_still_there": "that an agent waits for the customer",
    "utter_handoff_closed_quiet": "that a conversation was closed because the customer was silent",
    "utter_given_back": "that the bot is there again",
    REOPEN_REPLY: "that one may go on with a solved case",
    "utter_handoff_reopened": "that the case goes on",
}
"""What is said around a handoff where the author wrote it, and what is missing where they did not."""

_BUTTONS = {OFFER_REPLY: (LEAVE_MESSAGE, KEEP_BOT), REOPEN_REPLY: (SAME_CASE, NEW_CASE)}
"""Replies that are questions of ours: each of their variations has these two buttons."""


def load_bot(folder: Path) -> Bot:
    """The bot in *folder*. Raises ``BadBot`` with all that is wrong."""
    bot, problems = _read(folder)
    refuse_errors(problems)
    return bot


def check_bot(folder: Path) -> list[Problem]:
    """All that is wrong with the bot in *folder*, errors and warnings, by file and line.

    The examples themselves are checked by ``nlp.training_data.read_training_data``.
    """
    return _read(folder)[1]


def bot_version(folder: Path) -> str:
    """The hash of the folder's files: same content, same version, wherever it lies."""
    digest = hashlib.sha256()
    for path in _content(folder):
        name = path.relative_to(folder).as_posix().encode()
        content = path.read_bytes()
        digest.update(b"%d:%s%d:" % (len(name), name, len(content)))
        digest.update(content)
    return digest.hexdigest()[:16]


def _read(folder: Path) -> tuple[Bot, list[Problem]]:
    problems: list[Problem] = []
    uses = Uses(Engine())
    settings = SettingsReader(Source(folder / "bot.yaml", folder, problems), uses)
    replies = ReplyReader(settings.languages, uses)
    for path in _yaml_files(folder / "replies"):
        replies.read(Source(path, folder, problems))
    actions = ActionReader(uses)
    if (folder / "actions.yml").is_file():
        actions.read(Source(folder / "actions.yml", folder, problems))
    actions.check_environment(os.environ)
    flows = FlowReader(replies, actions.actions, uses)
    for path in _yaml_files(folder / "flows"):
        flows.read(Source(path, folder, problems))
    intents = _intents(folder, problems)
    canned = folder / "canned.yml"
    bot = Bot(
        folder=folder,
        name=settings.name,
        version=bot_version(folder),
        languages=settings.languages,
        time_zone=settings.time_zone,
        country=settings.country,
        chain=settings.chain,
        settings=msgspec.structs.replace(settings.settings, forget_after_days=settings.forget_after_days()),
        commands=settings.commands,
        answers=_answers(settings, replies, flows, intents),
        labels=settings.labels(replies),
        small_talk=settings.small_talk,
        solved_by=settings.solved_by,
        handoff_intents=settings.handoff_intents,
        after_handoff=settings.after_handoff,
        hours=settings.hours,
        words=settings.words,
        replies=replies.replies,
        flows=flows.flows,
        actions=actions.actions,
        intents=frozenset(intents),
        outside=settings.outside_window(),
        handoff=settings.handoff,
        canned=read_canned(Source(canned, folder, problems), settings.languages) if canned.is_file() else (),
    )
    uses.note_unknown_slots(bot.slots)
    problems += uses.dangling(bot.replies, bot.flows, bot.intents, bot.actions.specs)
    problems += _missing_replies(bot)
    problems += _missing_buttons(bot, replies)
    problems += _untold(bot)
    problems += _unanswered(bot, intents)
    problems += _unused_replies(bot, replies, uses)
    problems += _unused_actions(actions, uses)
    return bot, sorted(set(problems))


def _answers(
    settings: SettingsReader, replies: ReplyReader, flows: FlowReader, intents: Iterable[str]
) -> dict[str, GoTo]:
    """What answers each intent: ``answers:``, else the flow that it triggers, else the reply ``utter_<intent>``."""
    found = {intent: GoTo("reply", f"utter_{intent}") for intent in intents if f"utter_{intent}" in replies.replies}
    found |= {intent: GoTo("flow", flow.name) for flow in flows.flows.values() for intent in flow.triggers}
    found |= settings.answers
    return found | {intent: GoTo("handoff", "") for intent in settings.handoff_intents}


def _required_replies(bot: Bot) -> dict[str, str]:
    needed = {
        "utter_default": "is said when nothing was understood",
        "utter_media_received": "is said when a picture, a place or the like comes without words",
    }
    if "clarify" in bot.chain:
        needed["utter_clarify"] = "asks which of two was meant"
    if "handoff" in bot.chain or bot.handoff_intents:
        needed["utter_handoff"] = "tells that a person was asked for"
        if bot.hours.week:
            needed["utter_handoff_closed"] = "tells it outside of the opening hours"
    if bot.handoff.leaves_messages:
        needed[OFFER_REPLY] = "asks outside of the opening hours whether to leave a message"
        needed["utter_leave_message"] = "asks for the message"
        needed["utter_message_left"] = "tells that it was passed on"
    if bot.flows:
        needed["utter_flow_cancelled"] = "is said when the customer leaves a flow"
        needed["utter_expired_choice"] = "is said when a button of a flow that is over is pressed"
    return needed


def _missing_replies(bot: Bot) -> list[Problem]:
    return [
        Problem("replies", 0, f"there is no reply '{key}', which {why}: add it under responses:")
        for key, why in _required_replies(bot).items()
        if key not in bot.replies
    ]


def _untold(bot: Bot) -> list[Problem]:
    """Nobody must write any of these; who wrote some is told of the others: nobody is left in the dark by chance."""
    is_begun = any(key in bot.replies for key in _TOLD if key.startswith("utter_handoff_"))
    if not (bot.handoff.leaves_messages or is_begun):
        return []
    missing = {key: why for key, why in _TOLD.items() if key not in bot.replies}
    return [
        Problem("replies", 0, f"there is no reply '{key}': {why} is not told; add it under responses:", "warning")
        for key, why in missing.items()
    ]


def _missing_buttons(bot: Bot, replies: ReplyReader) -> list[Problem]:
    return [
        Problem(*replies.places[key], f"the reply '{key}' needs a button with the payload {payload}: add it")
        for key, payloads in _BUTTONS.items()
        for payload in payloads
        for variation in bot.replies.get(key, ())
        if payload not in {button.payload for button in variation.buttons}
    ]


def _unanswered(bot: Bot, intents: dict[str, tuple[str, int]]) -> list[Problem]:
    return [
        Problem(file, line, f"nothing answers the intent '{intent}': add the reply utter_{intent}, "
                "a flow with nlu_trigger, or an entry under answers: in bot.yaml", "warning")
        for intent, (file, line) in intents.items()
        if intent not in bot.answers
    ]  # fmt: skip


def _unused_replies(bot: Bot, replies: ReplyReader, uses: Uses) -> list[Problem]:
    used = uses.names("reply") | {target.name for target in bot.answers.values()} | _required_replies(bot).keys()
    used |= {f"utter_retry_{slot}" for slot in bot.slots} | set(_OPTIONAL_REPLIES)
    return [
        Problem(file, line, f"nothing uses the reply '{key}': remove it, or correct its name", "warning")
        for key, (file, line) in replies.places.items()
        if key not in used
    ]


def _unused_actions(actions: ActionReader, uses: Uses) -> list[Problem]:
    used = uses.names("action")
    return [
        Problem("actions.yml", line, f"nothing uses the action '{name}': remove it, or correct its name", "warning")
        for name, line in actions.places.items()
        if name not in used
    ]


def _intents(folder: Path, problems: list[Problem]) -> dict[str, tuple[str, int]]:
    """The intents' names and first places; what is wrong inside the files is told by who reads the examples."""
    unheard: list[Problem] = []
    found: dict[str, tuple[str, int]] = {}
    for path in example_files(folder / "nlu"):
        source = Source(path, folder, unheard)
        places = _yaml_intents(source) if path.suffix.lower() in YAML_SUFFIXES else _table_intents(source)
        for intent, line in places:
            if not is_outside(intent):
                found.setdefault(intent, (source.name, line))
    if not found:
        problems.append(Problem("nlu", 0, "holds no intents: add nlu/*.yml (or .csv, .jsonl)"))
    return found


def _yaml_intents(source: Source) -> Iterator[tuple[str, int]]:
    root = source.open()
    top = source.mapping(root, "the file") if root is not None else {}
    for entry in source.sequence(top["nlu"], "nlu") if "nlu" in top else ():
        fields = source.mapping(entry, "nlu") if isinstance(entry, yaml.MappingNode) else {}
        for key in ("intent", "label"):
            if key in fields:
                yield source.text(fields[key], key), line_of(fields[key])


def _table_intents(source: Source) -> Iterator[tuple[str, int]]:
    return ((row.label, row.line) for row in labelled_rows(source) if row.label)


def _yaml_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("**/*") if path.suffix in YAML_SUFFIXES and path.is_file())


def _content(folder: Path) -> list[Path]:
    places = [folder / name for name in _CONTENT]
    files = [path for place in places for path in ([place] if place.is_file() else place.rglob("*"))]
    return sorted(
        path for path in files if path.is_file() and not any(part.startswith((".", "__")) for part in path.parts[-2:])
    )
