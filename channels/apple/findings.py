"""What the doctor says about an endpoint: the secret's form, the clock, the businesses, the webhook's address."""

from __future__ import annotations

from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Literal

from channels.apple.settings import AppleSettings, key_of
from channels.line import LineAnswer
from gateway.core.channel import Finding
from gateway.core.errors import GiveUp, Misconfigured, TertuliaError

USUAL_KEY_BYTES = 32
WORRYING_SKEW_S = 30.0
REFUSED_SKEW_S = 300.0


def secret_findings(settings: AppleSettings) -> list[Finding]:
    """Taking the base64 text itself for the key, or a shortened one, is the usual mistake."""
    findings = []
    for name, secret in (("secret", settings.secret), ("secret_previous", settings.secret_previous)):
        length = len(key_of(secret))
        if not secret.get_secret_value():
            continue
        if length < USUAL_KEY_BYTES:
            advice = "copy it again from Apple's page, all of it and as it is shown"
            findings.append(Finding("warn", f"{name} decodes to {length} bytes only", advice, about="credentials"))
        else:
            findings.append(Finding("ok", f"{name} is base64 of {length} bytes", about="credentials"))
    return findings


def address_finding(public_url: str) -> Finding:
    """Apple calls https only."""
    if public_url.startswith("https://"):
        return Finding("ok", f"Apple should call {public_url}/message", about="webhook")
    return Finding("bad", f"{public_url} is not https", "set server.public_url to an https address", about="webhook")


def gateway_findings(answer: LineAnswer, account: str, now: datetime) -> list[Finding]:
    """The gateway took our token and the business. Its own clock tells whether ours is right."""
    accepted = Finding("ok", "Apple accepts our token for the business", account=account, about="credentials")
    skew_s = _skew_s(answer.headers.get("Date", ""), now)
    if skew_s is None or abs(skew_s) < WORRYING_SKEW_S:
        return [accepted]
    level: Literal["bad", "warn"] = "bad" if abs(skew_s) >= REFUSED_SKEW_S else "warn"
    what = f"this machine's clock is {abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'} Apple's"
    return [accepted, Finding(level, what, "let the machine keep time by NTP", account, "clock")]


def failure_finding(error: TertuliaError, account: str) -> Finding:
    """Why the gateway said no, and what to do."""
    match error:
        case Misconfigured():
            return Finding("bad", str(error), "correct the setting", account, "credentials")
        case GiveUp():
            return Finding("bad", str(error), "see whether Apple approved the business for this MSP id", account)
        case _:
            return Finding("bad", str(error), "see whether api_url can be reached", account, "gateway")


def _skew_s(date: str, now: datetime) -> float | None:
    """How far our clock is ahead of the one that wrote the ``Date`` header, to a second."""
    try:
        return (now - parsedate_to_datetime(date)).total_seconds()
    except (TypeError, ValueError):
        return None
