"""Sets Zendesk up to call us, and examines whether it does: webhook, trigger, secrets, permissions, fields, budget.

Everything of ours is found by its address or its name, so that repeating it changes nothing.
"""

from __future__ import annotations

import secrets as randomness
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date
from email.utils import parsedate_to_datetime

import structlog

from gateway.core.channel import Finding, Kept
from gateway.core.clock import Clock
from gateway.core.desks import NotYet
from gateway.core.errors import Misconfigured, TertuliaError
from handoff.desks.zendesk.client import ZendeskClient
from handoff.desks.zendesk.parse import SUBSCRIPTIONS
from handoff.desks.zendesk.settings import ZendeskSettings
from handoff.desks.zendesk.wire import Named, WireUser, WireWebhook

log = structlog.get_logger(__name__)

SECRETS = "signing_secrets"
"""Under which the webhooks' secrets are kept, one a line."""

CONDITIONAL = "conditional_ticket_events"
TOKENS_MADE_UNTIL = date(2026, 10, 27)
TOKENS_END = date(2027, 4, 30)
CLOCK_IS_FINE_S = 60.0

PING = '{"ticket_id":"{{ticket.id}}","external_id":"{{ticket.external_id}}"}'
"""What the trigger sends: numbers and our own names only, since placeholders are not escaped for JSON."""

CONNECT = "run `tertulia desk connect`"

_Step = Callable[[], Awaitable[Sequence[Finding]]]


class Connecting:
    """Fits the two calls of ``ConnectsDesk``."""

    def __init__(self, desk: str, settings: ZendeskSettings, client: ZendeskClient, kept: Kept, clock: Clock) -> None:
        self._desk = desk
        self._settings = settings
        self._client = client
        self._kept = kept
        self._clock = clock

    # ------------------------------------------------------------ connect

    async def connect(self, webhook_url: str) -> Sequence[Finding]:
        """Make or mend the webhooks (and the trigger, where the settings want one), and keep their secrets."""
        if not webhook_url.startswith("https://") and not webhook_url.startswith("http://127.0.0.1"):
            raise Misconfigured("server.public_url", "Zendesk calls https addresses only; set the public one")
        findings: list[Finding] = []
        wanted = [(self._settings.webhook_name, list(SUBSCRIPTIONS))]
        if self._settings.uses_trigger:
            wanted.append((f"{self._settings.webhook_name} trigger", [CONDITIONAL]))
        ids = []
        for name, subscriptions in wanted:
            webhook_id, told = await self._webhook(name, webhook_url, subscriptions)
            ids.append(webhook_id)
            findings.append(told)
        if self._settings.uses_trigger:
            findings.append(await self._trigger(ids[-1]))
        findings.append(await self._keep_secrets(ids))
        return findings

    async def _webhook(self, name: str, url: str, subscriptions: list[str]) -> tuple[str, Finding]:
        """The webhook of that kind which leads here, as it must be. Its id, and what was done."""
        fields: dict[str, object] = {
            "name": name,
            "endpoint": url,
            "http_method": "POST",
            "request_format": "json",
            "status": "active",
            "subscriptions": subscriptions,
        }
        found = _matching(await self._client.webhooks(), name, url, subscriptions)
        if found is None:
            made = await self._client.make_webhook(fields)
            return str(made.id), Finding("ok", f"made the webhook {name!r} to {url}", about="webhook")
        if _is_right(found, url, subscriptions):
            return str(found.id), Finding("ok", f"the webhook {found.name!r} leads here already", about="webhook")
        await self._client.change_webhook(str(found.id), fields)
        return str(found.id), Finding("ok", f"mended the webhook {name!r}: it leads to {url} now", about="webhook")

    async def _trigger(self, webhook_id: str) -> Finding:
        me = await self._client.me()
        fields: dict[str, object] = {
            "title": self._settings.webhook_name,
            "active": True,
            "conditions": {
                "all": [
                    {"field": "update_type", "operator": "is", "value": "Change"},
                    {"field": "role", "operator": "is_not", "value": str(me.id)},
                ],
                "any": [],
            },
            "actions": [{"field": "notification_webhook", "value": [webhook_id, PING]}],
        }
        title = self._settings.webhook_name
        found = next((one for one in await self._client.listed("triggers") if one.title == title), None)
        if found is None:
            await self._client.make_trigger(fields)
            return Finding("ok", f"made the trigger {title!r}", about="webhook")
        if found.active and _calls(found, webhook_id):
            return Finding("ok", f"the trigger {title!r} is there already", about="webhook")
        await self._client.change_trigger(found.id, fields)
        return Finding("ok", f"mended the trigger {title!r}", about="webhook")

    async def _keep_secrets(self, ids: Sequence[str]) -> Finding:
        found = [await self._client.webhook_secret(webhook_id) for webhook_id in ids]
        older = [line for line in (await self._kept.get(SECRETS)).splitlines() if line not in found]
        await self._kept.put(SECRETS, "\n".join([*found, *older[:1]]))
        return Finding("ok", "kept the secret with which Zendesk signs", about="webhook")

    # ------------------------------------------------------------ doctor

    async def doctor(self, webhook_url: str) -> Sequence[Finding]:
        """How things stand, a line each; what cannot be found out says why."""
        findings = [*_about_token(self._settings, self._clock.now().date())]
        try:
            me = await self._client.me()
        except NotYet as error:
            return [*findings, Finding("warn", f"no budget to ask ({error})", "wait a minute", about="limits")]
        except Misconfigured as error:
            return [*findings, Finding("bad", f"{error.key} {error.detail}", "see the README", about="credentials")]
        except TertuliaError as error:
            advice = "look at subdomain and api_url, and whether Zendesk is up"
            return [*findings, Finding("bad", f"Zendesk cannot be asked: {error}", advice, about="credentials")]
        findings.append(
            Finding("ok", f"reaches {self._settings.base_url} as a user of role {me.role}", about="credentials")
        )
        findings += _about_role(me, self._settings)
        steps: list[tuple[str, _Step]] = [
            ("permissions", self._about_parts),
            ("webhook", lambda: self._about_webhooks(webhook_url)),
            ("clock", self._about_clock),
        ]
        for about, step in steps:
            findings += await self._told(about, step)
        return [*findings, self._about_budget()]

    async def _told(self, about: str, step: _Step) -> Sequence[Finding]:
        try:
            return await step()
        except TertuliaError as error:
            return [Finding("bad", f"cannot be found out: {error}", "an admin's token can read it", about=about)]

    async def _about_parts(self) -> Sequence[Finding]:
        """Whether what the settings name is there."""
        settings = self._settings
        groups = {rule.group for rule in settings.groups} | ({settings.group} if settings.group else set())
        wanted: list[tuple[str, str, set[int]]] = [
            ("ticket_fields", "field", set(settings.field_places)),
            ("groups", "group", groups),
            ("ticket_forms", "form", {settings.form} if settings.form else set()),
            ("brands", "brand", {settings.brand} if settings.brand else set()),
        ]
        findings: list[Finding] = []
        for collection, key, ids in wanted:
            if ids:
                there = {one.id: one for one in await self._client.listed(collection)}
                findings += [_about_one(key, number, there.get(number)) for number in sorted(ids)]
        return findings

    async def _about_webhooks(self, url: str) -> Sequence[Finding]:
        if not url:
            advice = "set it to the https address by which Zendesk reaches this server"
            return [Finding("bad", "server.public_url is not set", advice, about="webhook")]
        webhooks = await self._client.webhooks()
        ours = [one for one in webhooks if (one.endpoint or "").rstrip("/") == url]
        if not ours:
            return [Finding("bad", f"no webhook leads to {url}", CONNECT, about="webhook")]
        findings = [_about_webhook(one) for one in ours]
        heard = {subscription for one in ours for subscription in one.subscriptions}
        missing = [name for name in SUBSCRIPTIONS if name not in heard]
        if missing and CONDITIONAL not in heard:
            findings.append(Finding("bad", f"not subscribed to {', '.join(missing)}", CONNECT, about="webhook"))
        if self._settings.uses_trigger:
            findings.append(await self._about_trigger([str(one.id) for one in ours]))
        findings.append(await self._about_secret([str(one.id) for one in ours]))
        return findings

    async def _about_trigger(self, webhook_ids: Sequence[str]) -> Finding:
        triggers = await self._client.listed("triggers")
        calling = [one for one in triggers if any(_calls(one, webhook_id) for webhook_id in webhook_ids)]
        if any(one.active for one in calling):
            return Finding("ok", "a trigger calls the webhook", about="webhook")
        return Finding("bad", "no active trigger calls the webhook", CONNECT, about="webhook")

    async def _about_secret(self, webhook_ids: Sequence[str]) -> Finding:
        known = await known_secrets(self._settings, self._kept)
        theirs = [await self._client.webhook_secret(webhook_id) for webhook_id in webhook_ids]
        if all(any(randomness.compare_digest(one, other) for other in known) for one in theirs):
            return Finding("ok", "we know the secret with which Zendesk signs", about="webhook")
        return Finding("bad", "we do not know the secret with which Zendesk signs", CONNECT, about="webhook")

    async def _about_clock(self) -> Sequence[Finding]:
        try:
            theirs = parsedate_to_datetime(await self._client.server_time())
        except ValueError:
            return [Finding("warn", "Zendesk does not tell its time", about="clock")]
        off_s = abs((self._clock.now() - theirs.astimezone(UTC)).total_seconds())
        if off_s <= CLOCK_IS_FINE_S:
            return [Finding("ok", f"the clocks agree ({off_s:.0f} s)", about="clock")]
        advice = "set this machine's clock: webhooks are refused when it is wrong"
        level = "bad" if off_s > self._settings.signature_window_s else "warn"
        return [
            Finding("bad" if level == "bad" else "warn", f"the clocks differ by {off_s:.0f} s", advice, about="clock")
        ]

    def _about_budget(self) -> Finding:
        room = self._client.budget.room
        if room is None:
            return Finding("warn", "Zendesk does not tell how many requests are left", about="limits")
        told = f"{room.left} of {room.limit} requests are left in this minute"
        if room.left < room.limit * 0.2:
            return Finding("warn", told, "other integrations use up the account's requests", about="limits")
        if room.limit < self._settings.rates.requests:
            return Finding("warn", told, f"set rates.requests = {room.limit}", about="limits")
        return Finding("ok", told, about="limits")


async def known_secrets(settings: ZendeskSettings, kept: Kept) -> tuple[str, ...]:
    """The secrets with which a webhook may be signed; none: no webhook is taken."""
    given = (settings.webhook_secret.get_secret_value(), settings.webhook_secret_previous.get_secret_value())
    found = (*given, *(await kept.get(SECRETS)).splitlines())
    return tuple(dict.fromkeys(secret.strip() for secret in found if secret.strip()))


def token_words(today: date) -> str:
    """What an operator must know who still signs in with an API token."""
    if today > TOKENS_END:
        return f"Zendesk's API tokens ended on {TOKENS_END}"
    return f"Zendesk makes no new API tokens since {TOKENS_MADE_UNTIL} and ends all of them on {TOKENS_END}"


def _about_token(settings: ZendeskSettings, today: date) -> Sequence[Finding]:
    if settings.has_oauth:
        return ()
    advice = "make an OAuth client in the Admin Center and set oauth_token"
    return [Finding("bad" if today > TOKENS_END else "warn", token_words(today), advice, about="credentials")]


def _about_role(me: WireUser, settings: ZendeskSettings) -> Sequence[Finding]:
    del settings
    if me.role == "admin":
        return ()
    if me.role == "agent":
        advice = (
            "an admin's token is needed for `desk connect`; for the rest an agent with access to all tickets will do"
        )
        return [Finding("warn", "the token's user is an agent, not an admin", advice, about="permissions")]
    advice = "use the token of an agent or admin who is nobody's own"
    return [
        Finding(
            "bad",
            f"the token's user is {me.role or 'unknown'}: it cannot write for others",
            advice,
            about="permissions",
        )
    ]


def _about_one(key: str, number: int, found: Named | None) -> Finding:
    if found is None:
        return Finding("bad", f"{key} {number} is not there", "correct its number in the settings", about="permissions")
    if found.active is False or found.deleted:
        return Finding("bad", f"{key} {number} is not active", "activate it, or take it out", about="permissions")
    return Finding("ok", f"{key} {number} is there: {found.name or found.title}", about="permissions")


def _about_webhook(found: WireWebhook) -> Finding:
    if found.status != "active":
        return Finding("bad", f"the webhook {found.name!r} is {found.status}", CONNECT, about="webhook")
    if (found.http_method or "POST").upper() != "POST" or (found.request_format or "json") != "json":
        return Finding("bad", f"the webhook {found.name!r} does not POST JSON", CONNECT, about="webhook")
    return Finding("ok", f"the webhook {found.name!r} leads here", about="webhook")


def _matching(webhooks: Sequence[WireWebhook], name: str, url: str, subscriptions: Sequence[str]) -> WireWebhook | None:
    """Ours: of that name, else one of the same kind that leads here."""
    by_name = [one for one in webhooks if one.name == name]
    is_trigger = CONDITIONAL in subscriptions
    by_url = [one for one in webhooks if one.endpoint == url and (CONDITIONAL in one.subscriptions) == is_trigger]
    return next(iter([*by_name, *by_url]), None)


def _is_right(found: WireWebhook, url: str, subscriptions: Sequence[str]) -> bool:
    is_json = (found.http_method or "").upper() == "POST" and found.request_format == "json"
    is_all = set(found.subscriptions) >= set(subscriptions)
    return found.endpoint == url and found.status == "active" and is_json and is_all


def _calls(trigger: Named, webhook_id: str) -> bool:
    """Whether a trigger's actions name a webhook."""
    for action in trigger.actions:
        value = action.get("value") if isinstance(action, dict) else None
        first = value[0] if isinstance(value, list) and value else value
        if str(first) == webhook_id:
            return True
    return False
