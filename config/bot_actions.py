"""Reads ``actions.yml``: the calls to the company's systems, which slots go out and which come back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import yaml

from config.bot_model import Actions, ActionSpec, Json, Sample
from config.bot_uses import Uses
from config.bot_yaml import Source, line_of

MAX_TIMEOUT_S = 30.0
DEFAULT_TIMEOUT_S = 5.0

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]

_METHODS: Mapping[str, Method] = {"get": "GET", "post": "POST", "put": "PUT", "patch": "PATCH", "delete": "DELETE"}
_TOP = frozenset({"version", "backend", "headers", "timeout_s", "actions"})
_ACTION = frozenset({*_METHODS, "params", "json", "timeout_s", "fill", "sample", "description"})
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PATH = re.compile(r"[\w-]+(\.[\w-]+)*")
_BLANK = re.compile(r"\{\s*([A-Za-z_]\w*)\s*\}")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_HEADER = re.compile(r"[A-Za-z0-9-]{1,64}")
_OURS = frozenset({"idempotency-key", "content-type", "content-length", "host", "accept"})


def resolve(text: str, environment: Mapping[str, str]) -> str:
    """*text* with ``${NAME}`` and ``${NAME:-default}`` replaced; a variable without a value leaves nothing."""
    return _VARIABLE.sub(lambda found: environment.get(found[1]) or found[2] or "", text)


def blanks(text: str) -> set[str]:
    """The names in ``{…}``."""
    return set(_BLANK.findall(text))


class ActionReader:
    """What one ``actions.yml`` says; ``places`` tells where each action stands."""

    def __init__(self, uses: Uses) -> None:
        self.actions = Actions()
        self.places: dict[str, int] = {}
        self._uses = uses
        self._default_s = DEFAULT_TIMEOUT_S
        self._backend: tuple[Source, yaml.Node] | None = None

    def read(self, source: Source) -> None:
        root = source.open()
        if root is None:
            return
        top = source.mapping(root, "the file", _TOP)
        if "timeout_s" in top:
            self._default_s = self._timeout(source, top["timeout_s"], "timeout_s")
        backend = source.text(top["backend"], "backend") if "backend" in top else ""
        if "backend" in top:
            self._backend = (source, top["backend"])
        if "actions" not in top:
            source.wrong(root, "has no 'actions:': put the calls under 'actions:'")
            return
        specs = {
            name: self._action(source, name, node) for name, node in source.mapping(top["actions"], "actions").items()
        }
        self.actions = Actions(backend, self._headers(source, top.get("headers")), specs)

    def check_environment(self, environment: Mapping[str, str]) -> None:
        """Say when the backend's address is missing or wrong, and when a variable has no value."""
        if self._backend is None:
            return
        source, node = self._backend
        address = resolve(self.actions.backend, environment)
        if address and not address.startswith(("http://", "https://")):
            source.wrong(node, f"backend: '{address}' is not an address like https://backend.example.com")
        missing = [
            found[1]
            for text in (self.actions.backend, *self.actions.headers.values())
            for found in _VARIABLE.finditer(text)
            if found[2] is None and not environment.get(found[1])
        ]
        if address or not self.actions.specs:
            for name in missing:
                source.wrong(node, f"the environment has no {name}: set it, or write ${{{name}:-default}}", "warning")
            return
        bare = sorted(name for name, spec in self.actions.specs.items() if not spec.samples)
        which = " and ".join(missing) or "the address"
        if bare:
            source.wrong(node, f"backend: {which} is not set, and {', '.join(bare)} has no 'sample:' to answer with")
        elif missing:
            source.wrong(node, f"backend: {which} is not set, so every action answers with its 'sample:'", "warning")

    def _headers(self, source: Source, node: yaml.Node | None) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, value in (source.mapping(node, "headers") if node is not None else {}).items():
            if not _HEADER.fullmatch(name) or name.lower() in _OURS:
                source.wrong(value, f"headers: '{name}' cannot be set here")
                continue
            found[name] = source.text(value, f"headers, {name}")
        return found

    def _action(self, source: Source, name: str, node: yaml.Node) -> ActionSpec:
        where = f"action '{name}'"
        if not _NAME.fullmatch(name):
            source.wrong(node, f"{where}: a name has letters, digits and _ only")
        self.places[name] = line_of(node)
        fields = source.mapping(node, where, _ACTION)
        verbs = [verb for verb in _METHODS if verb in fields]
        if len(verbs) != 1:
            source.wrong(node, f"{where} needs one of {', '.join(_METHODS)}, with the path")
        verb = verbs[0] if verbs else "get"
        path = self._filled(source, fields[verb], where) if verbs else "/"
        if not path.startswith("/") or "?" in path or "#" in path:
            source.wrong(fields[verb], f"{where}: the path begins with / and has no ? or #; use params")
        if "json" in fields and verb == "get":
            source.wrong(fields["json"], f"{where}: a get takes params, not json")
        return ActionSpec(
            name=name,
            method=_METHODS[verb],
            path=path,
            params=self._params(source, fields.get("params"), where),
            json=self._json(source, fields["json"], where) if "json" in fields else None,
            timeout_s=self._timeout(source, fields["timeout_s"], where) if "timeout_s" in fields else self._default_s,
            fill=self._fill(source, fields.get("fill"), where),
            samples=self._samples(source, fields.get("sample"), where),
        )

    def _timeout(self, source: Source, node: yaml.Node, where: str) -> float:
        return source.number(node, f"{where}, timeout_s", 0.1, MAX_TIMEOUT_S) or DEFAULT_TIMEOUT_S

    def _filled(self, source: Source, node: yaml.Node, where: str) -> str:
        """A text with blanks, whose names are checked against the slots."""
        text = source.text(node, where)
        self._uses.blanks(source, node, blanks(text))
        return text

    def _params(self, source: Source, node: yaml.Node | None, where: str) -> dict[str, str]:
        fields = source.mapping(node, f"{where}, params") if node is not None else {}
        return {name: self._filled(source, value, f"{where}, {name}") for name, value in fields.items()}

    def _json(self, source: Source, node: yaml.Node, where: str) -> Json:
        if isinstance(node, yaml.MappingNode):
            return {
                name: self._json(source, value, where) for name, value in source.mapping(node, f"{where}, json").items()
            }
        if isinstance(node, yaml.SequenceNode):
            return [self._json(source, each, where) for each in node.value]
        value = source.scalar(node, where)
        if isinstance(value, str):
            self._uses.blanks(source, node, blanks(value))
        return _whole(value)

    def _fill(self, source: Source, node: yaml.Node | None, where: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for slot, value in (source.mapping(node, f"{where}, fill") if node is not None else {}).items():
            path = source.text(value, f"{where}, fill")
            if not _NAME.fullmatch(slot):
                source.wrong(value, f"{where}: a slot's name has letters, digits and _ only")
            if not _PATH.fullmatch(path):
                source.wrong(value, f"{where}: '{path}' is not a path into the answer like bill.amount")
            found[slot] = path
        return found

    def _samples(self, source: Source, node: yaml.Node | None, where: str) -> tuple[Sample, ...]:
        """One answer, or a list of ``{if, then}`` and ``{else}``."""
        if node is None:
            return ()
        if isinstance(node, yaml.MappingNode):
            return (Sample("", self._answer(source, node, where)),)
        found: list[Sample] = []
        for each in source.sequence(node, f"{where}, sample"):
            fields = source.mapping(each, f"{where}, sample", {"if", "then", "else"})
            answer = fields.get("else") or fields.get("then")
            if answer is None or ("else" not in fields and "if" not in fields):
                source.wrong(each, f"{where}: a sample of several is 'if:' with 'then:', or 'else:'")
                continue
            condition = source.text(fields["if"], f"{where}, if") if "else" not in fields else ""
            checked = self._uses.condition(source, fields["if"], condition) if condition else ""
            found.append(Sample(checked, self._answer(source, answer, where)))
        return tuple(found)

    def _answer(self, source: Source, node: yaml.Node, where: str) -> Mapping[str, Json]:
        answer = self._json(source, node, f"{where}, sample")
        if isinstance(answer, Mapping):
            return answer
        source.wrong(node, f"{where}: a sample is a mapping, like the backend's answer")
        return {}


def _whole(value: str | float | bool | None) -> Json:
    """YAML's ``4`` is a whole number in JSON too."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
