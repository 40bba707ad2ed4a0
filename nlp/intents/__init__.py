"""Which intent a text has: n texts in, n calibrated predictions out.

Serving (:mod:`nlp.intents.model`) needs numpy and scipy only; :mod:`nlp.intents.training` alone imports
scikit-learn. :mod:`nlp.intents.storage` packs a model into files, which :mod:`nlp.models` keeps as versions.
"""

from __future__ import annotations

from nlp.intents.explaining import Explanation
from nlp.intents.model import Model, Prediction
from nlp.intents.options import DEFAULTS, QUICK, FitOptions
from nlp.intents.teaching import train

__all__ = [
    "DEFAULTS",
    "QUICK",
    "Explanation",
    "FitOptions",
    "Model",
    "Prediction",
    "train",
]
