"""Reads ``bot.yaml``: who the bot is, the chain in its order, and what stands outside of replies and flows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import yaml

from config.bot_handoff import HandoffTalk
from config.bot_handoff_rules import read_rules
from config.bot_hours_reader import HoursReader
from config.bot_localised import Localised
from config.bot_model import GoTo, LinkName, Settings, Words
from config.bot_outside import OutsideWindow, read_outside_window
from config.bot_replies import ReplyReader
from config.bot_uses import Uses
from config.bot_yaml import Source, line_of

DEFAULT_CHAIN: tuple[LinkName, ...] = get_args(LinkName)

_TOP = frozenset(
    {
        "name",
        "languages",
        "time_zone",
        "country",
        "chain",
        "commands",
        "answers",
        "labels",
        "small_talk",
        "solved_by",
        "after_handoff",
        "outside_window",
        "opening_hours",
        "holidays",
        "special_days",
        "words",
        "sentiment",
        "forget_after_days",
    }
)
_LINK_KEYS: Mapping[str, Mapping[str, tuple[str, float, float]]] = {
    "commands": {},
    "flow": {"max_tries": ("max_tries", 1, 20), "interrupt": ("interrupt", 0, 1)},
    "intents": {"confidence": ("confidence", 0, 1), "scope": ("scope", 0, 1)},
    "clarify": {"from": ("clarify_from", 0, 1)},
    "handoff": {"after_unresolved": ("after_unresolved", 0, 100)},
}
_SENTIMENT_KEYS: Mapping[str, tuple[str, float, float]] = {
    "times": ("after_negative", 1, 100),
    "strongly": ("strongly_negative", 0.5, 1),
}
_LATER = frozenset({"knowledge", "llm"})
_COUNTRY = re.compile(r"[A-Z]{2}")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})*")
_BUILT_IN_WORDS: Mapping[str, tuple[str, ...]] = {
    "cancel": (
        *("cancelar", "cancela", "cancelalo", "salir", "olvidalo", "dejalo", "ya no", "nada", "detener"),
        *("cancel", "cancel it", "stop", "quit", "exit", "never mind", "nevermind", "forget it"),
        *("sair", "esquece", "deixa pra la", "parar"),
    ),
    "back": (
        *("atras", "volver", "regresar", "corregir", "me equivoque", "cambiar", "anterior"),
        *("back", "go back", "previous", "i made a mistake", "change", "correct"),
        *("voltar", "errei", "corrigir"),
    ),
    "yes": (
        *(
            "si",
            "s",
            "sip",
            "claro",
            "claro que si",
            "dale",
            "ok",
            "okey",
            "vale",
            "de acuerdo",
            "correcto",
            "confirmo",
        ),
        *("si por favor", "si gracias", "por supuesto", "listo", "bueno", "de una", "exacto", "asi es", "confirmar"),
        *("yes", "y", "yeah", "yep", "yup", "sure", "okay", "yes please", "of course", "right", "correct", "confirm"),
        *("go ahead", "do it", "sim", "isso", "certo", "pode ser", "👍"),
    ),
    "no": (
        *("no", "n", "nop", "no gracias", "para nada", "mejor no", "todavia no", "nel", "negativo"),
        *("nope", "nah", "no thanks", "no thank you", "not now", "not yet", "nao", "nao obrigado", "👎"),
    ),
    "unsure": (
        *(
            "no se",
            "no lo se",
            "no me acuerdo",
            "no recuerdo",
            "no lo recuerdo",
            "no estoy seguro",
            "no estoy segura",
            "no tengo idea",
        ),
        *("ni idea", "i don t know", "i dont know", "i do not know", "i don t remember", "i dont remember"),
        *("i m not sure", "i am not sure", "not sure", "no idea", "nao sei", "nao lembro"),
    ),
    "person": (
        *("agente", "asesor", "asesora", "humano", "persona", "persona real"),
        *("quiero un asesor", "quiero un humano", "quiero una persona", "hablar con alguien", "hablar con un agente"),
        *("hablar con un asesor", "hablar con una persona", "hablar con un humano", "quiero hablar con alguien"),
        *("quiero hablar con un asesor", "quiero hablar con un agente", "quiero hablar con una persona"),
        *("quiero hablar con un humano", "pasame con un asesor", "pasame con una persona", "una persona por favor"),
        *("agent", "human", "person", "real person", "representative", "live agent", "talk to a person"),
        *("talk to a human", "talk to an agent", "talk to someone", "speak to a person", "speak to a human"),
        *("speak to an agent", "i want a human", "i want an agent", "i want to talk to a person", "agent please"),
        *("i want to talk to a human", "i want to talk to an agent", "human please", "i need a human"),
        *("atendente", "pessoa", "falar com uma pessoa", "falar com um atendente", "falar com alguem"),
        *("quero falar com uma pessoa", "quero falar com um atendente", "quero falar com alguem"),
    ),
}


class SettingsReader:
    """What one ``bot.yaml`` says; each field keeps its default where the file is silent or wrong."""

    def __init__(self, source: Source, uses: Uses) -> None:
        self._source = source
        self._uses = uses
        self.fields: dict[str, yaml.Node] = {}
        root = source.open()
        if root is not None:
            self.fields = source.mapping(root, "bot.yaml", _TOP)
        elif source.path.exists():
            source.note(0, "is empty or cannot be read: it needs at least name and languages")
        self.name = self._text("name") or "bot"
        self.languages = self._languages()
        self.time_zone = self._time_zone()
        self.country = self._country()
        self.handoff_intents: frozenset[str] = frozenset()
        self.handoff = HandoffTalk()
        self.settings = Settings()
        self.chain = self._chain()
        self._read_sentiment()
        self.commands = self._targets("commands")
        self.answers = self._targets("answers")
        self.small_talk = self._intents("small_talk")
        self.solved_by = self._intents("solved_by")
        self.after_handoff = self._after_handoff()
        self.hours = HoursReader(source, self.country, self.languages).read(self.fields)
        self.words = self._words()
        for intent in self.answers:
            uses.add("intent", intent, source, line_of(self.fields["answers"]))

    def labels(self, replies: ReplyReader) -> dict[str, Localised]:
        """How intents are offered to the customer; an intent without a label is never offered."""
        node = self.fields.get("labels")
        fields = self._source.mapping(node, "labels") if node is not None else {}
        for intent, label in fields.items():
            self._uses.add("intent", intent, self._source, line_of(label))
        return {
            intent: replies.localised(self._source, label, f"label '{intent}'", is_words=True)
            for intent, label in fields.items()
        }

    def outside_window(self) -> OutsideWindow:
        """What goes out instead of a message that comes after the messaging window."""
        return read_outside_window(self._source, self.fields.get("outside_window"), self.name, self.languages)

    def _text(self, key: str) -> str:
        if key in self.fields:
            return self._source.text(self.fields[key], key)
        self._source.note(1, f"has no '{key}:'")
        return ""

    def _languages(self) -> tuple[str, ...]:
        node = self.fields.get("languages")
        if node is None:
            self._source.note(1, "has no 'languages:'; write for instance [es, en], the first is the default")
            return ("en",)
        tags = [tag.lower() for tag in self._source.texts(node, "languages")]
        for tag in tags:
            if not _LANGUAGE.fullmatch(tag):
                self._source.wrong(node, f"languages: '{tag}' is not a language code like es or pt-br")
        if len(set(tags)) != len(tags) or not tags:
            self._source.wrong(node, "languages: name each language once, and at least one")
        return tuple(dict.fromkeys(tags)) or ("en",)

    def _time_zone(self) -> ZoneInfo:
        node = self.fields.get("time_zone")
        if node is None:
            return ZoneInfo("UTC")
        name = self._source.text(node, "time_zone")
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            self._source.wrong(node, f"time_zone: '{name}' is not known; write for instance America/Bogota")
            return ZoneInfo("UTC")

    def _country(self) -> str:
        node = self.fields.get("country")
        code = self._source.text(node, "country").upper() if node is not None else ""
        if node is not None and not _COUNTRY.fullmatch(code):
            self._source.wrong(node, f"country: '{code}' is not a code of two letters like CO or ES")
            return ""
        return code

    def _after_handoff(self) -> GoTo | None:
        node = self.fields.get("after_handoff")
        target = self._uses.go_to(self._source, node, "after_handoff") if node is not None else None
        if node is not None and target is not None and target.kind not in {"flow", "reply"}:
            self._source.wrong(node, "after_handoff must be flow:name or a reply's key")
            return None
        return target

    def _chain(self) -> tuple[LinkName, ...]:
        node = self.fields.get("chain")
        if node is None:
            return DEFAULT_CHAIN
        found: list[LinkName] = []
        changes: dict[str, float | int] = {}
        for each in self._source.sequence(node, "chain"):
            fields = self._source.mapping(each, "chain") if isinstance(each, yaml.MappingNode) else None
            name = next(iter(fields), "") if fields is not None else self._source.text(each, "chain")
            link = next((known for known in DEFAULT_CHAIN if known == name), None)
            if link is None:
                later = "comes with a later release" if name in _LATER else "is not known"
                self._source.wrong(each, f"chain: the link '{name}' {later}; it takes {', '.join(DEFAULT_CHAIN)}")
            elif link in found:
                self._source.wrong(each, f"chain: the link '{name}' stands twice")
            else:
                found.append(link)
                changes |= self._link(link, fields[name]) if fields else {}
        if changes:
            self.settings = msgspec.structs.replace(self.settings, **changes)
        return tuple(found)

    def _link(self, link: str, node: yaml.Node) -> dict[str, float | int]:
        known = _LINK_KEYS[link]
        also = {"intents", "sentiment", "rules", "leave_message"} if link == "handoff" else set()
        fields = self._source.mapping(node, f"chain, {link}", known.keys() | also)
        found = self._numbers(fields, f"chain, {link}", known)
        if "sentiment" in fields and link == "handoff":
            where = "chain, handoff, sentiment"
            rules = self._source.mapping(fields["sentiment"], where, _SENTIMENT_KEYS.keys())
            found |= self._numbers(rules, where, _SENTIMENT_KEYS) | {"sentiment": True}
        if "intents" in fields and link == "handoff":
            names = self._source.texts(fields["intents"], "chain, handoff, intents")
            self.handoff_intents = frozenset(names)
            for name in names:
                self._uses.add("intent", name, self._source, line_of(fields["intents"]))
        if link == "handoff":
            self.handoff = self._handoff(fields)
            if any(rule.sentiments for rule in self.handoff.rules):
                found["sentiment"] = True
        return found

    def _handoff(self, fields: Mapping[str, yaml.Node]) -> HandoffTalk:
        where = "chain, handoff"
        leaves = (
            self._source.flag(fields["leave_message"], f"{where}, leave_message")
            if "leave_message" in fields
            else False
        )
        rules = read_rules(self._source, self._uses, fields["rules"], f"{where}, rules") if "rules" in fields else ()
        return HandoffTalk(rules=rules, leaves_messages=leaves)

    def _numbers(
        self, fields: Mapping[str, yaml.Node], where: str, known: Mapping[str, tuple[str, float, float]]
    ) -> dict[str, float | int]:
        found: dict[str, float | int] = {}
        for key, (setting, low, high) in known.items():
            if key in fields:
                value = self._source.number(fields[key], f"{where}, {key}", low, high)
                if value is not None:
                    found[setting] = int(value) if high > 1 else value
        return found

    def _read_sentiment(self) -> None:
        """``sentiment: true`` reads it without a rule."""
        node = self.fields.get("sentiment")
        if node is None:
            return
        is_on = self._source.flag(node, "sentiment")
        if self.settings.sentiment and not is_on:
            self._source.wrong(node, "sentiment is false, but chain, handoff has rules for it: take one of them away")
        self.settings = msgspec.structs.replace(self.settings, sentiment=is_on)

    def forget_after_days(self) -> int:
        """How long slots and an open flow are kept without a word from the customer."""
        node = self.fields.get("forget_after_days")
        value = self._source.number(node, "forget_after_days", 1, 3650) if node is not None else None
        return int(value) if value is not None else self.settings.forget_after_days

    def _targets(self, key: str) -> dict[str, GoTo]:
        node = self.fields.get(key)
        found: dict[str, GoTo] = {}
        for name, target in (self._source.mapping(node, key) if node is not None else {}).items():
            read = self._uses.go_to(self._source, target, f"{key}, '{name}'")
            if read is not None:
                found[name] = read
        return found

    def _intents(self, key: str) -> frozenset[str]:
        node = self.fields.get(key)
        names = self._source.texts(node, key) if node is not None else ()
        for name in names:
            if node is not None:
                self._uses.add("intent", name, self._source, line_of(node))
        return frozenset(names)

    def _words(self) -> Words:
        node = self.fields.get("words")
        fields = self._source.mapping(node, "words", _BUILT_IN_WORDS.keys()) if node is not None else {}
        words = {
            kind: frozenset(
                (*built_in, *(self._source.texts(fields[kind], f"words, {kind}") if kind in fields else ()))
            )
            for kind, built_in in _BUILT_IN_WORDS.items()
        }
        return Words(**words)
