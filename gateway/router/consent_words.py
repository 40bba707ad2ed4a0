"""The words by which customers ask for silence, and take that back: only when they are the whole message.

The lists are the operator's (``router.opt_out_words``, ``router.opt_in_words``). No word is in them that people say to
a bot for another reason: *cancelar* and *cancel* stop what is going on, *fin*, *end* and *quit* end a conversation,
*salir* leaves a menu. Where a law or a carrier demands those, the operator adds them; what the bot
has just offered as an answer (*alto, medio o bajo?*) is one. The words back count only for who asked for silence:
*alta* is a common wish else.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from gateway.core.messages import Parts, Text
from gateway.core.ports import AnnouncementPort
from gateway.store.receiving import CONFIRMATIONS

Word = Literal["", "out", "in"]

ALWAYS_MEANT = frozenset({"stop", "stop all", "stopall", "unsubscribe", "start", "unstop"})
"""Words that carriers and laws give their meaning to: no bot may ask for them as an answer."""

Answers = Callable[[bytes, str], bool]
"""Whether a text is one of the answers to the open question of a dialogue's state."""

LONGEST = 40
"""A longer message is no word."""

WORDS: Mapping[tuple[str, str], str] = {
    ("out", "es"): "Listo: no te enviaremos más mensajes. Si cambias de idea, escribe START.",
    ("out", "en"): "Done: you will get no more messages from us. If you change your mind, write START.",
    ("out", "pt"): "Pronto: não vamos mais enviar mensagens. Se mudar de ideia, escreva START.",
    ("in", "es"): "Bienvenido de nuevo: volverás a recibir nuestros mensajes. Para dejarlos, escribe STOP.",
    ("in", "en"): "Welcome back: you will get our messages again. To stop them, write STOP.",
    ("in", "pt"): "Que bom ter você de volta: você voltará a receber nossas mensagens. Para parar, escreva STOP.",
}

_EDGES = re.compile(r"^[\W_]+|[\W_]+$")
_SPACES = re.compile(r"\s+")


class ConsentWords:
    """Finds the words, and has the answers to them: the author's where there are any."""

    def __init__(
        self,
        out: Iterable[str],
        back: Iterable[str],
        announcements: AnnouncementPort | None = None,
        answers: Answers = lambda _state, _text: False,
    ) -> None:
        """*answers* tells whether a text answers the question that the bot, in that state, has asked."""
        self._answers = answers
        self._meaning: dict[str, Word] = {comparable(word): "in" for word in back}
        self._meaning.update((comparable(word), "out") for word in out)
        self._meaning.pop("", None)
        self._announcements = announcements

    def meaning(self, parts: Parts) -> Word:
        """What a message asks for; empty: nothing of that kind."""
        if len(parts) != 1 or not isinstance(parts[0], Text) or len(parts[0].text) > LONGEST:
            return ""
        return self._meaning.get(comparable(parts[0].text), "")

    def is_answer(self, parts: Parts, state: bytes) -> bool:
        """Whether a word for silence is, this time, what the bot asked for: *alto* where it asks *alto o bajo?*."""
        if len(parts) != 1 or not isinstance(parts[0], Text) or comparable(parts[0].text) in ALWAYS_MEANT:
            return False
        return self._answers(state, parts[0].text)

    def confirmation(self, word: Literal["out", "in"], language: str) -> Parts:
        """What the customer is told, in the conversation's language (Spanish, English or Portuguese of ours)."""
        if self._announcements is not None:
            parts = self._announcements.announcement(CONFIRMATIONS[word], language)
            if parts:
                return parts
        known = language.lower()[:2]
        return (Text(WORDS[word, known if (word, known) in WORDS else "en"]),)


def comparable(text: str) -> str:
    """Lower case, without accents, without marks around it: ``¡Stop!`` is ``stop``."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    letters = "".join(mark for mark in plain if not unicodedata.combining(mark))
    return _SPACES.sub(" ", _EDGES.sub("", letters))
