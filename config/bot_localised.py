"""A text in the languages of a bot."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

ANY = ""
"""The language of a text that is the same in all of them."""


class Localised(msgspec.Struct, frozen=True):
    """A text by language; under ``ANY`` when it is the same in all."""

    by_language: Mapping[str, str]

    def get(self, language: str) -> str:
        """The text in *language*, else the common one, else any that there is."""
        texts = self.by_language
        return texts.get(language) or texts.get(ANY) or next(iter(texts.values()), "")
