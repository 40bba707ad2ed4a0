"""The models of one process, opened: the one that serves, what follows the pointer, and the shadow."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack

import msgspec
import structlog

from config.settings import Settings
from gateway.app.bots import BotFiles
from gateway.app.feelings import Feelings, open_feelings
from gateway.app.live_model import LiveModel, ModelFollower, ShadowSlot
from gateway.app.model_start import Examples, ModelStart, open_registry
from gateway.app.shadow import Shadow
from gateway.core.clock import Clock
from gateway.core.metrics import Metrics
from gateway.router.loops import poll
from gateway.router.wakes import MODELS, Wakes
from gateway.store.database import Database
from nlp.models.serving import ServedPrediction
from nlp.models.versions import place_of

log = structlog.get_logger(__name__)

SHADOW_POLL_S = 1.0


class UnhurriedModel(LiveModel):
    """As ``LiveModel``; a version with sentence vectors, which cost milliseconds a text, is asked in a thread.

    The library that computes them lets go of the interpreter meanwhile, so that the event loop goes on.
    """

    async def _predict(self, texts: Sequence[str]) -> list[ServedPrediction]:
        if not self.loaded.manifest.encoder:
            return await super()._predict(texts)
        return await asyncio.to_thread(self.asked(texts).predict, texts)


class Models(msgspec.Struct, frozen=True):
    """What wiring needs of them."""

    live: LiveModel
    follower: ModelFollower
    shadow: Shadow
    feelings: Feelings | None = None

    def loops(self, settings: Settings, wakes: Wakes, stop: asyncio.Event) -> list[Coroutine[None, None, None]]:
        """What looks at the pointer, and what compares."""
        every_s = settings.models.poll_s
        return [
            poll("models", self.follower.step, every_s=every_s, wake=wakes.event(MODELS), stop=stop),
            poll("shadow", self.shadow.step, every_s=SHADOW_POLL_S, wake=None, stop=stop),
            *(self.feelings.loops(settings, stop) if self.feelings is not None else ()),
        ]


async def open_models(
    settings: Settings,
    files: BotFiles,
    database: Database,
    metrics: Metrics,
    clock: Clock,
    wakes: Wakes,
    stack: AsyncExitStack,
) -> Models:
    """Load the live model, or train the first one; then follow the bot's examples, as long as a start may wait.

    What takes longer goes on beside serving, and is ended by *stack*. Raises ``Misconfigured``, ``Unavailable``.
    """
    registry = await asyncio.to_thread(open_registry, settings, database, place_of(files.bot.name))
    examples = Examples(settings.bot.folder, files.data.fingerprint)
    start = ModelStart(settings, registry, examples, lambda: wakes.wake(MODELS))
    live, slot = UnhurriedModel(await start.first(), metrics), ShadowSlot()
    follower = ModelFollower(registry, live, slot, metrics, clock)
    following = asyncio.create_task(start.follow(live.loaded))
    stack.push_async_callback(_end, following)
    await asyncio.wait({following}, timeout=settings.models.follow_wait_s)
    if not following.done():
        log.info("training_goes_on_beside", serving=live.loaded.version)
    await follower.step()
    shadow = Shadow(registry, live, slot, metrics, limit=settings.models.shadow_queue)
    feelings = await open_feelings(settings, files, database, metrics, clock, stack)
    return Models(live, follower, shadow, feelings)


async def first_model(settings: Settings, database: Database) -> None:
    """Make sure that there is a model to serve with, so that no worker waits for it. Blocks for the first training."""
    from gateway.app.bots import read_bot

    files = await asyncio.to_thread(read_bot, settings)
    registry = await asyncio.to_thread(open_registry, settings, database, place_of(files.bot.name))
    await ModelStart(settings, registry, Examples(settings.bot.folder, files.data.fingerprint)).first()


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
