"""How much training may try; light to import, so that a command can name it before anything is trained."""

from __future__ import annotations

from typing import Literal

import msgspec

from nlp.intents.network import NetworkOptions


class FitOptions(msgspec.Struct, frozen=True):
    """How much to try. The defaults suit every set; each choice is made by cross-validation.

    ``network``: ``auto`` tries it from ``network_from_texts`` on, ``always`` keeps it. ``damage``: ``auto`` tries
    damaged copies from ``damage_from_texts`` an intent on. ``names_up_to``: intents with so many examples or fewer
    also learn from their names. ``reads``: how a text is normalised (``nlp.signals.read_by``). ``regularisation``:
    LinearSVC's C. ``encoder``: sentence vectors beside the n-grams (:mod:`nlp.intents.encoding`).
    """

    network: Literal["auto", "always", "never"] = "auto"
    damage: Literal["auto", "always", "never"] = "auto"
    network_from_texts: int = 1_000
    damage_from_texts: int = 20
    names_up_to: int = 10
    copies: int = 4
    reads: Literal["intents", "sentiment"] = "intents"
    regularisation: float = 0.5
    layers: NetworkOptions = NetworkOptions()
    encoder: str = ""


DEFAULTS = FitOptions()

QUICK = FitOptions(network="never", damage="never")
"""For a model at once: a second for 2,000 texts, ten for 7,500. What `DEFAULTS` makes is better, and takes longer."""
