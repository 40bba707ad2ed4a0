"""How customers sound, as a process serves it: the model of the task ``sentiment``, found or trained beside serving.

Nobody waits for it. Until there is a model, no turn has a sentiment; then it is followed like that of the intents.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack

import structlog

from config.settings import Settings
from gateway.app.bots import BotFiles
from gateway.app.live_model import PREDICTION_BATCH, LiveModel, ModelFollower, ShadowSlot
from gateway.app.model_start import Examples, ModelStart, open_registry
from gateway.core.batcher import Batcher
from gateway.core.clock import Clock
from gateway.core.errors import TertuliaError
from gateway.core.metrics import Metrics
from gateway.router.loops import poll
from gateway.store.database import Database
from nlp.models.examples import examples_of
from nlp.models.registry import ModelRegistry
from nlp.models.versions import SENTIMENT, place_of
from nlp.sentiment import Feeling
from nlp.sentiment import feelings as read_feelings

log = structlog.get_logger(__name__)

RETRY_S = 30.0
SETTLE_S = 3.0


class Feelings:
    """Fits ``gateway.dialogue.mood.Feel``; texts of all who ask at the same moment are read in one go."""

    def __init__(self, live: LiveModel | None = None) -> None:
        self._live = live
        self._follower: ModelFollower | None = None
        self._batcher: Batcher[str, Feeling | None] = Batcher(self._read, limit=PREDICTION_BATCH)

    async def __call__(self, text: str) -> Feeling | None:
        return None if self._live is None else await self._batcher(text)

    async def _read(self, texts: Sequence[str]) -> Sequence[Feeling | None]:
        return [None] * len(texts) if self._live is None else read_feelings(self._live.asked(texts).model, texts)

    def begin(self, live: LiveModel, follower: ModelFollower) -> None:
        """There is a model now, and something that keeps it the live one."""
        self._live, self._follower = live, follower

    async def step(self) -> bool:
        """Look whether another version is live. Raises ``Unavailable``: what serves goes on."""
        return False if self._follower is None else await self._follower.step()

    def loops(self, settings: Settings, stop: asyncio.Event) -> list[Coroutine[None, None, None]]:
        """What looks at the pointer."""
        return [poll("sentiment", self.step, every_s=settings.models.poll_s, wake=None, stop=stop)]


async def open_feelings(
    settings: Settings, files: BotFiles, database: Database, metrics: Metrics, clock: Clock, stack: AsyncExitStack
) -> Feelings | None:
    """``None`` where the author does not want it. The model comes later, by a task that *stack* ends."""
    if not files.bot.settings.sentiment:
        return None
    feelings = Feelings()
    opening = asyncio.create_task(_find(feelings, settings, files, database, metrics, clock))
    stack.push_async_callback(_end, opening)
    return feelings


async def _find(
    feelings: Feelings, settings: Settings, files: BotFiles, database: Database, metrics: Metrics, clock: Clock
) -> None:
    """Load or train the model; when that fails, try again later."""
    while True:
        try:
            start, registry = await _start(settings, files, database)
            live = LiveModel(await start.first(), metrics)
            feelings.begin(live, ModelFollower(registry, live, ShadowSlot(), metrics, clock))
            log.info("sentiment_available", version=live.loaded.version)
            await start.follow(live.loaded)
        except TertuliaError as error:
            log.warning("sentiment_not_available", reason=str(error), again_in_s=RETRY_S)
        except Exception:
            log.exception("sentiment_not_available", again_in_s=RETRY_S)
        else:
            return
        await asyncio.sleep(RETRY_S)


async def _start(settings: Settings, files: BotFiles, database: Database) -> tuple[ModelStart, ModelRegistry]:
    """What finds and trains. The first training waits until a start is over."""
    registry = await asyncio.to_thread(open_registry, settings, database, place_of(files.bot.name, SENTIMENT))
    data = await asyncio.to_thread(examples_of, settings.bot.folder, SENTIMENT)
    if not (await registry.pointers.read()).version:
        known = await asyncio.to_thread(registry.versions.by_fingerprint, registry.place, data.fingerprint)
        if known is None:
            await asyncio.sleep(SETTLE_S)
    return ModelStart(settings, registry, Examples(settings.bot.folder, data.fingerprint)), registry


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
