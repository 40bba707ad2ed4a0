"""The author's templates and conditions: Jinja in its sandbox, with Rasa's ``{slot}`` for the simple case.

A customer's words are only ever values: they are never parsed as a template, and in Markdown they are escaped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from functools import lru_cache

from babel import localedata
from babel.dates import format_date, format_skeleton
from babel.numbers import format_decimal
from jinja2 import StrictUndefined, TemplateError, Undefined, meta, pass_context
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from gateway.core.errors import Misconfigured

BUILT_IN = frozenset(
    {
        *("slots", "labels", "language", "channel", "app", "name", "bot_name", "agent"),
        *("is_open", "opens_at", "opens_on", "closes_at", "holiday"),
        *("minutes", "position"),
    }
)
"""Names that templates and conditions may use besides the slots."""

CALLER = frozenset({"contact", "conversation"})
"""What actions may send besides: who asks, and where."""

Values = Mapping[str, object]

_SIMPLE = re.compile(r"(?<![{\\])\{\s*([A-Za-z_]\w*)\s*\}(?!\})")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|~<>&:@/])")
_BLANKS = re.compile(r"\s+")


class BadTemplate(Exception):
    """A template or condition that does not compile; says where and why."""


class Rendered:
    """A text with blanks, compiled. Without blanks it costs nothing."""

    def __init__(self, source: str, fill: Callable[[Values], str] | None) -> None:
        self._source = source
        self._fill = fill

    def __call__(self, values: Callable[[], Values]) -> str:
        """The text with *values* filled in, asked for only when needed; a missing value leaves nothing.

        Raises ``Misconfigured`` when the author's template fails on these values.
        """
        if self._fill is None:
            return self._source
        try:
            return self._fill(values())
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
            raise Misconfigured("bot.path", f"the template '{self._source[:60]}' failed: {error}") from error


class Engine:
    """Compiles templates and conditions. One for a bot; it holds no state between calls."""

    def __init__(self) -> None:
        filters = {"number": _number, "date": _date, "full_date": _full_date}
        self._plain = ImmutableSandboxedEnvironment(autoescape=False, finalize=_plain, keep_trailing_newline=False)
        self._markdown = ImmutableSandboxedEnvironment(autoescape=False, finalize=_markdown)
        self._strict = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
        for environment in (self._plain, self._markdown, self._strict):
            environment.filters |= filters

    def template(self, source: str, *, is_markdown: bool) -> Rendered:
        """Compile a text. Raises ``BadTemplate``."""
        source = _SIMPLE.sub(r"{{ \1 }}", source)
        if "{{" not in source and "{%" not in source and "{#" not in source:
            return Rendered(source, None)
        environment = self._markdown if is_markdown else self._plain
        try:
            return Rendered(source, environment.from_string(source).render)
        except TemplateError as error:
            raise BadTemplate(str(error)) from error

    def condition(self, source: str) -> Callable[[Values], bool]:
        """Compile a condition: true or false from values. Raises ``BadTemplate``.

        What cannot be evaluated (an empty slot compared with a number) is false.
        """
        if source.isidentifier() and source not in {"True", "False", "None", "true", "false", "none"}:
            return lambda values: bool(values.get(source))  # the usual case needs no expression
        try:
            expression = self._plain.compile_expression(source, undefined_to_none=True)
        except TemplateError as error:
            raise BadTemplate(str(error)) from error

        def holds(values: Values) -> bool:
            try:
                return bool(expression(values))
            except (TemplateError, TypeError, ValueError, ArithmeticError):
                return False

        return holds

    def names(self, source: str, *, is_condition: bool = False) -> set[str]:
        """The names that a template or condition uses; empty when it does not compile."""
        source = "{{ (" + source + ") }}" if is_condition else _SIMPLE.sub(r"{{ \1 }}", source)
        try:
            return set(meta.find_undeclared_variables(self._strict.parse(source)))
        except TemplateError:
            return set()


def escape_markdown(text: str) -> str:
    """*text* so that Markdown shows it as it is, on one line."""
    return _MARKDOWN.sub(r"\\\1", _BLANKS.sub(" ", text))


@pass_context
def _number(context: Context, value: object) -> str:
    """``12400`` as the customer's language writes it."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "" if value is None or isinstance(value, Undefined) else str(value)
    return _written(value, _locale(context))


@pass_context
def _date(context: Context, value: object) -> str:
    """``2026-12-01`` in words, without the year; a text that is no date stays as it is."""
    return _in_words(context, value, has_year=False)


@pass_context
def _full_date(context: Context, value: object) -> str:
    """``2026-12-01`` in words."""
    return _in_words(context, value, has_year=True)


def _in_words(context: Context, value: object, *, has_year: bool) -> str:
    try:
        day = date.fromisoformat(str(value)[:10])
    except ValueError:
        return "" if value is None or isinstance(value, Undefined) else str(value)
    return _worded(day, _locale(context), has_year=has_year)


@lru_cache(maxsize=4096)
def _written(value: float, locale: str) -> str:
    return str(format_decimal(value, locale=locale))


@lru_cache(maxsize=4096)
def _worded(day: date, locale: str, *, has_year: bool) -> str:
    return str(format_date(day, "long", locale) if has_year else format_skeleton("MMMMd", day, locale=locale))


def _locale(context: Context) -> str:
    """The customer's language, or English where there are no rules for it."""
    language = str(context.get("language", "en")).partition("-")[0]
    return language if localedata.exists(language) else "en"


def _plain(value: object) -> object:
    return "" if value is None or isinstance(value, Undefined) else value


def _markdown(value: object) -> object:
    return "" if value is None or isinstance(value, Undefined) else escape_markdown(str(value))
