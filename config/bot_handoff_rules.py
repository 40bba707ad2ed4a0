"""Reads the rules of ``chain: handoff: {rules: […]}``: by intent, slot, sentiment and contact."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from config.bot_handoff import HandoffRule, SlotTest
from config.bot_uses import Uses
from config.bot_yaml import Source, line_of

MOST_RULES = 100

_RULE_KEYS = frozenset({"when", "urgent", "reason"})
_LISTS = {"intent": "intents", "sentiment": "sentiments", "app": "apps", "channel": "channels"}
_SENTIMENTS = frozenset({"negative", "neutral", "positive"})
_TEST_KEYS = frozenset({"above", "below", "is"})
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_WHEN = "intent, slot.<name>, sentiment, contact.<detail>, app, channel"
_SHAPE = "write - {when: {intent: cancel_service, contact.vip: true}, urgent: true, reason: vip}"


def folded(value: object) -> str:
    """How values are compared: text in lower case, ``true`` and ``false`` as words, whole numbers without a point."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip().casefold()


def read_rules(source: Source, uses: Uses, node: yaml.Node, where: str) -> tuple[HandoffRule, ...]:
    """The rules in their order; problems are noted with their lines."""
    members = source.sequence(node, where)
    if len(members) > MOST_RULES:
        source.wrong(node, f"{where} has more than {MOST_RULES} rules: join those that differ in one value only")
    return tuple(
        rule
        for number, member in enumerate(members[:MOST_RULES], start=1)
        if (rule := _rule(source, uses, member, number, where)) is not None
    )


def _rule(source: Source, uses: Uses, node: yaml.Node, number: int, rules: str) -> HandoffRule | None:
    where = f"{rules}, {number}"
    fields = source.mapping(node, where, _RULE_KEYS)
    when = source.mapping(fields["when"], f"{where}, when") if "when" in fields else {}
    if not when:
        source.wrong(node, f"{where} says not when: {_SHAPE}")
        return None
    reason = source.text(fields["reason"], f"{where}, reason") if "reason" in fields else f"rule_{number}"
    if not _NAME.fullmatch(reason):
        source.wrong(fields["reason"], f"{where}, reason: '{reason}' is not a short name like vip or big_amount")
        return None
    is_urgent = source.flag(fields["urgent"], f"{where}, urgent") if "urgent" in fields else False
    return HandoffRule(reason=reason, is_urgent=is_urgent, **_conditions(source, uses, when, f"{where}, when"))


def _conditions(source: Source, uses: Uses, when: Mapping[str, yaml.Node], where: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    slots: list[SlotTest] = []
    contact: dict[str, frozenset[str]] = {}
    for key, node in when.items():
        kind, _, name = key.partition(".")
        if kind == "slot" and name:
            uses.blanks(source, node, {name})
            slots.append(_slot_test(source, name, node, f"{where}, {key}"))
        elif kind == "contact" and name:
            contact[name] = _values(source, node, f"{where}, {key}")
        elif key in _LISTS:
            found[_LISTS[key]] = _words(source, uses, key, node, f"{where}, {key}")
        else:
            source.wrong(node, f"{where} does not know '{key}'; it takes {_WHEN}")
    return found | {"slots": tuple(slots), "contact": contact}


def _words(source: Source, uses: Uses, key: str, node: yaml.Node, where: str) -> frozenset[str]:
    words = source.texts(node, where)
    for word in words:
        if key == "intent":
            uses.add("intent", word, source, line_of(node))
        elif key == "sentiment" and word not in _SENTIMENTS:
            source.wrong(node, f"{where}: '{word}' is not known; it takes {', '.join(sorted(_SENTIMENTS))}")
    return frozenset(words)


def _values(source: Source, node: yaml.Node, where: str) -> frozenset[str]:
    members = node.value if isinstance(node, yaml.SequenceNode) else [node]
    return frozenset(folded(source.scalar(member, where)) for member in members)


def _slot_test(source: Source, slot: str, node: yaml.Node, where: str) -> SlotTest:
    if not isinstance(node, yaml.MappingNode):
        return SlotTest(slot=slot, is_one_of=_values(source, node, where))
    fields = source.mapping(node, where, _TEST_KEYS)
    bounds = {
        key: source.number(fields[key], f"{where}, {key}", float("-inf"), float("inf"))
        for key in ("above", "below")
        if key in fields
    }
    is_one_of = _values(source, fields["is"], f"{where}, is") if "is" in fields else frozenset()
    if not fields:
        source.wrong(node, f"{where} is empty: it takes {', '.join(sorted(_TEST_KEYS))}")
    return SlotTest(slot=slot, is_one_of=is_one_of, above=bounds.get("above"), below=bounds.get("below"))
