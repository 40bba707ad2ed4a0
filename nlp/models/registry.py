"""The models of one bot and task: versions on storage, the pointer in the database, and the gate between the two."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from gateway.core.errors import Misconfigured, TertuliaError
from gateway.store.models import ModelPointers, Pointer
from nlp.models.gate import Comparison, Contender, TestText, Thresholds, compare
from nlp.models.serving import LoadedModel, load
from nlp.models.versions import Manifest, ModelPlace, ModelVersions, holds_up_turns

ACCURACY = "accuracy"

LIVE = "live"
IN_SHADOW = "in the shadow"
TO_ROLL_BACK = "needed to roll back to"


class GateRules(msgspec.Struct, frozen=True, kw_only=True):
    """The thresholds, and which recent texts the agreement is asked of: at most *texts* of the last *days*."""

    thresholds: Thresholds
    texts: int
    days: float


class NotPromoted(TertuliaError):
    """The gate said no; ``comparison`` has the figures."""

    def __init__(self, comparison: Comparison) -> None:
        super().__init__("; ".join(comparison.refusals))
        self.comparison = comparison


class ModelRegistry:
    """Raises ``Unavailable`` when storage or database is away, ``Misconfigured`` for a version that cannot be read."""

    def __init__(self, versions: ModelVersions, pointers: ModelPointers, place: ModelPlace, rules: GateRules) -> None:
        self.versions = versions
        self.pointers = pointers
        self.place = place
        self._rules = rules

    async def load(self, version: str) -> LoadedModel:
        """A version, ready to serve; read and unpacked in a thread.

        Raises ``Misconfigured`` also for one that would make turns wait for its encoder's service.
        """
        await self._check_may_serve(version)
        return await self._open(version)

    async def _check_may_serve(self, version: str) -> None:
        manifest = await asyncio.to_thread(self.versions.manifest, self.place, version)
        if holds_up_turns(self.place.task, manifest.encoder):
            raise Misconfigured("models", _not_for_turns(manifest))

    async def _open(self, version: str) -> LoadedModel:
        return await asyncio.to_thread(load, self.versions, self.place, version)

    async def examine(self, version: str, tests: Sequence[TestText], live: str | None = None) -> Comparison:
        """Hold a version against *live* (``None``: what is live now), on the tests and on recent texts.

        A live version that cannot be read is nothing to be worse than. A version that may not serve is held against
        it all the same.
        """
        live = (await self.pointers.read()).version if live is None else live
        candidate = await self._open(version)
        other = await self._load_or_none(live) if live and live != version else None
        since = datetime.now(UTC) - timedelta(days=self._rules.days)
        recent = await self.pointers.recent_texts(since, self._rules.texts) if other is not None else []
        thresholds = self._rules.thresholds
        return await asyncio.to_thread(
            compare, _contender(candidate), None if other is None else _contender(other), tests, recent, thresholds
        )

    async def promote(
        self, version: str, tests: Sequence[TestText], *, by: str, why: str, is_forced: bool = False
    ) -> Comparison:
        """Make a version live, if the gate lets it through or *is_forced*. The figures are kept with the promotion.

        Raises ``NotPromoted`` with the figures, ``PointerMoved`` when another promotion came first, ``Misconfigured``
        as ``load``, *is_forced* or not.
        """
        await self._check_may_serve(version)
        pointer = await self.pointers.read()
        comparison = await self.examine(version, tests, pointer.version)
        if comparison.refusals and not is_forced:
            raise NotPromoted(comparison)
        figures = msgspec.json.encode(comparison)
        forced = bool(comparison.refusals)
        await self.pointers.promote(
            version, expected=pointer.version, by=by, why=why, is_forced=forced, figures=figures
        )
        return comparison

    async def roll_back(self, *, by: str, why: str) -> Pointer:
        """What was live before is live again. Raises ``LookupError`` when nothing was, ``Misconfigured`` if it is gone.

        The version is looked at first, so that nobody is sent to one that cannot be loaded.
        """
        standing = await self._standing()
        if len(standing) > 1:
            await self.load(standing[1])
        return await self.pointers.roll_back(by=by, why=why, expected=standing[0] if standing else None)

    async def needed(self) -> dict[str, str]:
        """The versions that should stay, with why: live, in the shadow, or what a rollback would bring back."""
        pointer = await self.pointers.read()
        standing = await self._standing()
        found = {standing[1]: TO_ROLL_BACK} if len(standing) > 1 else {}
        found |= {pointer.shadow: IN_SHADOW} if pointer.shadow else {}
        return found | ({pointer.version: LIVE} if pointer.version else {})

    async def remove(self, version: str, *, is_forced: bool = False) -> str:
        """Remove a version for good; why it stays, or nothing when it is gone. What is live stays, *is_forced* or not.

        A shadow that is removed by force is ended. Raises ``Misconfigured`` when it is not there.
        """
        reason = (await self.needed()).get(version, "")
        if reason == LIVE or (reason and not is_forced):
            return reason
        if reason == IN_SHADOW:
            await self.pointers.set_shadow("")
        await asyncio.to_thread(self.versions.remove, self.place, version)
        return ""

    async def _standing(self) -> list[str]:
        """What was made live and not taken back, the newest first."""
        history = await self.pointers.history(limit=1_000)
        return [each.version for each in history if each.undone_at is None]

    async def _load_or_none(self, version: str) -> LoadedModel | None:
        try:
            return await self._open(version)
        except Misconfigured:
            return None


def _not_for_turns(manifest: Manifest) -> str:
    return (
        f"{manifest.version} reads sentence vectors of a service ({manifest.encoder}): a turn does not wait for the "
        "network, so it cannot be live; `tertulia classify --model` and `models compare` use it, and a model with "
        "`--encoder minilm` or `folder:PATH` can be live"
    )


def _contender(loaded: LoadedModel) -> Contender:
    return Contender(loaded.version, loaded.model, loaded.manifest.about.metrics.get(ACCURACY))
