"""Trains a candidate when customers' words have drifted, and lets it run in the live model's shadow."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

from config.settings import Settings
from gateway.app.model_place import encoder_for_turns, models_url
from gateway.app.model_start import CLAIM_S, open_registry
from gateway.core.errors import TertuliaError, Unavailable
from gateway.core.ids import new_id
from gateway.store.database import Database
from nlp.models.process import Order, Report, train_in_process
from nlp.models.registry import ModelRegistry
from nlp.models.versions import Manifest, ModelPlace

log = structlog.get_logger(__name__)

Train = Callable[[Order, Report], Awaitable[Manifest]]

FULL = "full"
BY_DRIFT = "drift"


class ShadowTrainer:
    """Trains in a process of its own, with all effort; never promotes. *fingerprint* is of the folder's examples."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        place: ModelPlace,
        fingerprint: Callable[[], str],
        train: Train = train_in_process,
    ) -> None:
        self._settings = settings
        self._registry: ModelRegistry = open_registry(settings, database, place)
        self._fingerprint = fingerprint
        self._train = train
        self._owner = new_id()

    async def train_and_shadow(self, why: str) -> None:
        """Nothing is done while a shadow runs, somebody trains, or the live model knows all that could be taught.

        What goes wrong is logged: the live model goes on.
        """
        try:
            await self._train_and_shadow(why)
        except TertuliaError as error:
            log.warning("candidate_not_trained", reason=str(error))

    async def _train_and_shadow(self, why: str) -> None:
        registry = self._registry
        pointer = await registry.pointers.read()
        if pointer.shadow:
            log.info("candidate_left_alone", reason=f"{pointer.shadow} runs in the shadow")
            return
        is_taught = await asyncio.to_thread(self._is_taught, pointer.version)
        if is_taught:
            log.info(
                "candidate_not_trained", reason="the live model has learnt all examples: review what was collected"
            )
            return
        async with self._claimed() as is_ours:
            if not is_ours:
                log.info("candidate_left_alone", reason="another process trains")
                return
            order = Order(
                url=models_url(self._settings),
                bot_folder=str(self._settings.bot.folder.absolute()),
                place=registry.place,
                by=BY_DRIFT,
                encoder=encoder_for_turns(self._settings, registry.place.task),
            )
            manifest = await self._train(order, lambda line: log.debug("training", step=line))
            await registry.pointers.set_shadow(manifest.version)
        log.info("candidate_shadowed", version=manifest.version, why=why)

    def _is_taught(self, version: str) -> bool:
        """Whether training again would give the same model as *version* (empty: there is none)."""
        if not version:
            return False
        about = self._registry.versions.manifest(self._registry.place, version).about
        return about.fingerprint == self._fingerprint() and about.settings.get("effort") == FULL

    @asynccontextmanager
    async def _claimed(self) -> AsyncIterator[bool]:
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
