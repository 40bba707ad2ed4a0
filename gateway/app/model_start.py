"""The model that a process begins with: the live one; where there is none, one of many trains it, and the rest wait."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import msgspec
import structlog

from config.settings import Settings
from gateway.app.model_place import encoder_for_turns, models_url
from gateway.core.errors import Misconfigured, TertuliaError, Unavailable
from gateway.core.ids import new_id
from gateway.store.database import Database
from gateway.store.models import ModelPointers, PointerMoved
from nlp.models.adoption import adopt, has_old_models
from nlp.models.examples import fixed_tests
from nlp.models.gate import TestText, Thresholds
from nlp.models.process import Order, Report, train_in_process
from nlp.models.registry import GateRules, ModelRegistry, NotPromoted
from nlp.models.serving import LoadedModel
from nlp.models.versions import Manifest, ModelPlace, ModelVersions, version_number

log = structlog.get_logger(__name__)

CLAIM_S = 30.0
"""A trainer that died is replaced after so long."""

Trainer = Callable[[Order, Report], Awaitable[Manifest]]

LOOK_AGAIN_S = 0.5
BY_START = "start"


def gate_rules(settings: Settings) -> GateRules:
    """The settings' gate."""
    models = settings.models
    return GateRules(
        thresholds=Thresholds(
            allowed_loss=models.allowed_loss,
            allowed_loss_unfixed=models.allowed_loss_unfixed,
            least_agreement=models.least_agreement,
            least_texts=models.agreement_least_texts,
        ),
        texts=models.agreement_texts,
        days=models.agreement_days,
    )


def open_registry(settings: Settings, database: Database, place: ModelPlace) -> ModelRegistry:
    """The models of *place*. Raises ``Misconfigured`` when their storage cannot be opened."""
    versions = ModelVersions(models_url(settings))
    return ModelRegistry(versions, ModelPointers(database, place.bot, place.task), place, gate_rules(settings))


class Examples(msgspec.Struct, frozen=True):
    """What the bot's folder teaches now: where it is, and the name of its content."""

    folder: Path
    fingerprint: str


class ModelStart:
    """Finds, trains and promotes on the way up. Several processes may do so at once."""

    def __init__(
        self,
        settings: Settings,
        registry: ModelRegistry,
        examples: Examples,
        tell: Callable[[], None] = lambda: None,
        trainer: Trainer = train_in_process,
    ) -> None:
        """*tell* is called when another version was made live."""
        self._settings = settings
        self._registry = registry
        self._examples = examples
        self._tell = tell
        self._trainer = trainer
        self._owner: UUID = new_id()

    async def first(self) -> LoadedModel:
        """The live model; one that can be read where that cannot; a new one where there is none.

        Takes as long as training does the first time. Raises ``Misconfigured`` for examples that cannot be learnt
        from, ``Unavailable``.
        """
        await self._bring_over()
        while True:
            loaded = await self._live() or await self._any_other()
            if loaded is not None:
                return loaded
            async with self._claimed() as is_ours:
                if is_ours and (await self._live()) is None:
                    await self._make_first()
            if not is_ours:
                await asyncio.sleep(LOOK_AGAIN_S)

    async def follow(self, serving: LoadedModel) -> None:
        """Make the model of the present examples live, through the gate, unless it is live or was taken back.

        Trains it when there is none. What goes wrong is logged: *serving* goes on.
        """
        if serving.fingerprint == self._examples.fingerprint or not self._settings.models.follow_examples:
            return
        try:
            await self._follow()
        except PointerMoved as error:
            log.info("model_not_promoted", reason=str(error))
        except NotPromoted as error:
            log.warning("model_refused", version=error.comparison.candidate, reason=str(error))
        except TertuliaError as error:
            log.warning("examples_not_followed", reason=str(error))

    async def _follow(self) -> None:
        version = await self._of_examples()
        if not version:
            async with self._claimed() as is_ours:
                if not is_ours:
                    log.info("model_trained_elsewhere")
                    return
                version = await self._of_examples() or (await self._train()).version
        if await self._registry.pointers.was_undone(version):
            log.info("model_left_alone", version=version, reason="it was rolled back")
            return
        comparison = await self._registry.promote(
            version, await self._tests(), by=BY_START, why="the bot's examples changed"
        )
        log.info("model_promoted", version=version, previous=comparison.live)
        self._tell()

    async def _of_examples(self) -> str:
        """A version of the present examples that can be read, or nothing."""
        versions, place = self._registry.versions, self._registry.place
        found = await asyncio.to_thread(versions.by_fingerprint, place, self._examples.fingerprint)
        return found.version if found is not None and await self._load(found.version) is not None else ""

    async def _make_first(self) -> None:
        """Train and promote while nothing can be loaded. What is live but lies elsewhere is not replaced."""
        pointer = await self._registry.pointers.read()
        names = await asyncio.to_thread(self._registry.versions.names, self._registry.place)
        version = await self._of_examples() or (await self._train(pointer.version)).version
        if pointer.version and pointer.version not in names:
            log.error("live_model_not_here", version=pointer.version, serving=version, url=self._registry.versions.url)
            return
        why = f"{pointer.version} cannot be read by this release" if pointer.version else "the first model"
        with contextlib.suppress(PointerMoved):
            await self._registry.pointers.promote(
                version, expected=pointer.version, by=BY_START, why=why, is_forced=False
            )
            log.info("model_promoted", version=version, why=why)
            self._tell()

    async def _train(self, above: str = "") -> Manifest:
        order = Order(
            url=self._registry.versions.url,
            bot_folder=str(self._examples.folder.absolute()),
            place=self._registry.place,
            by=BY_START,
            after=version_number(above) if above else 0,
            is_quick=True,
            encoder=encoder_for_turns(self._settings, self._registry.place.task),
        )
        log.info("training_started", place=str(order.place))
        manifest = await self._trainer(order, lambda line: log.debug("training", step=line))
        log.info("training_finished", version=manifest.version, seconds=manifest.about.metrics.get("seconds"))
        return manifest

    async def _live(self) -> LoadedModel | None:
        version = (await self._registry.pointers.read()).version
        return await self._load(version) if version else None

    async def _any_other(self) -> LoadedModel | None:
        """The newest version that can be read, where the live one cannot."""
        live = (await self._registry.pointers.read()).version
        if not live:
            return None
        names = await asyncio.to_thread(self._registry.versions.names, self._registry.place)
        for name in reversed(names):
            if name != live and (loaded := await self._load(name)) is not None:
                log.error("live_model_not_loaded", version=live, serving=name)
                return loaded
        return None

    async def _load(self, version: str) -> LoadedModel | None:
        try:
            return await self._registry.load(version)
        except Misconfigured as error:
            log.warning("model_not_loaded", version=version, reason=error.detail)
            return None

    async def _tests(self) -> list[TestText]:
        return await asyncio.to_thread(fixed_tests, self._examples.folder, self._registry.place.task)

    async def _bring_over(self) -> None:
        """Models of an earlier release become versions; what was live stays live."""
        folder = self._settings.data_dir / "models"
        if not await asyncio.to_thread(has_old_models, folder):
            return
        async with self._claimed() as is_ours:
            if not is_ours:
                return
            latest = await asyncio.to_thread(adopt, folder, self._registry.versions, self._registry.place)
            if latest and await self._load(latest) is not None:
                with contextlib.suppress(PointerMoved):
                    await self._registry.pointers.promote(
                        latest, expected="", by=BY_START, why="was live in an earlier release", is_forced=False
                    )

    @asynccontextmanager
    async def _claimed(self) -> AsyncIterator[bool]:
        """Whether this process may train, for as long as the context lasts."""
        pointers = self._registry.pointers
        if not await pointers.claim_training(self._owner, CLAIM_S):
            yield False
            return
        renewing = asyncio.create_task(self._renew())
        try:
            yield True
        finally:
            renewing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await renewing
            with contextlib.suppress(Unavailable):
                await pointers.give_back_training(self._owner)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(CLAIM_S / 3)
            with contextlib.suppress(Unavailable):
                await self._registry.pointers.claim_training(self._owner, CLAIM_S)
