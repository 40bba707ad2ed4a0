"""What discovery finds: the kind of desk that Zendesk Support is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.util import find_spec

from gateway.core.channel import Finding
from gateway.core.desks import DeskParts, DeskPort, DeskSettings
from handoff.desks.zendesk.connecting import TOKENS_END, token_words
from handoff.desks.zendesk.settings import ZendeskSettings


class Zendesk:
    """Fits ``DeskKind``."""

    name = "zendesk"
    settings: type[DeskSettings] = ZendeskSettings

    def read_settings(self, raw: Mapping[str, object]) -> DeskSettings:
        return ZendeskSettings.model_validate(raw)

    def check(self, settings: ZendeskSettings) -> Sequence[Finding]:
        """The extra is there, and how long an API token will do."""
        findings: list[Finding] = []
        if find_spec("zenpy") is None:
            findings.append(Finding("bad", "", "needs zenpy, which is not installed: pip install 'tertulia[zendesk]'"))
        if not settings.has_oauth:
            today = datetime.now(UTC).date()
            advice = f"{token_words(today)}; set oauth_token instead"
            findings.append(Finding("bad" if today > TOKENS_END else "warn", "api_token", advice))
        return findings

    def open(self, parts: DeskParts) -> DeskPort:
        from handoff.desks.zendesk.ticketing import ZendeskDesk

        return ZendeskDesk(parts)
