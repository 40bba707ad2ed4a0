"""Telegram updates by the hundred thousand, no two texts alike: what people ask a telecom operator, in two languages.

Distinct texts matter: a cache of answers must not be what is measured.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

import msgspec

_TEMPLATES: tuple[str, ...] = (
    "¿Cuánto saldo me queda en el {number}?",
    "quiero consultar mi saldo {please}, número {number}",
    "dime el saldo de la línea {number}",
    "¿Cuándo vence mi factura {number}?",
    "necesito la factura de {month}, contrato {number}",
    "cuánto debo de {month} {please} (cliente {number})",
    "quiero comprar un paquete de {gigas} gigas para el {number}",
    "¿qué paquetes de datos hay? tengo {gigas} GB y soy {number}",
    "no tengo señal en {place} desde hace {hours} horas, ref {number}",
    "se cayó internet en {place}, aviso {number}",
    "¿a qué hora abren la oficina de {place}? {number}",
    "horario de atención en {place} para el turno {number}",
    "quiero hablar del recibo {number} de {month}",
    "how much balance is left on {number}?",
    "check my balance {please}, line {number}",
    "when is my bill {number} due?",
    "send me the {month} bill for account {number}",
    "I want to buy a {gigas} GB data pack for {number}",
    "which data packs do you have? I use {gigas} GB, id {number}",
    "no signal in {place} for {hours} hours, case {number}",
    "the internet is down in {place}, report {number}",
    "what are the office hours in {place}? ticket {number}",
    "is the {place} shop open {please}? {number}",
)
_WORDS: dict[str, tuple[str, ...]] = {
    "please": ("por favor", "please", "gracias", "now", "ya", "hoy", "today", "si se puede"),
    "month": ("enero", "febrero", "marzo", "abril", "mayo", "June", "July", "August", "octubre", "December"),
    "gigas": ("1", "2", "5", "8", "10", "20", "50"),
    "place": ("Lima", "Cusco", "Quito", "Bogotá", "the centre", "Miraflores", "Guayaquil", "el norte", "Arequipa"),
    "hours": ("2", "3", "4", "6", "12", "24"),
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
        name = _FIRST_NAMES[self.chat_id % len(_FIRST_NAMES)]
        language = "es" if self.chat_id % 2 else "en"
        return (
            f'{{"update_id":{self.update_id},\n"message":{{"message_id":{self.message_id},'
            f'"from":{{"id":{self.chat_id},"is_bot":false,"first_name":"{name}","last_name":"Silva",'
            f'"username":"p{self.chat_id}","language_code":"{language}"}},'
            f'"chat":{{"id":{self.chat_id},"first_name":"{name}","last_name":"Silva",'
            f'"username":"p{self.chat_id}","type":"private"}},"date":{date_s},'
            f'"text":"{self.text}"}}}}'
        ).encode()


def updates(*, first: int, count: int, people: int, first_chat: int = 1_000_000) -> Iterator[Update]:
    """*count* updates with ids from *first* on, one after another from each of *people* people in turn.

    The same arguments give the same updates. No text needs escaping in JSON.
    """
    randomness = random.Random(first)  # noqa: S311  # variety, not secrecy
    choice = randomness.choice
    for number in range(first, first + count):
        words = {name: choice(options) for name, options in _WORDS.items()}
        text = choice(_TEMPLATES).format(number=number, **words)
        yield Update(number, first_chat + number % people, 10 + number // people, text)


def encoded_updates(*, first: int, count: int, people: int, first_chat: int = 1_000_000) -> list[bytes]:
    """The bodies of :func:`updates`, dated now."""
    date_s = int(time.time())
    made = updates(first=first, count=count, people=people, first_chat=first_chat)
    return [update.encode(date_s) for update in made]
