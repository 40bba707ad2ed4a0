"""Examines endpoints: what the provider says of them, whether our certificate lasts, whether the clocks agree."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp
import msgspec
import structlog
from yarl import URL

from config.settings import EndpointConfig
from gateway.core.channel import Client, EndpointSettings, Finding
from gateway.core.errors import TertuliaError
from gateway.store import health
from gateway.store.database import Database

log = structlog.get_logger(__name__)

ASK_TIMEOUT_S = 10.0
CERTIFICATE_DAYS = 14
CLOCK_SKEW_S = 30.0


class Examined(msgspec.Struct, frozen=True):
    """An endpoint to look at, with a client that is open. ``name`` is channel.endpoint."""

    name: str
    client: Client
    settings: EndpointSettings
    webhook_url: str


async def examine(endpoint: Examined) -> list[Finding]:
    """Everything that can be found out from here. Never raises: what cannot be asked is a finding too."""
    provider, certificate, clock = await asyncio.gather(
        _provider(endpoint), _certificate(endpoint.webhook_url), _clock(endpoint.settings)
    )
    return [*provider, *certificate, *clock]


async def _provider(endpoint: Examined) -> list[Finding]:
    try:
        async with asyncio.timeout(ASK_TIMEOUT_S * 6):
            return list(await endpoint.client.doctor(endpoint.webhook_url))
    except TertuliaError as error:
        return [Finding("bad", str(error), about="credentials")]
    except TimeoutError:
        return [Finding("bad", "the provider does not answer", "look at its status page, and at our way out")]


async def _certificate(webhook_url: str) -> list[Finding]:
    """Whether providers will trust our address, and for how long."""
    url = URL(webhook_url)
    if url.scheme != "https" or not url.host:
        return []
    try:
        async with asyncio.timeout(ASK_TIMEOUT_S):
            _, writer = await asyncio.open_connection(url.host, url.port, ssl=ssl.create_default_context())
    except ssl.SSLCertVerificationError as error:
        advice = "providers refuse such an address: renew or complete the chain"
        return [Finding("bad", f"our certificate is not trusted ({error.verify_message})", advice, about="certificate")]
    except (OSError, TimeoutError) as error:
        return [
            Finding(
                "warn",
                f"{url.host} cannot be reached from here ({type(error).__name__})",
                "if providers can reach it, all is well",
                about="certificate",
            )
        ]
    try:
        return [_expiry(writer.get_extra_info("peercert") or {}, datetime.now(UTC))]
    finally:
        writer.close()


def _expiry(certificate: dict[str, object], now: datetime) -> Finding:
    until = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate.get("notAfter"))), UTC)
    days = (until - now).days
    if days < CERTIFICATE_DAYS:
        return Finding("warn", f"our certificate ends in {days} days", "renew it", about="certificate")
    return Finding("ok", f"our certificate lasts until {until:%Y-%m-%d}", about="certificate")


async def _clock(settings: EndpointSettings) -> list[Finding]:
    """Our clock against the provider's: signatures and windows depend on it."""
    address = getattr(settings, "api_url", "")
    if not address:
        return []
    timeout = aiohttp.ClientTimeout(total=ASK_TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.head(URL(address).origin(), allow_redirects=False) as answer,
        ):
            theirs, ours = answer.headers.get("Date", ""), datetime.now(UTC)
    except (aiohttp.ClientError, TimeoutError, OSError):
        return []  # the provider's own findings say so already
    skew = _skew(theirs, ours)
    if skew is None:
        return []
    if abs(skew) > CLOCK_SKEW_S:
        direction = "ahead of" if skew > 0 else "behind"
        what = f"our clock is {abs(skew):.0f} s {direction} the provider's"
        return [Finding("bad", what, "run a time service", about="clock")]
    return [Finding("ok", "our clock and the provider's agree", about="clock")]


def _skew(theirs: str, ours: datetime) -> float | None:
    try:
        return (ours - parsedate_to_datetime(theirs)).total_seconds()
    except (TypeError, ValueError):
        return None


class Checkups:
    """Examines each endpoint now and then, in whichever process comes first, and keeps what was found."""

    def __init__(
        self,
        database: Database,
        endpoints: Iterable[Examined],
        every_s: float,
        told: Callable[[Sequence[health.Checkup]], None],
    ) -> None:
        self._lane = database.lane()
        self._endpoints = tuple(endpoints)
        self._every_s = every_s
        self._told = told

    async def step(self) -> bool:
        """Examine what is due, and tell how everything was found last."""
        for endpoint in self._endpoints:
            async with self._lane.transaction() as connection:
                is_ours = await health.take_checkup(connection, endpoint.name, self._every_s)
            if is_ours:
                await self._examine(endpoint)
        self._told(await self.last())
        return False

    async def last(self) -> list[health.Checkup]:
        """What was found the last time, of every endpoint that was examined at all. Raises ``Unavailable``."""
        async with self._lane.transaction() as connection:
            return await health.checkups(connection, [endpoint.name for endpoint in self._endpoints])

    async def _examine(self, endpoint: Examined) -> None:
        findings = await examine(endpoint)
        for finding in findings:
            if finding.level == "bad":
                log.error("account_in_trouble", endpoint=endpoint.name, account=finding.account, what=finding.what)
        async with self._lane.transaction() as connection:
            await health.put_checkup(connection, endpoint.name, findings)


def configured_name(endpoint: EndpointConfig) -> str:
    """``telegram.main``"""
    return f"{endpoint.channel.name}.{endpoint.name}"
