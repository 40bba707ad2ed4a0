"""The model that serves in this process, and how it is changed while requests go on.

Each process looks at the pointer now and then, and at once when it is told. Another version is loaded in a thread;
then one assignment makes it the one that the next prediction is asked of. A batch that runs ends with the model that
it began with. A version that cannot be loaded changes nothing, and is tried again later.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec
import structlog

from gateway.core.batcher import Batcher
from gateway.core.clock import Clock
from gateway.core.errors import Misconfigured, TertuliaError
from gateway.core.metrics import Metrics
from gateway.store.models import Pointer
from nlp.models.registry import ModelRegistry
from nlp.models.serving import LoadedModel, ServedPrediction
from nlp.models.versions import version_number

log = structlog.get_logger(__name__)

PREDICTION_BATCH = 64
RETRY_S = 60.0
"""How soon a version that could not be loaded is tried again."""


class LiveModel:
    """Predicts one text for each caller, and the texts of all who ask at the same moment in one go."""

    def __init__(self, loaded: LoadedModel, metrics: Metrics) -> None:
        self.loaded = loaded
        self._metrics = metrics
        self._sizes = metrics.batch_size.labels("predict")
        self._batcher: Batcher[str, ServedPrediction] = Batcher(self._predict, limit=PREDICTION_BATCH)

    async def __call__(self, text: str) -> ServedPrediction:
        return await self._batcher(text)

    async def _predict(self, texts: Sequence[str]) -> list[ServedPrediction]:
        return self.asked(texts).predict(texts)

    def asked(self, texts: Sequence[str]) -> LoadedModel:
        """The version that is to read these *texts*, which are counted as a batch of predictions."""
        self._sizes.observe(len(texts))
        return self.loaded


class LoadFailure(msgspec.Struct, frozen=True):
    """A version that could not be loaded, and when that is tried again (monotonic time)."""

    version: str
    reason: str
    retry_at: float


class ModelReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """The details of ``/readyz``. ``live`` is what should serve, ``serving`` what does."""

    serving: str
    live: str
    not_loaded: str = ""
    reason: str = ""
    shadow: str = ""


class ModelSlot:
    """One of the places that a version can take in this process; remembers what would not load."""

    def __init__(self, registry: ModelRegistry, clock: Clock) -> None:
        self._registry = registry
        self._clock = clock
        self.failure: LoadFailure | None = None

    async def load(self, version: str) -> LoadedModel | None:
        """The version; ``None`` when it cannot be loaded, or could not a moment ago. Raises ``Unavailable``."""
        now = self._clock.monotonic()
        if self.failure is not None and self.failure.version == version and now < self.failure.retry_at:
            return None
        try:
            loaded = await self._registry.load(version)
        except Misconfigured as error:
            self._fail(version, error.detail)
            return None
        except TertuliaError:
            raise
        except Exception as error:
            log.exception("model_not_loaded", version=version)
            self._fail(version, type(error).__name__)
            return None
        self.failure = None
        return loaded

    def _fail(self, version: str, reason: str) -> None:
        log.error("model_not_loaded", version=version, reason=reason, place=str(self._registry.place))
        self.failure = LoadFailure(version, reason, self._clock.monotonic() + RETRY_S)


class ShadowSlot:
    """The version that runs beside the live one, if any; ``gateway.app.shadow`` asks it."""

    def __init__(self) -> None:
        self.loaded: LoadedModel | None = None


class ModelFollower:
    """Keeps this process at what the pointer says. ``step`` is a loop's; ``details`` are for ``/readyz``."""

    def __init__(
        self, registry: ModelRegistry, live: LiveModel, shadow: ShadowSlot, metrics: Metrics, clock: Clock
    ) -> None:
        self._registry = registry
        self._live = live
        self._shadow = shadow
        self._metrics = metrics
        self._clock = clock
        self._slots = {"live": ModelSlot(registry, clock), "shadow": ModelSlot(registry, clock)}
        self._pointer = Pointer(live.loaded.version)
        self._show()

    async def step(self) -> bool:
        """Look, and change over where another version is live. Raises ``Unavailable``: what serves goes on."""
        self._pointer = await self._registry.pointers.read()
        await self._follow_live(self._pointer.version)
        await self._follow_shadow(self._pointer.shadow)
        return False

    def details(self) -> dict[str, object]:
        """What serves and what should."""
        failures = [slot.failure for slot in self._slots.values() if slot.failure is not None]
        shadow = self._shadow.loaded
        report = ModelReport(
            serving=self._live.loaded.version,
            live=self._pointer.version,
            not_loaded=failures[0].version if failures else "",
            reason=failures[0].reason if failures else "",
            shadow=shadow.version if shadow is not None else "",
        )
        return {"models": {self._registry.place.task: report}}

    async def _follow_live(self, version: str) -> None:
        serving = self._live.loaded.version
        if version in {"", serving}:
            self._slots["live"].failure = None
            return
        began = time.perf_counter()
        loaded = await self._load("live", version)
        if loaded is None:
            return
        self._live.loaded = loaded
        self._show()
        self._metrics.model_loads.labels(self._registry.place.task, "swapped").inc()
        log.info("model_swapped", version=version, previous=serving, seconds=round(time.perf_counter() - began, 3))

    async def _follow_shadow(self, version: str) -> None:
        running = self._shadow.loaded
        if not version:
            self._shadow.loaded = None
            self._slots["shadow"].failure = None
        elif running is None or running.version != version:
            self._shadow.loaded = await self._load("shadow", version)

    async def _load(self, slot: str, version: str) -> LoadedModel | None:
        before = self._slots[slot].failure
        loaded = await self._slots[slot].load(version)
        if loaded is None and self._slots[slot].failure is not before:
            self._metrics.model_loads.labels(self._registry.place.task, "failed").inc()
        return loaded

    def _show(self) -> None:
        self._metrics.model_version.labels(self._registry.place.task).set(version_number(self._live.loaded.version))
