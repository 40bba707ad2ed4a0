"""In what the two apps of the Messenger Platform differ; everything else about them is the same."""

from __future__ import annotations

import msgspec

from channels.degrading import Limits
from channels.formatting import Unit
from gateway.core.channel import Window
from gateway.core.messages import MediaKind

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """One app. ``object`` is the word in its webhooks, ``address_kind`` our name for its ids of people.

    ``text_units`` is the longest text in ``text_unit``. ``media_types``: Meta's word for each kind of file, and
    ``upload_bytes`` the largest of each; ``reactions``: its word for each emoji. ``fields`` are what we subscribe to,
    ``permissions`` what a token needs. ``profile_fields`` is what we ask of a person, which tells their name.
    ``has_personas``: beside an agent's message the app shows their name and picture.
    ``agent_apps`` are the ids of Meta's own inboxes, where people answer.
    """

    name: str
    object: str
    address_kind: str
    app: str
    text_units: int
    text_unit: Unit
    limits: Limits
    media_types: dict[MediaKind, str]
    upload_bytes: dict[str, int]
    reactions: dict[str, str]
    fields: tuple[str, ...]
    permissions: tuple[str, ...]
    profile_fields: tuple[str, ...]
    agent_apps: frozenset[str] = frozenset({"263902037430900", "1217981644879628"})
    has_personas: bool = False
    window: Window = Window(free_s=DAY_S, ad_s=7 * DAY_S, agent_s=7 * DAY_S)
