"""What ``connect`` and ``doctor`` ask the Graph API about any account: its token, its rights, its subscription."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import msgspec
from pydantic import SecretStr

from channels._meta.failures import GraphRefused, named
from channels._meta.graph import GraphLine
from channels._meta.settings import MetaSettings
from gateway.core.channel import Finding
from gateway.core.errors import Ambiguous, Misconfigured, Retry

EXPIRY_WARNING = timedelta(days=14)


class _Token(msgspec.Struct, frozen=True):
    is_valid: bool = False
    app_id: str | int = ""
    expires_at: int = 0
    data_access_expires_at: int = 0
    scopes: tuple[str, ...] = ()


class _TokenAnswer(msgspec.Struct, frozen=True):
    data: _Token


class _Owner(msgspec.Struct, frozen=True):
    id: str | int


class _Subscriber(msgspec.Struct, frozen=True):
    id: str | int = ""
    name: str = ""
    subscribed_fields: tuple[str, ...] = ()


class _Subscribers(msgspec.Struct, frozen=True):
    data: tuple[_Subscriber, ...] = ()


class _Field(msgspec.Struct, frozen=True):
    name: str = ""


class _Webhook(msgspec.Struct, frozen=True):
    object: str = ""
    callback_url: str = ""
    active: bool = True
    fields: tuple[_Field | str, ...] = ()


class _Webhooks(msgspec.Struct, frozen=True):
    data: tuple[_Webhook, ...] = ()


_decode_token = msgspec.json.Decoder(_TokenAnswer).decode
_decode_owner = msgspec.json.Decoder(_Owner).decode
_decode_subscribers = msgspec.json.Decoder(_Subscribers).decode
_decode_webhooks = msgspec.json.Decoder(_Webhooks).decode


async def token_findings(
    line: GraphLine, settings: MetaSettings, account: str, token: SecretStr, needed: Collection[str], now: datetime
) -> list[Finding]:
    """Whether a token works, until when, and whether it has the rights that are *needed*. Raises nothing but bugs."""
    asker = app_token(settings) or token
    try:
        answer = await line.get("debug_token", {"input_token": token.get_secret_value()}, asker)
        seen = _decode_token(answer.body).data
    except (GraphRefused, Retry, Misconfigured, msgspec.DecodeError) as error:
        return [trouble(error, account, "credentials")]
    if not seen.is_valid:
        return [Finding("bad", "Meta does not accept the token", "make a new access_token", account, "credentials")]
    findings = [Finding("ok", "the token is accepted", account=account, about="credentials")]
    if settings.app_id and str(seen.app_id) != settings.app_id:
        advice = "take the access_token from the app whose app_id and app_secret stand in the settings"
        findings.append(Finding("bad", f"the token belongs to the app {seen.app_id}", advice, account, "credentials"))
    findings.extend(_expiry_findings(seen, account, now))
    missing = sorted(set(needed) - set(seen.scopes))
    if missing and seen.scopes:
        advice = "give the app these permissions and make a new access_token"
        findings.append(Finding("bad", f"without the permission {', '.join(missing)}", advice, account, "permissions"))
    elif not missing:
        findings.append(Finding("ok", "all permissions are there", account=account, about="permissions"))
    return findings


async def identity_findings(
    line: GraphLine, account: str, token: SecretStr, expected_id: str, slow_percent: float
) -> list[Finding]:
    """Whose a token is, and how much of its allowance is used. Raises nothing but bugs.

    An empty *expected_id*: nobody's in particular. From *slow_percent* on the allowance is worth a warning.
    """
    try:
        answer = await line.get("me", {"fields": "id"}, token)
        owner = str(_decode_owner(answer.body).id)
    except (GraphRefused, Retry, Misconfigured, msgspec.DecodeError) as error:
        return [trouble(error, account, "credentials")]
    findings: list[Finding] = []
    if expected_id and owner != expected_id:
        said = f"the token is that of {owner} and not of {expected_id}"
        findings.append(Finding("bad", said, "take the account's own access_token", account, "credentials"))
    else:
        findings.append(Finding("ok", f"the token is that of {owner}", account=account, about="credentials"))
    usage = answer.usage
    if usage.regain_s:
        said = f"Meta lets nothing through for {usage.regain_s / 60:.0f} more minutes"
        findings.append(Finding("bad", said, "wait; ask for less", account, "limits"))
    elif usage.percent >= slow_percent:
        said = f"{usage.percent:.0f} % of the allowance is used, and sends leave slowly"
        findings.append(Finding("warn", said, "see what asks so much", account, "limits"))
    return findings


def _expiry_findings(token: _Token, account: str, now: datetime) -> list[Finding]:
    findings: list[Finding] = []
    ends = (("the token", token.expires_at), ("the access to data", token.data_access_expires_at))
    for what, stamp in ends:
        if not 0 < stamp < 253_402_300_799:
            continue
        until = datetime.fromtimestamp(stamp, UTC)
        if until - now < EXPIRY_WARNING:
            advice = "make a new access_token; a system user's does not expire"
            findings.append(
                Finding("warn", f"{what} ends at {until:%Y-%m-%d %H:%M} UTC", advice, account, "credentials")
            )
    return findings


async def subscribe(line: GraphLine, account: str, target: str, token: SecretStr, fields: Collection[str]) -> Finding:
    """Subscribe our app to an account's events; *target* is the account's id at Meta. Repeating it is harmless."""
    body = {"subscribed_fields": ",".join(fields)} if fields else {}
    try:
        await line.post(f"{target}/subscribed_apps", body, token)
    except (GraphRefused, Retry, Misconfigured) as error:
        return trouble(error, account, "webhook")
    return Finding("ok", "the app is subscribed to the account's events", account=account, about="webhook")


async def subscription_findings(
    line: GraphLine, settings: MetaSettings, account: str, target: str, token: SecretStr, fields: Collection[str]
) -> list[Finding]:
    """Whether our app gets an account's events, and all that we use (*fields* empty: Meta lists none there)."""
    advice = "run: tertulia channels connect"
    try:
        subscribers = _decode_subscribers((await line.get(f"{target}/subscribed_apps", {}, token)).body).data
    except (GraphRefused, Retry, Misconfigured, msgspec.DecodeError) as error:
        return [trouble(error, account, "webhook")]
    ours = [each for each in subscribers if not settings.app_id or not each.id or str(each.id) == settings.app_id]
    if not ours:
        return [Finding("bad", "the app is not subscribed to the account's events", advice, account, "webhook")]
    missing = sorted(set(fields) - {field for each in ours for field in each.subscribed_fields})
    if missing:
        return [Finding("warn", f"not subscribed to {', '.join(missing)}", advice, account, "webhook")]
    return [Finding("ok", "the app is subscribed to the account's events", account=account, about="webhook")]


# ---------------------------------------------------------------- the app itself


def app_token(settings: MetaSettings) -> SecretStr | None:
    """The app's own token; ``None`` without ``app_id``."""
    if not settings.app_id:
        return None
    return SecretStr(f"{settings.app_id}|{settings.app_secret.get_secret_value()}")


async def register_webhook(
    line: GraphLine, settings: MetaSettings, kind: str, public_url: str, fields: Collection[str]
) -> Finding:
    """Tell Meta where the app's webhook for objects of that *kind* is; Meta asks for the handshake at once."""
    token = app_token(settings)
    if token is None:
        advice = f"set app_id, or enter {public_url} and the verify_token in the app's dashboard"
        return Finding("warn", "without app_id the webhook's address cannot be set from here", advice, "", "webhook")
    body = {
        "object": kind,
        "callback_url": public_url,
        "verify_token": settings.verify_token.get_secret_value(),
        "fields": ",".join(fields),
    }
    try:
        await line.post(f"{settings.app_id}/subscriptions", body, token)
    except (GraphRefused, Retry, Misconfigured) as error:
        return trouble(error, "", "webhook")
    return Finding("ok", f"webhooks go to {public_url}", about="webhook")


async def webhook_findings(line: GraphLine, settings: MetaSettings, kind: str, public_url: str) -> list[Finding]:
    """Where the app's webhooks for objects of that *kind* go."""
    token = app_token(settings)
    if token is None:
        advice = "set app_id to have the webhook's address looked at"
        return [Finding("warn", "without app_id the webhook's address cannot be seen", advice, "", "webhook")]
    try:
        answer = await line.get(f"{settings.app_id}/subscriptions", {}, token)
        webhooks = [each for each in _decode_webhooks(answer.body).data if each.object == kind]
    except (GraphRefused, Retry, Misconfigured, msgspec.DecodeError) as error:
        return [trouble(error, "", "webhook")]
    advice = "run: tertulia channels connect"
    if not webhooks:
        return [Finding("bad", "the app has no webhook", advice, "", "webhook")]
    webhook = webhooks[0]
    if webhook.callback_url != public_url:
        said = f"webhooks go to {webhook.callback_url} and not to {public_url}"
        return [Finding("bad", said, advice, "", "webhook")]
    if not webhook.active:
        return [Finding("bad", "Meta switched the webhook off after too many failures", advice, "", "webhook")]
    return [Finding("ok", f"webhooks go to {public_url}", about="webhook")]


def trouble(error: Exception, account: str, about: str) -> Finding:
    """A failed question as a finding."""
    failure = named(error.error) if isinstance(error, GraphRefused) else error
    if isinstance(failure, msgspec.DecodeError):
        return Finding("warn", "Meta's answer could not be read", "see whether api_version is current", account, about)
    if isinstance(failure, Misconfigured):
        return Finding("bad", str(failure), "correct the setting", account, about)
    if isinstance(failure, Ambiguous | Retry):
        return Finding("warn", str(failure), "ask again; see whether api_url can be reached", account, about)
    return Finding("bad", str(failure), "look the code up in Meta's documentation", account, about)
