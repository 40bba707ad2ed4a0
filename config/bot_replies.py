"""Reads ``replies/*.yml``: Rasa's ``responses:``, with the language as a key beside the text.

Format: https://rasa.com/docs/rasa/responses (Rasa 3.x).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import yaml

from config.bot_handoff import KEEP_BOT, LEAVE_MESSAGE, NEW_CASE, SAME_CASE
from config.bot_localised import ANY, Localised
from config.bot_model import Button, CardSpec, Variation
from config.bot_uses import Uses, parse_go_to
from config.bot_yaml import Source, line_of

_VARIATION = frozenset(
    {"text", "buttons", "image", "cards", "channel", "condition", "markup", "style", "id", "metadata", "button_type"}
)
_BUTTON = frozenset({"title", "payload", "url", "asks_for"})
_CARD = frozenset({"title", "subtitle", "image", "buttons"})
_STYLES = ("buttons", "quick_replies", "list")
_RASA_PAYLOAD = re.compile(r"/([A-Za-z_][\w/]*)(\{.*\})?")
_KEY = re.compile(r"[a-z][a-z0-9_]*(?:/[a-z0-9_]+)?")  # utter_faq/hours answers Rasa's retrieval intent faq/hours

_MAY_BE_SILENT = frozenset({"utter_handoff_waiting", "utter_handoff_expected"})
"""Replies that nobody waits for: where no variation fits, there is nothing to tell."""

_OURS = frozenset({LEAVE_MESSAGE, KEEP_BOT, SAME_CASE, NEW_CASE})

_NOTHING = Localised({})


class ReplyReader:
    """Gathers the replies of all files."""

    def __init__(self, languages: Sequence[str], uses: Uses) -> None:
        self.replies: dict[str, tuple[Variation, ...]] = {}
        self.places: dict[str, tuple[str, int]] = {}
        self._languages = tuple(languages)
        self._uses = uses

    def read(self, source: Source) -> None:
        root = source.open()
        if root is None:
            return
        top = source.mapping(root, "the file", {"version", "responses"})
        if "responses" not in top:
            source.wrong(root, "has no 'responses:': put the replies under 'responses:'")
            return
        for key, node in source.mapping(top["responses"], "responses").items():
            self._reply(source, key, node)

    def _reply(self, source: Source, key: str, node: yaml.Node) -> None:
        if not _KEY.fullmatch(key):
            source.wrong(node, f"reply '{key}': a key has lower-case letters, digits and _ only, and at most one /")
        if key in self.replies:
            file, line = self.places[key]
            source.wrong(node, f"reply '{key}' is already defined in {file}:{line}: keep one")
            return
        variations = [self._variation(source, key, each) for each in source.sequence(node, f"reply '{key}'")]
        if not variations:
            source.wrong(node, f"reply '{key}' says nothing: add '- text:'")
            return
        is_always = any(not (variation.condition or variation.channels) for variation in variations)
        if not is_always and key not in _MAY_BE_SILENT:
            source.wrong(
                node, f"reply '{key}' may say nothing: add a variation without channel and condition", "warning"
            )
        self.replies[key] = tuple(variations)
        self.places[key] = (source.name, line_of(node))

    def _variation(self, source: Source, key: str, node: yaml.Node) -> Variation:
        where = f"reply '{key}'"
        fields = source.mapping(node, where, _VARIATION, strict=False)
        is_markdown = "markup" in fields and source.text(fields["markup"], where) == "markdown"
        style = source.text(fields["style"], where) if "style" in fields else "buttons"
        if style not in _STYLES:
            source.wrong(fields["style"], f"{where}: style is one of {', '.join(_STYLES)}")
        if not {"text", "image", "cards"} & fields.keys():
            source.wrong(node, f"{where} says nothing: add 'text:'")
        return Variation(
            text=self.localised(source, fields.get("text"), where, is_markdown=is_markdown, is_words=True),
            buttons=self._buttons(source, fields.get("buttons"), where),
            image=self.localised(source, fields.get("image"), f"{where}, image"),
            cards=self._cards(source, fields.get("cards"), where),
            channels=source.texts(fields["channel"], f"{where}, channel") if "channel" in fields else (),
            condition=self._condition(source, fields.get("condition"), where),
            markup="markdown" if is_markdown else "plain",
            style="list" if style == "list" else "quick_replies" if style == "quick_replies" else "buttons",
        )

    def localised(
        self, source: Source, node: yaml.Node | None, where: str, *, is_markdown: bool = False, is_words: bool = False
    ) -> Localised:
        """A text by language, or one text for all. Where *is_words*, a bot of several languages must name them."""
        if node is None:
            return _NOTHING
        if not isinstance(node, yaml.MappingNode):
            if is_words and len(self._languages) > 1:
                source.wrong(node, f"{where} has one text for {len(self._languages)} languages: {self._shape()}")
            text = source.text(node, where)
            self._uses.template(source, node, text, is_markdown=is_markdown)
            return Localised({ANY: text})
        fields = source.mapping(node, where, self._languages)
        for language in self._languages:
            if language not in fields:
                source.wrong(node, f"{where} has no text in '{language}': {self._shape()}")
        texts = {language: source.text(text, f"{where} in '{language}'") for language, text in fields.items()}
        for language, text in texts.items():
            self._uses.template(source, fields[language], text, is_markdown=is_markdown)
        return Localised(texts)

    def _shape(self) -> str:
        return "write {" + ", ".join(f"{language}: …" for language in self._languages) + "}"

    def _buttons(self, source: Source, node: yaml.Node | None, where: str) -> tuple[Button, ...]:
        if node is None:
            return ()
        return tuple(self._button(source, each, f"{where}, button") for each in source.sequence(node, where))

    def _button(self, source: Source, node: yaml.Node, where: str) -> Button:
        fields = source.mapping(node, where, _BUTTON)
        if "title" not in fields:
            source.wrong(node, f"{where} needs a title")
        payload = source.text(fields["payload"], where) if "payload" in fields else ""
        url = source.text(fields["url"], where) if "url" in fields else ""
        wish = source.text(fields["asks_for"], where) if "asks_for" in fields else ""
        if wish not in {"", "phone", "location"}:
            source.wrong(fields["asks_for"], f"{where}: asks_for is phone or location")
        if not (payload or url or wish):
            source.wrong(node, f"{where} does nothing: add payload, url or asks_for")
        if payload:
            self._check_payload(source, fields["payload"], payload)
        return Button(
            self.localised(source, fields.get("title"), where),
            payload,
            url,
            "phone" if wish == "phone" else "location" if wish == "location" else "",
        )

    def _check_payload(self, source: Source, node: yaml.Node, payload: str) -> None:
        """``/intent:x``, ``/flow:x``, ``/reply:x``, ``/handoff``, or Rasa's ``/x``; anything else is read as typed."""
        if not payload.startswith("/") or payload in _OURS:
            return
        target = parse_go_to(payload[1:])
        if target is not None:
            self._uses.target(source, line_of(node), target)
        elif match := _RASA_PAYLOAD.fullmatch(payload):
            self._uses.add("intent", match[1], source, line_of(node))
        else:
            source.wrong(
                node, f"the payload '{payload}' is not understood: write /intent:name, /flow:name or /reply:key"
            )

    def _cards(self, source: Source, node: yaml.Node | None, where: str) -> tuple[CardSpec, ...]:
        found: list[CardSpec] = []
        for each in source.sequence(node, f"{where}, cards") if node is not None else ():
            fields = source.mapping(each, f"{where}, card", _CARD)
            found.append(
                CardSpec(
                    self.localised(source, fields.get("title"), f"{where}, card"),
                    self.localised(source, fields.get("subtitle"), f"{where}, card"),
                    source.text(fields["image"], where) if "image" in fields else "",
                    self._buttons(source, fields.get("buttons"), f"{where}, card"),
                )
            )
        return tuple(found)

    def _condition(self, source: Source, node: yaml.Node | None, where: str) -> str:
        """An expression, or Rasa's list of ``{type: slot, name: …, value: …}``, which must all hold."""
        if node is None:
            return ""
        if isinstance(node, yaml.ScalarNode):
            return self._uses.condition(source, node, source.text(node, where))
        parts = [self._slot_condition(source, each, where) for each in source.sequence(node, f"{where}, condition")]
        return self._uses.condition(source, node, " and ".join(part for part in parts if part))

    def _slot_condition(self, source: Source, node: yaml.Node, where: str) -> str:
        fields: Mapping[str, yaml.Node] = source.mapping(node, f"{where}, condition", {"type", "name", "value"})
        if "name" not in fields or "value" not in fields:
            source.wrong(node, f"{where}: a condition needs name and value")
            return ""
        value = source.scalar(fields["value"], where)
        return f"{source.text(fields['name'], where)} == {value!r}"
