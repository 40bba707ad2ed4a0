"""What ``connect`` sets up at Meta for the numbers of an endpoint, and what ``doctor`` finds there."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec
from pydantic import SecretStr

from channels._meta.failures import GraphRefused
from channels._meta.findings import register_webhook, subscribe, token_findings, trouble, webhook_findings
from channels._meta.graph import GraphLine
from channels.whatsapp.settings import WhatsAppAccount, WhatsAppSettings
from gateway.core.channel import Finding
from gateway.core.errors import Misconfigured, Retry

OBJECT = "whatsapp_business_account"

FIELDS = (
    "messages",
    "message_template_status_update",
    "message_template_quality_update",
    "template_category_update",
    "phone_number_quality_update",
    "phone_number_name_update",
    "account_update",
    "account_review_update",
    "account_alerts",
    "security",
    "smb_message_echoes",
    "user_preferences",
)
"""The webhook fields that become events."""

PERMISSIONS = ("whatsapp_business_management", "whatsapp_business_messaging")

TEMPLATE_PAGES = 20
_PAGE = 100
_CONNECT = "run: tertulia channels connect"
_TROUBLES = (GraphRefused, Retry, Misconfigured, msgspec.DecodeError, UnicodeDecodeError)


class _Number(msgspec.Struct, frozen=True):
    display_phone_number: str = ""
    verified_name: str = ""
    quality_rating: str = ""
    status: str = ""
    name_status: str = ""
    code_verification_status: str = ""
    messaging_limit_tier: str = ""
    webhook_configuration: dict[str, str] | None = None


class _AppData(msgspec.Struct, frozen=True):
    id: str | int = ""


class _Subscriber(msgspec.Struct, frozen=True):
    whatsapp_business_api_data: _AppData = _AppData()
    override_callback_uri: str = ""


class _Subscribers(msgspec.Struct, frozen=True):
    data: tuple[_Subscriber, ...] = ()


class _Template(msgspec.Struct, frozen=True):
    name: str
    status: str = ""
    language: str = ""


class _Cursors(msgspec.Struct, frozen=True):
    after: str = ""


class _Paging(msgspec.Struct, frozen=True):
    cursors: _Cursors = _Cursors()
    next: str = ""


class _Templates(msgspec.Struct, frozen=True):
    data: tuple[_Template, ...] = ()
    paging: _Paging = _Paging()


_decode_number = msgspec.json.Decoder(_Number).decode
_decode_subscribers = msgspec.json.Decoder(_Subscribers).decode
_decode_templates = msgspec.json.Decoder(_Templates).decode


# ---------------------------------------------------------------- connect


async def connected(line: GraphLine, settings: WhatsAppSettings, public_url: str) -> list[Finding]:
    """The app's webhook, or those that go before it; and a subscription for each business account."""
    findings: list[Finding] = []
    if _uses_app_webhook(settings):
        findings.append(await register_webhook(line, settings, OBJECT, public_url, FIELDS))
    for name, account in _one_per_business(settings):
        findings.append(await _subscribed(line, settings, name, account, public_url))
    for name, account in settings.accounts.items():
        if account.webhook == "number":
            body = {"webhook_configuration": _override(settings, public_url)}
            findings.append(await _pointed(line, settings, name, account.phone_number_id, body, public_url))
    return findings


async def _subscribed(
    line: GraphLine, settings: WhatsAppSettings, name: str, account: WhatsAppAccount, public_url: str
) -> Finding:
    """A plain subscription takes an override away, so it is not repeated for the sake of single numbers."""
    if account.webhook == "business":
        target = f"{account.waba_id}/subscribed_apps"
        return await _pointed(line, settings, name, target, _override(settings, public_url), public_url)
    if account.webhook == "number":
        [known] = await _subscription_findings(line, settings, name, account, "")
        if known.level == "ok":
            return known
    return await subscribe(line, name, account.waba_id, settings.token_of(account), ())


async def _pointed(
    line: GraphLine, settings: WhatsAppSettings, name: str, path: str, body: object, public_url: str
) -> Finding:
    try:
        await line.post(path, body, settings.token_of(settings.accounts[name]))
    except (GraphRefused, Retry, Misconfigured) as error:
        return trouble(error, name, "webhook")
    return Finding("ok", f"the account's webhooks go to {public_url}", account=name, about="webhook")


def _override(settings: WhatsAppSettings, public_url: str) -> dict[str, str]:
    return {"override_callback_uri": public_url, "verify_token": settings.verify_token.get_secret_value()}


def _uses_app_webhook(settings: WhatsAppSettings) -> bool:
    return any(account.webhook == "app" for account in settings.accounts.values())


def _one_per_business(settings: WhatsAppSettings) -> Iterable[tuple[str, WhatsAppAccount]]:
    """One number of each business account: the one with the widest say about webhooks speaks for the others."""
    chosen: dict[str, tuple[str, WhatsAppAccount]] = {}
    for name, account in settings.accounts.items():
        before = chosen.get(account.waba_id)
        if before is None or _WIDTH[account.webhook] > _WIDTH[before[1].webhook]:
            chosen[account.waba_id] = (name, account)
    return chosen.values()


_WIDTH = {"number": 0, "app": 1, "business": 2}


# ---------------------------------------------------------------- doctor


async def examined(line: GraphLine, settings: WhatsAppSettings, public_url: str, now: datetime) -> list[Finding]:
    """Every account with its token and number; every business account with its subscription and templates."""
    findings: list[Finding] = []
    if _uses_app_webhook(settings):
        findings.extend(await webhook_findings(line, settings, OBJECT, public_url))
    for name, account in settings.accounts.items():
        token = settings.token_of(account)
        findings.extend(await token_findings(line, settings, name, token, PERMISSIONS, now))
        findings.extend(await _number_findings(line, name, account, token, public_url))
    for name, account in _one_per_business(settings):
        token = settings.token_of(account)
        findings.extend(await _subscription_findings(line, settings, name, account, public_url))
        findings.extend(await _template_findings(line, name, account, token))
    return findings


async def _number_findings(
    line: GraphLine, name: str, account: WhatsAppAccount, token: SecretStr, public_url: str
) -> list[Finding]:
    fields = ",".join(_Number.__struct_fields__)
    try:
        number = _decode_number((await line.get(account.phone_number_id, {"fields": fields}, token)).body)
    except _TROUBLES as error:
        return [trouble(error, name, "limits")]
    status, quality = number.status.upper(), number.quality_rating.upper()
    owner = f"({number.verified_name})" if number.verified_name else ""
    shown = " ".join(filter(None, (number.display_phone_number or account.phone_number_id, owner)))
    findings: list[Finding] = _goal_findings(number, name, public_url)
    if status in {"", "CONNECTED"}:
        findings.append(Finding("ok", f"the number is {shown}", account=name, about="limits"))
    else:
        advice = "look at the number in WhatsApp Manager"
        findings.append(Finding("bad", f"the number {shown} is {status.lower()}", advice, name, "limits"))
    if quality in {"RED", "YELLOW"}:
        advice = "people block or report it: send less that they did not ask for"
        said = f"the number's quality is {quality.lower()}"
        findings.append(Finding("bad" if quality == "RED" else "warn", said, advice, name, "limits"))
    if number.name_status.upper() in {"DECLINED", "EXPIRED"}:
        advice = "choose another display name in WhatsApp Manager"
        findings.append(Finding("warn", f"the display name is {number.name_status.lower()}", advice, name, "limits"))
    return findings


def _goal_findings(number: _Number, name: str, public_url: str) -> list[Finding]:
    """Where the number's events go in the end, where Meta tells it: the narrowest address counts."""
    told = number.webhook_configuration or {}
    goal = next(
        (told[level] for level in ("phone_number", "whatsapp_business_account", "application") if told.get(level)), ""
    )
    if not goal:
        return []
    if goal != public_url:
        return [
            Finding("bad", f"the number's webhooks go to {goal} and not to {public_url}", _CONNECT, name, "webhook")
        ]
    return [Finding("ok", f"the number's webhooks go to {public_url}", account=name, about="webhook")]


async def _subscription_findings(
    line: GraphLine, settings: WhatsAppSettings, name: str, account: WhatsAppAccount, public_url: str
) -> list[Finding]:
    try:
        answer = await line.get(f"{account.waba_id}/subscribed_apps", {}, settings.token_of(account))
        subscribers = _decode_subscribers(answer.body).data
    except _TROUBLES as error:
        return [trouble(error, name, "webhook")]
    ours = [each for each in subscribers if _is_ours(each, settings)]
    if not ours:
        said = "the app is not subscribed to the business account"
        return [Finding("bad", said, _CONNECT, name, "webhook")]
    elsewhere = next((each.override_callback_uri for each in ours if each.override_callback_uri), "")
    if account.webhook != "number" and elsewhere and elsewhere != public_url:
        return [Finding("bad", f"webhooks go to {elsewhere} and not to {public_url}", _CONNECT, name, "webhook")]
    if account.webhook == "business" and not elsewhere:
        return [Finding("bad", "the account's webhooks go where the app's go", _CONNECT, name, "webhook")]
    return [Finding("ok", "the app is subscribed to the business account", account=name, about="webhook")]


def _is_ours(subscriber: _Subscriber, settings: WhatsAppSettings) -> bool:
    app_id = str(subscriber.whatsapp_business_api_data.id)
    return not settings.app_id or not app_id or app_id == settings.app_id


async def _template_findings(line: GraphLine, name: str, account: WhatsAppAccount, token: SecretStr) -> list[Finding]:
    """One line for all that may be sent, and one for each that may not."""
    try:
        templates = await _templates(line, account, token)
    except _TROUBLES as error:
        return [trouble(error, name, "template")]
    approved = [each for each in templates if each.status.upper() == "APPROVED"]
    findings = [Finding("ok", f"{len(approved)} approved templates", account=name, about="template")]
    for each in templates:
        status = each.status.upper()
        if status not in {"APPROVED", "PENDING", "IN_APPEAL"}:
            said = f"the template {each.name} ({each.language}) is {status.lower()}"
            findings.append(Finding("warn", said, "mend it in WhatsApp Manager", name, "template"))
    return findings


async def _templates(line: GraphLine, account: WhatsAppAccount, token: SecretStr) -> list[_Template]:
    found: list[_Template] = []
    params = {"fields": "name,status,language", "limit": str(_PAGE)}
    for _ in range(TEMPLATE_PAGES):
        page = _decode_templates((await line.get(f"{account.waba_id}/message_templates", params, token)).body)
        found.extend(page.data)
        if not (page.paging.next and page.paging.cursors.after):
            break
        params["after"] = page.paging.cursors.after
    return found
