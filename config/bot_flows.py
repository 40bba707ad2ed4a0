"""Reads ``flows/*.yml``: the shape of Rasa's ``flows:``, made flat so that every step has a name and a way on.

Format: https://rasa.com/docs/reference/primitives/flows (Rasa Pro 3.x).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import get_args

import yaml

from config.bot_localised import Localised
from config.bot_model import (
    END,
    Actions,
    AnswerKind,
    Branch,
    CallAction,
    ChoiceSpec,
    Collect,
    Decide,
    EntityUse,
    Flow,
    HandOff,
    LinkTo,
    Rate,
    Say,
    SetSlots,
    SlotValue,
    Step,
    Validation,
    flow_slots,
)
from config.bot_replies import ReplyReader
from config.bot_uses import Uses
from config.bot_yaml import Source, first_of, line_of

_FLOW = frozenset({"name", "description", "nlu_trigger", "timeout", "keep", "optional", "steps"})
_STEP_KINDS = ("collect", "set_slots", "say", "link", "handoff", "action", "rate", "next")
_STEP = frozenset(
    {
        *_STEP_KINDS,
        "id",
        "ask",
        "utter",
        "retry",
        "entity",
        "validate",
        "max_tries",
        "ask_before_filling",
        "on_error",
        "description",
    }
)
_VALIDATE = frozenset({"type", "regex", "choices", "min", "max"})
_TYPES: tuple[AnswerKind, ...] = get_args(AnswerKind)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DEFAULT_TRIES = 0  # the bot's own setting
_RATINGS = frozenset("12345")


class FlowReader:
    """Gathers the flows of all files."""

    def __init__(self, replies: ReplyReader, actions: Actions, uses: Uses) -> None:
        self.flows: dict[str, Flow] = {}
        self.places: dict[str, tuple[str, int]] = {}
        self._replies = replies
        self._actions = actions
        self._uses = uses

    def read(self, source: Source) -> None:
        root = source.open()
        if root is None:
            return
        top = source.mapping(root, "the file", {"version", "flows"})
        if "flows" not in top:
            source.wrong(root, "has no 'flows:': put the flows under 'flows:'")
            return
        for name, node in source.mapping(top["flows"], "flows").items():
            if name in self.flows:
                source.wrong(node, f"flow '{name}' is already defined in {self.places[name][0]}: keep one")
                continue
            self.places[name] = (source.name, line_of(node))
            self.flows[name] = flow = self._flow(source, name, node)
            for slot in sorted(flow.keeps - flow_slots(flow)):
                source.wrong(node, f"flow '{name}' keeps '{slot}', which it never fills: correct the name", "warning")

    def _flow(self, source: Source, name: str, node: yaml.Node) -> Flow:
        where = f"flow '{name}'"
        if not _NAME.fullmatch(name):
            source.wrong(node, f"{where}: a name has letters, digits and _ only")
        fields = source.mapping(node, where, _FLOW)
        steps = _StepReader(source, where, self._replies, self._actions, self._uses)
        first = END
        if "steps" in fields:
            first = steps.read(source.sequence(fields["steps"], f"{where}, steps"), "")
        if first == END:
            source.wrong(node, f"{where} has no steps: add 'steps:' with at least one")
        steps.check_targets()
        timeout_s, timeout_reply = self._timeout(source, fields.get("timeout"), where)
        return Flow(
            name=name,
            steps=steps.steps,
            first=first,
            triggers=self._triggers(source, fields.get("nlu_trigger"), where),
            timeout_s=timeout_s,
            timeout_reply=timeout_reply,
            keeps=frozenset(source.texts(fields["keep"], f"{where}, keep") if "keep" in fields else ()),
            is_optional="optional" in fields and source.flag(fields["optional"], f"{where}, optional"),
        )

    def _triggers(self, source: Source, node: yaml.Node | None, where: str) -> tuple[str, ...]:
        """Rasa's ``nlu_trigger``: ``- intent: name``, or the name alone."""
        found: list[str] = []
        for each in source.sequence(node, f"{where}, nlu_trigger") if node is not None else ():
            fields = source.mapping(each, where, {"intent"}) if isinstance(each, yaml.MappingNode) else {"intent": each}
            if "intent" in fields:
                found.append(source.text(fields["intent"], f"{where}, nlu_trigger"))
                self._uses.add("intent", found[-1], source, line_of(each))
        return tuple(found)

    def _timeout(self, source: Source, node: yaml.Node | None, where: str) -> tuple[float, str]:
        if node is None:
            return 0.0, ""
        fields = source.mapping(node, f"{where}, timeout", {"after_min", "say"})
        minutes = (
            source.number(fields["after_min"], f"{where}, after_min", 0.1, 43_200) if "after_min" in fields else None
        )
        if minutes is None:
            source.wrong(node, f"{where}: timeout needs 'after_min:', in minutes")
        return (minutes or 0.0) * 60, self._uses.reply(source, fields["say"], where) if "say" in fields else ""


class _StepReader:
    """The steps of one flow, flat."""

    def __init__(self, source: Source, where: str, replies: ReplyReader, actions: Actions, uses: Uses) -> None:
        self.steps: dict[str, Step] = {}
        self._source = source
        self._where = where
        self._replies = replies
        self._actions = actions
        self._uses = uses
        self._targets: list[tuple[str, int]] = []

    def read(self, nodes: list[yaml.Node], prefix: str) -> str:
        """Read a list of steps, each going on to the next, the last to the end. Returns the first one's id."""
        fields = [self._source.mapping(node, f"{self._where}, step", _STEP) for node in nodes]
        ids = [self._id(each, f"{prefix}{index}") for index, each in enumerate(fields)]
        for node, each, step_id, following in zip(nodes, fields, ids, [*ids[1:], END], strict=True):
            if step_id in self.steps:
                self._source.wrong(node, f"{self._where} has two steps with the id '{step_id}': rename one")
            self.steps[step_id] = Decide(id=step_id, next=())  # keeps the place before the nested steps
            self.steps[step_id] = self._step(node, each, step_id, following)
        return ids[0] if ids else END

    def check_targets(self) -> None:
        """Every way on must lead to a step."""
        for target, line in self._targets:
            if target != END and target not in self.steps:
                known = ", ".join(self.steps)
                self._source.note(
                    line, f"{self._where} goes on to step '{target}', which does not exist; it has {known}"
                )

    def _id(self, fields: Mapping[str, yaml.Node], number: str) -> str:
        if "id" in fields:
            return self._source.text(fields["id"], f"{self._where}, id")
        return f"{number}_{first_of(fields, *_STEP_KINDS) or 'step'}"

    def _step(self, node: yaml.Node, fields: dict[str, yaml.Node], step_id: str, following: str) -> Step:
        kind = first_of(fields, *_STEP_KINDS)
        where = f"{self._where}, step '{step_id}'"
        on = self._next(fields.get("next"), step_id, following)
        match kind:
            case "collect":
                return self._collect(fields, step_id, on, where)
            case "set_slots":
                return SetSlots(id=step_id, values=self._slots(fields["set_slots"], where), next=on)
            case "say":
                return Say(id=step_id, reply=self._uses.reply(self._source, fields["say"], where), next=on)
            case "link":
                flow = self._source.text(fields["link"], where)
                self._uses.add("flow", flow, self._source, line_of(fields["link"]))
                return LinkTo(id=step_id, flow=flow)
            case "handoff":
                return HandOff(id=step_id, reason=self._source.text(fields["handoff"], where))
            case "action":
                return self._action(fields, step_id, on, where)
            case "rate":
                return Rate(id=step_id, slot=self._rated(fields["rate"], where), next=on)
            case "next":
                return Decide(id=step_id, next=on)
            case _:
                self._source.wrong(node, f"{where} does nothing: it needs one of {', '.join(_STEP_KINDS)}")
                return Decide(id=step_id, next=on)

    def _action(self, fields: dict[str, yaml.Node], step_id: str, on: tuple[Branch, ...], where: str) -> Step:
        """A call from ``actions.yml``; Rasa's ``action: utter_x`` says a reply."""
        node = fields["action"]
        name = self._source.text(node, where)
        if name.startswith("utter_"):
            return Say(id=step_id, reply=self._uses.reply(self._source, node, where), next=on)
        self._uses.add("action", name, self._source, line_of(node))
        spec = self._actions.specs.get(name)
        fills = tuple(spec.fill) if spec is not None else ()
        on_error = self._branch("", fields["on_error"], f"{step_id}.error.").target if "on_error" in fields else ""
        return CallAction(id=step_id, action=name, fills=fills, on_error=on_error, next=on)

    def _rated(self, node: yaml.Node, where: str) -> str:
        """The slot must be one that this flow asks for with the numbers 1 to 5."""
        slot = self._source.text(node, where)
        asked = [step for step in self.steps.values() if isinstance(step, Collect) and step.slot == slot]
        values = {choice.value for step in asked for choice in step.validation.choices}
        if not values or not values <= _RATINGS:
            self._source.wrong(node, f"{where}: rate needs a slot collected before it, with choices from 1 to 5")
        return slot

    def _collect(self, fields: dict[str, yaml.Node], step_id: str, on: tuple[Branch, ...], where: str) -> Collect:
        source = self._source
        slot = source.text(fields["collect"], where)
        if not _NAME.fullmatch(slot):
            source.wrong(fields["collect"], f"{where}: a slot's name has letters, digits and _ only")
        asked = first_of(fields, "ask", "utter")
        ask = source.text(fields[asked], where) if asked else f"utter_ask_{slot}"
        self._uses.add("reply", ask, source, line_of(fields[asked or "collect"]))
        tries = source.number(fields["max_tries"], f"{where}, max_tries", 1, 20) if "max_tries" in fields else None
        again = fields.get("ask_before_filling")
        return Collect(
            id=step_id,
            slot=slot,
            ask=ask,
            retry=self._uses.reply(source, fields["retry"], where) if "retry" in fields else "",
            validation=self._validation(fields.get("validate"), where),
            max_tries=int(tries or _DEFAULT_TRIES),
            asks_again=again is not None and source.flag(again, where),
            next=on,
            entity=self._entity(fields["entity"], where) if "entity" in fields else None,
        )

    def _entity(self, node: yaml.Node, where: str) -> EntityUse | None:
        """An entity's name, or ``{name, role, group}``."""
        source = self._source
        if isinstance(node, yaml.ScalarNode):
            name = source.text(node, f"{where}, entity")
            return EntityUse(name) if name else None
        fields = source.mapping(node, f"{where}, entity", {"name", "role", "group"})
        if "name" not in fields:
            source.wrong(node, f"{where}: entity needs a name: entity: city, or entity: {{name: city, role: from}}")
            return None
        name, role, group = (
            source.text(fields[key], f"{where}, entity, {key}") if key in fields else ""
            for key in ("name", "role", "group")
        )
        return EntityUse(name, role, group)

    def _validation(self, node: yaml.Node | None, where: str) -> Validation:
        if node is None:
            return Validation()
        source = self._source
        fields = source.mapping(node, f"{where}, validate", _VALIDATE)
        kind = source.text(fields["type"], where) if "type" in fields else "choice" if "choices" in fields else "text"
        if kind not in _TYPES:
            source.wrong(fields["type"], f"{where}: type is one of {', '.join(_TYPES)}")
        regex = source.text(fields["regex"], where) if "regex" in fields else ""
        try:
            re.compile(regex)
        except re.error as error:
            source.wrong(fields["regex"], f"{where}: the regex does not compile: {error}")
            regex = ""
        listed = source.sequence(fields["choices"], where) if "choices" in fields else []
        choices = [self._choice(each, where) for each in listed]
        if kind == "choice" and not choices:
            source.wrong(node, f"{where}: type choice needs 'choices:'")
        bounds = [
            source.number(fields[name], f"{where}, {name}", -1e15, 1e15) if name in fields else None
            for name in ("min", "max")
        ]
        return Validation(
            kind=next((known for known in _TYPES if known == kind), "text"),
            regex=regex,
            choices=tuple(choices),
            low=bounds[0],
            high=bounds[1],
        )

    def _choice(self, node: yaml.Node, where: str) -> ChoiceSpec:
        """A choice is a word, or ``{value, label, also}``."""
        source = self._source
        if isinstance(node, yaml.ScalarNode):
            value = source.text(node, f"{where}, choice")
            return ChoiceSpec(value, Localised({"": value}))
        fields = source.mapping(node, f"{where}, choice", {"value", "label", "also"})
        if "value" not in fields:
            source.wrong(node, f"{where}: a choice needs a value")
            return ChoiceSpec("", Localised({}))
        value = source.text(fields["value"], f"{where}, choice")
        label = self._replies.localised(source, fields.get("label", fields["value"]), f"{where}, choice '{value}'")
        return ChoiceSpec(value, label, source.texts(fields["also"], where) if "also" in fields else ())

    def _slots(self, node: yaml.Node, where: str) -> dict[str, SlotValue]:
        """``- slot: value`` as in Rasa, or one mapping."""
        members = node.value if isinstance(node, yaml.SequenceNode) else [node]
        found: dict[str, SlotValue] = {}
        for each in members:
            for slot, value in self._source.mapping(each, f"{where}, set_slots").items():
                found[slot] = self._source.scalar(value, f"{where}, {slot}")
        return found

    def _next(self, node: yaml.Node | None, step_id: str, following: str) -> tuple[Branch, ...]:
        """Where a step goes on: a step's id, or ``if/then`` and ``else``; without a match, to the following step."""
        if node is None:
            return (Branch("", following),)
        if isinstance(node, yaml.ScalarNode):
            return (self._branch("", node, f"{step_id}."),)
        branches: list[Branch] = []
        for index, each in enumerate(self._source.sequence(node, f"{self._where}, next")):
            branches.append(self._conditional(each, f"{step_id}.{index}."))
        if not any(branch.condition == "" for branch in branches):
            branches.append(Branch("", following))
        return tuple(branches)

    def _conditional(self, node: yaml.Node, prefix: str) -> Branch:
        fields = self._source.mapping(node, f"{self._where}, next", {"if", "then", "else"})
        if "else" in fields:
            return self._branch("", fields["else"], prefix)
        if "if" not in fields or "then" not in fields:
            self._source.wrong(node, f"{self._where}: a branch of next is 'if:' with 'then:', or 'else:'")
            return Branch("", END)
        condition = self._source.text(fields["if"], f"{self._where}, if")
        return self._branch(self._uses.condition(self._source, fields["if"], condition), fields["then"], prefix)

    def _branch(self, condition: str, node: yaml.Node, prefix: str) -> Branch:
        if isinstance(node, yaml.SequenceNode):
            return Branch(condition, self.read(node.value, prefix))
        target = self._source.text(node, f"{self._where}, next")
        self._targets.append((target, line_of(node)))
        return Branch(condition, target)
