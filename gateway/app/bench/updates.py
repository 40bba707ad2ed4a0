"""Telegram updates by the hundred thousand, no two texts alike: what people ask a telecom operator, in two languages.

Distinct texts matter: a cache of answers must not be what is measured.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

import msgspec

_TEMPLATES: dict[str, tuple[str, ...]] = {
    "es": (
        "¿Cuánto saldo me queda en el {number}?",
        "quiero consultar mi saldo {please}, número {number}",
        "dime el saldo de la línea {number}",
        "¿Cuándo vence mi factura {number}?",
        "necesito la factura de {month}, contrato {number}",
        "cuánto debo de {month} {please} (cliente {number})",
        "quiero recargar {amount} al {number} {please}",
        "cómo recargo el {number}, son {amount}",
        "¿a qué hora abren la oficina de {place}? {number}",
        "horario de atención en {place} para el turno {number}",
        "quiero ver el recibo {number} de {month}",
    ),
    "en": (
        "how much balance is left on {number}?",
        "check my balance {please}, line {number}",
        "when is my bill {number} due?",
        "send me the {month} bill for account {number}",
        "I want to top up {amount} on {number} {please}",
        "how do I top up {number}, it is {amount}",
        "what are the office hours in {place}? ticket {number}",
        "is the {place} shop open {please}? {number}",
    ),
}
"""Questions that one message answers: no form is opened, so that each webhook is one turn with one reply."""

_WORDS: dict[str, dict[str, tuple[str, ...]]] = {
    "es": {
        "please": ("por favor", "gracias", "ya", "hoy", "si se puede", "ahora mismo"),
        "month": ("enero", "febrero", "marzo", "abril", "mayo", "octubre", "diciembre"),
        "amount": ("5", "10", "20", "diez mil", "veinte mil", "cincuenta"),
        "place": ("Lima", "Cusco", "Quito", "Bogotá", "Miraflores", "Guayaquil", "el norte", "Arequipa"),
    },
    "en": {
        "please": ("please", "now", "today", "if you can", "right away"),
        "month": ("June", "July", "August", "September", "December"),
        "amount": ("5", "10", "20", "ten dollars", "twenty"),
        "place": ("Lima", "Cusco", "Quito", "the centre", "Miraflores", "Guayaquil"),
    },
}
_FIRST_NAMES = ("Ana", "Luis", "Rosa", "Iván", "Marta", "John", "Emma", "Pedro")


class Update(msgspec.Struct, frozen=True):
    """One update as Telegram sends it, and what it is known by."""

    update_id: int
    chat_id: int
    message_id: int
    text: str

    def encode(self, date_s: int) -> bytes:
        """The JSON body; *date_s* is a Unix time."""
        name, language = _FIRST_NAMES[self.chat_id % len(_FIRST_NAMES)], _language_of(self.chat_id)
        return (
            f'{{"update_id":{self.update_id},\n"message":{{"message_id":{self.message_id},'
            f'"from":{{"id":{self.chat_id},"is_bot":false,"first_name":"{name}","last_name":"Silva",'
            f'"username":"p{self.chat_id}","language_code":"{language}"}},'
            f'"chat":{{"id":{self.chat_id},"first_name":"{name}","last_name":"Silva",'
            f'"username":"p{self.chat_id}","type":"private"}},"date":{date_s},'
            f'"text":"{self.text}"}}}}'
        ).encode()


def _language_of(chat_id: int) -> str:
    """A person writes in the language of their app."""
    return "es" if chat_id % 2 else "en"


def updates(*, first: int, count: int, people: int, first_chat: int = 1_000_000) -> Iterator[Update]:
    """*count* updates with ids from *first* on, one after another from each of *people* people in turn.

    The same arguments give the same updates. No text needs escaping in JSON.
    """
    randomness = random.Random(first)  # noqa: S311  # variety, not secrecy
    choice = randomness.choice
    for number in range(first, first + count):
        chat_id = first_chat + number % people
        language = _language_of(chat_id)
        words = {name: choice(options) for name, options in _WORDS[language].items()}
        text = choice(_TEMPLATES[language]).format(number=number, **words)
        yield Update(number, chat_id, 10 + number // people, text)


def encoded_updates(*, first: int, count: int, people: int, first_chat: int = 1_000_000) -> list[bytes]:
    """The bodies of :func:`updates`, dated now."""
    date_s = int(time.time())
    made = updates(first=first, count=count, people=people, first_chat=first_chat)
    return [update.encode(date_s) for update in made]
