"""Models as versions: stored whole or not at all, live by a pointer in the database, swapped while serving.

:mod:`nlp.models.versions` keeps them, :mod:`nlp.models.gate` decides whether one may be promoted, and
:mod:`nlp.models.process` trains one in a process of its own.
"""

from __future__ import annotations

from nlp.models.versions import Manifest, ModelPlace, ModelVersions, place_of

__all__ = ["Manifest", "ModelPlace", "ModelVersions", "place_of"]
