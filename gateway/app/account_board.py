"""What is known of the accounts, for the metrics and for ``/readyz``: kept as it was last told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from gateway.core.channel import Finding
from gateway.core.metrics import Metrics
from gateway.router.pulse import Vital
from gateway.store.health import Checkup


class AccountReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """One account in the details of ``/readyz``. ``state``: ``ok``, ``silent`` or ``unhealthy``."""

    account: str
    state: str
    last_inbound_at: datetime | None = None
    unhealthy_since: datetime | None = None
    unhealthy_reason: str = ""
    last_error_at: datetime | None = None
    last_error: str = ""


class EndpointReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the provider said of an endpoint, without what is well."""

    endpoint: str
    examined_at: datetime
    findings: tuple[Finding, ...] = ()


class AccountBoard:
    """Hears of accounts and endpoints, and shows them."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._accounts: tuple[AccountReport, ...] = ()
        self._endpoints: tuple[EndpointReport, ...] = ()

    def tell_vitals(self, vitals: Sequence[Vital]) -> None:
        """How all accounts stand now."""
        self._accounts = tuple(map(_report, vitals))
        for vital in vitals:
            state = vital.state
            self._metrics.account_well.labels(vital.name).set(vital.is_well)
            self._metrics.account_silent.labels(vital.name).set(vital.is_silent)
            if state.heard_at is not None:
                self._metrics.account_heard.labels(vital.name).set(state.heard_at.timestamp())

    def tell_checkups(self, checkups: Sequence[Checkup]) -> None:
        """What was found at the providers the last time."""
        self._endpoints = tuple(
            EndpointReport(each.endpoint, each.at, tuple(f for f in each.findings if f.level != "ok"))
            for each in checkups
        )
        for each in checkups:
            for level in ("bad", "warn"):
                number = sum(finding.level == level for finding in each.findings)
                self._metrics.endpoint_findings.labels(each.endpoint, level).set(number)

    @property
    def in_trouble(self) -> int:
        """How many accounts are not well."""
        return sum(account.state != "ok" for account in self._accounts)

    def details(self) -> dict[str, object]:
        """Everything, for whoever may see it."""
        return {"accounts": self._accounts, "endpoints": self._endpoints}


def _report(vital: Vital) -> AccountReport:
    state = vital.state
    return AccountReport(
        account=vital.name,
        state="ok" if vital.is_well else "unhealthy" if state.unhealthy_since else "silent",
        last_inbound_at=state.heard_at,
        unhealthy_since=state.unhealthy_since,
        unhealthy_reason=state.unhealthy_reason,
        last_error_at=state.failed_at,
        last_error=state.failure,
    )
