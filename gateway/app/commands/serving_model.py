"""The model that serves a task, for a command that asks it something."""

from __future__ import annotations

import asyncio

from config.settings import Settings
from gateway.app.commands.session import database_session
from gateway.app.model_place import lend_encoder_key, models_url
from gateway.core.errors import Misconfigured
from gateway.store.database import Database
from gateway.store.models import ModelPointers
from nlp.models.serving import LoadedModel, load
from nlp.models.versions import ModelPlace, ModelVersions


async def live_model(settings: Settings, database: Database, place: ModelPlace) -> LoadedModel | None:
    """The live version, else the newest; ``None`` where there is none. Raises ``Misconfigured`` for a damaged one."""
    live = (await ModelPointers(database, place.bot, place.task).read()).version
    return await asyncio.to_thread(_loaded, settings, place, live)


def named_or_live(settings: Settings, place: ModelPlace, version: str = "") -> LoadedModel:
    """*version*, or the one that serves; blocks. Without *version* the database is asked, unless there is none yet.

    Raises ``Misconfigured`` when there is no such model.
    """
    has_database = not settings.database.is_embedded or (settings.data_dir / "postgres").is_dir()
    is_known = version or not has_database
    loaded = _loaded(settings, place, version) if is_known else asyncio.run(_ask(settings, place))
    if loaded is None:
        raise Misconfigured("models", f"there is no model of {place.task}: run `tertulia train --task {place.task}`")
    return loaded


async def _ask(settings: Settings, place: ModelPlace) -> LoadedModel | None:
    async with database_session(settings) as database:
        return await live_model(settings, database, place)


def _loaded(settings: Settings, place: ModelPlace, version: str) -> LoadedModel | None:
    lend_encoder_key(settings)
    versions = ModelVersions(models_url(settings))
    named = version or next(reversed(versions.names(place)), "")
    return load(versions, place, named) if named else None
