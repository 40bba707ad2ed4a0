"""How a customer feels: negative, neutral or positive, by the machinery of the intents; a coarse signal.

Learnt from texts that were written for this project in Spanish, English and Portuguese (``texts/``); ``held_out/``
was written apart, for measuring only: ``python -m nlp.sentiment``.
"""

from __future__ import annotations

from nlp.sentiment.feeling import LABELS, NEGATIVE, NEUTRAL, POSITIVE, Feeling, feeling_of, feelings
from nlp.sentiment.training import fit, train, training_data

__all__ = [
    "LABELS",
    "NEGATIVE",
    "NEUTRAL",
    "POSITIVE",
    "Feeling",
    "feeling_of",
    "feelings",
    "fit",
    "train",
    "training_data",
]
