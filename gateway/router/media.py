"""Fetches what customers sent, apart from their messages: a file that cannot be had never holds up an answer."""

from __future__ import annotations

import asyncio

import msgspec
import structlog

from gateway.core.errors import GiveUp, Misconfigured, Retry
from gateway.core.news import News
from gateway.router.endpoints import Endpoints
from gateway.store import media
from gateway.store.blobs import Blobs
from gateway.store.database import Database
from gateway.store.media import MediaJob

log = structlog.get_logger(__name__)


class MediaSettings(msgspec.Struct, frozen=True):
    max_bytes: int
    max_attempts: int
    timeout_s: float
    at_once: int


class MediaFetcher:
    """One step fetches what is due."""

    def __init__(
        self, settings: MediaSettings, database: Database, endpoints: Endpoints, blobs: Blobs, news: News
    ) -> None:
        self._settings = settings
        self._lane = database.lane()
        self._endpoints = endpoints
        self._blobs = blobs
        self._news = news

    async def step(self) -> bool:
        """Fetch what is due; true when there may be more."""
        limit = self._settings.at_once
        async with self._lane.transaction() as connection:
            jobs = await media.take_due(connection, limit=limit, lease_s=self._settings.timeout_s * 2)
        await asyncio.gather(*(self._fetch(job) for job in jobs))
        return len(jobs) == limit

    async def _fetch(self, job: MediaJob) -> None:
        account = self._endpoints.get(job.account_id)
        if account is None:
            await self._fail(job, "the account is not configured any more")
            return
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                file = await account.client.fetch(account.spec.external, job.provider_ref)
                blob = await self._blobs.put(file.chunks, max_bytes=self._settings.max_bytes)
        except (GiveUp, Misconfigured) as error:
            await self._fail(job, str(error))
        except (Retry, TimeoutError, OSError) as error:
            await self._retry(job, error)
        else:
            async with self._lane.transaction() as connection:
                await media.done(connection, job, blob=blob.key, size_bytes=blob.size_bytes)
            self._news.changed((job.conversation_id,))

    async def _retry(self, job: MediaJob, error: Exception) -> None:
        if job.attempts >= self._settings.max_attempts:
            await self._fail(job, f"tried {job.attempts} times: {type(error).__name__}")
            return
        asked_s = error.after_s if isinstance(error, Retry) else None
        async with self._lane.transaction() as connection:
            await media.put_off(connection, job, asked_s or min(600.0, 2.0**job.attempts))

    async def _fail(self, job: MediaJob, reason: str) -> None:
        log.warning("media_not_fetched", message_id=str(job.message_id), reason=reason)
        async with self._lane.transaction() as connection:
            await media.fail(connection, job, reason)
