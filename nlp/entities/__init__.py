"""Entities: what a text names (numbers, days, money, documents, the author's own things), with normalised values."""

from nlp.entities.extractor import BUILT_IN, Extractor
from nlp.entities.found import PERSONAL, Entity, as_text

__all__ = ["BUILT_IN", "PERSONAL", "Entity", "Extractor", "as_text"]
