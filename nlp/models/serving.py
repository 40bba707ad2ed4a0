"""A model as it serves: loaded whole from its version, and named by every prediction that it makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.core.errors import Misconfigured
from nlp.intents import Model, Prediction
from nlp.intents.storage import unpack
from nlp.models.versions import Manifest, ModelPlace, ModelVersions

_OF_THE_CLASSIFIER = frozenset({"model.json", "weights.npz"})


class ServedPrediction(Prediction, frozen=True):
    """A prediction with the version of the model that made it."""

    model: str = ""


class LoadedModel:
    """One version in memory. ``besides`` are the files that are not the classifier's own, by name."""

    def __init__(self, manifest: Manifest, model: Model, besides: Mapping[str, bytes]) -> None:
        self.manifest = manifest
        self.version = manifest.version
        self.fingerprint = manifest.about.fingerprint
        self.model = model
        self.besides = besides

    def predict(self, texts: Sequence[str]) -> list[ServedPrediction]:
        """``n texts -> n predictions``, in order, as the model's own."""
        version = self.version
        return [
            ServedPrediction(each.candidates, each.score, each.is_in_scope, version)
            for each in self.model.predict(texts)
        ]


def load(versions: ModelVersions, place: ModelPlace, version: str) -> LoadedModel:
    """Read and unpack a version; blocks. Raises ``Misconfigured`` when it is missing, damaged or not ours to read."""
    manifest, files = versions.read(place, version)
    besides = {name: content for name, content in files.items() if name not in _OF_THE_CLASSIFIER}
    try:
        model = unpack(files)
    except Misconfigured as error:
        raise Misconfigured(error.key, f"{place}/{version}: {error.detail}") from error
    return LoadedModel(manifest, model, besides)
