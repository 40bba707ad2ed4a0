"""The words that a site shows when its operator wrote none, and choosing among those that they wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Texts = str | dict[str, str]
"""A text for people: one for all languages, or a table of them by BCP 47 tag."""

WELCOME = {
    "en": "Hello! How can we help you?",
    "es": "¡Hola! ¿En qué podemos ayudarle?",
    "pt": "Olá! Como podemos ajudar?",
    "fr": "Bonjour ! Comment pouvons-nous vous aider ?",
    "de": "Hallo! Wie können wir Ihnen helfen?",
    "it": "Ciao! Come possiamo aiutarla?",
}

FIELDS: Mapping[str, dict[str, str]] = {
    "name": {"en": "Name", "es": "Nombre", "pt": "Nome", "fr": "Nom", "de": "Name", "it": "Nome"},
    "email": {"en": "Email", "es": "Correo", "pt": "E-mail", "fr": "E-mail", "de": "E-Mail", "it": "E-mail"},
    "phone": {
        "en": "Phone",
        "es": "Teléfono",
        "pt": "Telefone",
        "fr": "Téléphone",
        "de": "Telefon",
        "it": "Telefono",
    },
}


def in_language(texts: Texts, language: str, languages: Sequence[str]) -> str:
    """*texts* in *language*, else in the first of *languages* that there is, else in any; empty when there is none."""
    if isinstance(texts, str):
        return texts
    for wanted in (language, _primary(language), *languages, "en"):
        if wanted in texts:
            return texts[wanted]
    return next(iter(texts.values()), "")


def best_language(wanted: Sequence[str], languages: Sequence[str]) -> str:
    """The first of *wanted* (BCP 47, the dearest first) that is among *languages*; else the first of these.

    ``es-MX`` finds ``es``, and ``pt`` finds ``pt-BR``.
    """
    exact = {language.lower(): language for language in reversed(languages)}
    loose = {_primary(language).lower(): language for language in reversed(languages)}
    for tag in wanted:
        found = exact.get(tag.lower()) or loose.get(_primary(tag).lower())
        if found:
            return found
    return languages[0] if languages else ""


def accepted_languages(header: str) -> list[str]:
    """The tags of an ``Accept-Language`` header, the dearest first; what is not understood is left out."""
    weighted: list[tuple[float, int, str]] = []
    for number, item in enumerate(header[:1000].split(",")):
        tag, _, parameter = item.strip().partition(";")
        if tag and tag != "*" and (weight := _weight(parameter)) > 0:
            weighted.append((-weight, number, tag.strip()))
    return [tag for _, _, tag in sorted(weighted)]


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return min(1.0, max(0.0, float(value)))
    except ValueError:
        return 0.0


def _primary(tag: str) -> str:
    return tag.partition("-")[0]
