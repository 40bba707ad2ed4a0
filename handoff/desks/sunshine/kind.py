"""What discovery finds: the kind of desk that Zendesk messaging is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from channels.public_hosts import is_loopback
from gateway.core.channel import Finding
from gateway.core.desks import DeskParts, DeskPort, DeskSettings
from handoff.desks.sunshine.settings import SunshineDeskSettings


class SunshineKind:
    """Fits ``DeskKind``."""

    name = "sunshine"
    settings: type[DeskSettings] = SunshineDeskSettings

    def read_settings(self, raw: Mapping[str, object]) -> DeskSettings:
        return SunshineDeskSettings.model_validate(raw)

    def check(self, settings: SunshineDeskSettings) -> Sequence[Finding]:
        """What would travel in the open, and keys that can do too little."""
        findings: list[Finding] = []
        url = urlsplit(settings.api_url)
        if url.scheme == "http" and not is_loopback(url.hostname or ""):
            findings.append(Finding("bad", "api_url", "the key would travel in the open: use https"))
        if settings.key_id.startswith("int_"):
            advice = (
                "a key of an integration may post, but make neither people nor webhooks: use one of the app (app_…)"
            )
            findings.append(Finding("warn", "key_id", advice))
        return findings

    def open(self, parts: DeskParts) -> DeskPort:
        from handoff.desks.sunshine.messaging import SunshineDesk

        return SunshineDesk(parts)
