"""Where we stand at Zendesk: the custom integration with its webhook, and our seat on the switchboard.

``establish`` makes what is missing and changes what is otherwise, so that repeating it changes nothing; ``examine``
only looks. Both tell what they found.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from typing import TypeVar
from urllib.parse import quote

import msgspec

from channels.sunshine.failures import Refused
from channels.sunshine.settings import TRIGGERS, SunshineSettings
from channels.sunshine.transport import AppLine, as_error
from channels.sunshine.wire import (
    Integration,
    RegisteredWebhook,
    Seat,
    Switchboard,
    decode_integrations,
    decode_made_integration,
    decode_made_seat,
    decode_made_switchboard,
    decode_made_webhook,
    decode_seats,
    decode_switchboards,
)
from gateway.core.channel import Finding
from gateway.core.errors import Misconfigured, Retry, TertuliaError

_PAGES = 20

_Made = TypeVar("_Made")


class Registration:
    """What one app has registered for the webhook at *public_url*, which is told of *triggers*.

    *command* is what sets it right, for the advice in what was found.
    """

    def __init__(
        self,
        line: AppLine,
        settings: SunshineSettings,
        public_url: str,
        *,
        triggers: Sequence[str] = TRIGGERS,
        command: str = "tertulia channels connect",
    ) -> None:
        self._line = line
        self._settings = settings
        self._public_url = public_url
        self._triggers = tuple(triggers)
        self._connect = f"run: {command}"

    # ------------------------------------------------------------ making it so

    async def establish(self) -> list[Finding]:
        """Register all that is missing. Raises what a refused call means; repeating it is harmless."""
        try:
            return await self._establish()
        except Refused as refused:
            raise as_error(refused) from None

    async def _establish(self) -> list[Finding]:
        everything = await self._integrations()
        integration, webhook, is_new = await self._established_webhook(self._own_integration(everything))
        findings = [
            Finding("ok", f"webhooks go to {self._public_url}", about="webhook"),
            self._secret_finding(webhook, shows_secret=True, is_new=is_new),
        ]
        switchboard = await self._established_switchboard()
        seats = await self._seats(switchboard)
        seat = await self._established_seat(switchboard, seats, integration)
        findings += await self._put_in_front(switchboard, seat)
        findings += self._next_findings(seat, await self._seats(switchboard))
        return findings + self._override_findings(seat, everything)

    async def _established_webhook(self, found: Integration | None) -> tuple[Integration, RegisteredWebhook, bool]:
        if found is None:
            wanted = {
                "type": "custom",
                "status": "active",
                "displayName": self._settings.integration_name,
                "webhooks": [self._wanted_webhook()],
            }
            made = await self._write("POST", "/integrations", wanted, decode_made_integration)
            return made.integration, next(iter(made.integration.webhooks), RegisteredWebhook()), True
        webhook = next(iter(found.webhooks), None)
        path = f"/integrations/{quote(found.id, safe='')}/webhooks"
        if webhook is None:
            added = await self._write("POST", path, self._wanted_webhook(), decode_made_webhook)
            return found, added.webhook, True
        if self._is_as_wanted(webhook):
            return found, webhook, False
        changed = await self._write(
            "PATCH", f"{path}/{quote(webhook.id, safe='')}", self._wanted_webhook(), decode_made_webhook
        )
        secret = changed.webhook.secret or webhook.secret
        return found, msgspec.structs.replace(changed.webhook, secret=secret), False

    def _wanted_webhook(self) -> dict[str, object]:
        return {
            "target": self._public_url,
            "triggers": list(self._triggers),
            "includeFullUser": True,
            "includeFullSource": True,
        }

    def _is_as_wanted(self, webhook: RegisteredWebhook) -> bool:
        return (
            webhook.target == self._public_url
            and set(webhook.triggers) == set(self._triggers)
            and webhook.include_full_user
            and webhook.include_full_source
        )

    async def _established_switchboard(self) -> Switchboard:
        found = await self._switchboard()
        if found is not None:
            return found
        made = await self._write("POST", "/switchboards", {}, decode_made_switchboard)
        return made.switchboard

    async def _established_seat(
        self, switchboard: Switchboard, seats: Sequence[Seat], integration: Integration
    ) -> Seat:
        following = self._next_seat(seats)
        wanted: dict[str, object] = {
            "name": self._settings.switchboard_name,
            "integrationId": integration.id,
            "deliverStandbyEvents": self._settings.hears_standby,
        }
        if following is not None:
            wanted["nextSwitchboardIntegrationId"] = following.id
        path = f"/switchboards/{quote(switchboard.id, safe='')}/switchboardIntegrations"
        seat = self._own_seat(seats)
        if seat is None:
            made = await self._write("POST", path, wanted, decode_made_seat)
            return made.switchboard_integration
        is_as_wanted = (
            seat.integration_id == integration.id
            and seat.deliver_standby_events == self._settings.hears_standby
            and (following is None or seat.next_switchboard_integration_id == following.id)
        )
        if is_as_wanted:
            return seat
        changed = await self._write("PATCH", f"{path}/{quote(seat.id, safe='')}", wanted, decode_made_seat)
        return changed.switchboard_integration

    async def _put_in_front(self, switchboard: Switchboard, seat: Seat) -> list[Finding]:
        """Enable the switchboard with us as the first to answer, where the settings ask for it."""
        is_first = switchboard.default_switchboard_integration_id == seat.id
        if not self._settings.is_first_responder:
            return self._switchboard_findings(switchboard, seat)
        if not (is_first and switchboard.enabled):
            wanted = {"enabled": True, "defaultSwitchboardIntegrationId": seat.id}
            path = f"/switchboards/{quote(switchboard.id, safe='')}"
            made = await self._write("PATCH", path, wanted, decode_made_switchboard)
            switchboard = made.switchboard
        return self._switchboard_findings(switchboard, seat)

    # ------------------------------------------------------------ looking

    async def examine(self) -> list[Finding]:
        """How things stand. Raises nothing but bugs."""
        try:
            await self._line.get("")
            findings = [Finding("ok", f"the key opens app {self._settings.app_id}", about="credentials")]
            everything = await self._integrations()
            integration = self._own_integration(everything)
            findings += self._webhook_findings(integration)
            switchboard = await self._switchboard()
            if switchboard is None:
                return [*findings, Finding("bad", "the app has no switchboard", self._connect, about="switchboard")]
            seats = await self._seats(switchboard)
        except Refused as refused:
            return [_failure_finding(as_error(refused))]
        except TertuliaError as error:
            return [_failure_finding(error)]
        seat = self._own_seat(seats)
        if seat is None:
            what = f"nobody named {self._settings.switchboard_name!r} is on the switchboard"
            return [*findings, Finding("bad", what, self._connect, about="switchboard")]
        if integration is not None and seat.integration_id != integration.id:
            what = f"{seat.name!r} on the switchboard belongs to another integration ({seat.integration_id})"
            findings.append(Finding("bad", what, self._connect, about="switchboard"))
        findings += self._switchboard_findings(switchboard, seat)
        findings += self._standby_findings(seat)
        findings += self._next_findings(seat, seats)
        return findings + self._override_findings(seat, everything)

    def _webhook_findings(self, integration: Integration | None) -> list[Finding]:
        webhook = next(iter(integration.webhooks), None) if integration is not None else None
        if webhook is None:
            return [Finding("bad", "no webhook is registered", self._connect, about="webhook")]
        if webhook.target != self._public_url:
            what = f"webhooks go to {webhook.target} and not to {self._public_url}"
            return [Finding("bad", what, self._connect, about="webhook")]
        findings = [Finding("ok", f"webhooks go to {self._public_url}", about="webhook")]
        if integration is not None and integration.status not in {None, "active"}:
            what = f"the integration is {integration.status}"
            findings.append(Finding("bad", what, "activate it in Zendesk's Admin Center", about="webhook"))
        missing = sorted(set(self._triggers) - set(webhook.triggers))
        if missing:
            findings.append(Finding("warn", f"not subscribed to {', '.join(missing)}", self._connect, about="webhook"))
        if not webhook.include_full_user:
            findings.append(Finding("warn", "webhooks do not tell who writes", self._connect, about="webhook"))
        findings.append(self._secret_finding(webhook, shows_secret=False, is_new=False))
        return findings

    def _secret_finding(self, webhook: RegisteredWebhook, *, shows_secret: bool, is_new: bool) -> Finding:
        """Whether the settings hold the webhook's secret. Only whoever connects is shown it, when it is needed."""
        secret = webhook.secret or ""
        if not secret:
            what = "Zendesk does not tell the webhook's secret"
            return Finding("warn", what, "see that webhook_secret holds the one from the Admin Center", about="webhook")
        known = (self._settings.webhook_secret, self._settings.webhook_secret_previous)
        if any(hmac.compare_digest(secret.encode(), one.get_secret_value().encode()) for one in known):
            return Finding("ok", "webhook_secret is the webhook's own", about="webhook")
        what = "a webhook was made" if is_new else "webhook_secret is not the webhook's: every message is refused"
        advice = f'set webhook_secret = "{secret}" and restart' if shows_secret else f"{self._connect}, which shows it"
        return Finding("bad", what, advice, about="webhook")

    def _switchboard_findings(self, switchboard: Switchboard, seat: Seat) -> list[Finding]:
        findings: list[Finding] = []
        if not switchboard.enabled:
            what = "the switchboard is off: all integrations hear everything, and nobody is in control"
            advice = self._connect if self._settings.is_first_responder else "enable it in Zendesk's Admin Center"
            findings.append(Finding("bad", what, advice, about="switchboard"))
        is_first = switchboard.default_switchboard_integration_id == seat.id
        if is_first:
            findings.append(Finding("ok", f"{seat.name!r} is the first to answer", about="switchboard"))
        elif self._settings.is_first_responder:
            what = f"{seat.name!r} is not the first to answer"
            advice = f"{self._connect}, or set is_first_responder = false"
            findings.append(Finding("bad", what, advice, about="switchboard"))
        else:
            findings.append(Finding("ok", f"{seat.name!r} answers what is passed to it", about="switchboard"))
        return findings

    def _standby_findings(self, seat: Seat) -> list[Finding]:
        if seat.deliver_standby_events == self._settings.hears_standby:
            return []
        is_deaf = not seat.deliver_standby_events
        what = "what is said while others have control is " + ("not told to us" if is_deaf else "told to us")
        return [Finding("warn", what, self._connect, about="switchboard")]

    def _next_findings(self, seat: Seat, seats: Sequence[Seat]) -> list[Finding]:
        wanted = self._settings.next_responder
        if not wanted:
            return []
        following = self._next_seat(seats)
        if following is None:
            known = ", ".join(sorted(filter(None, (one.name or one.integration_type for one in seats))))
            what = f"nobody on the switchboard is called {wanted!r} (there are: {known})"
            return [Finding("warn", what, "set next_responder to one of these", about="switchboard")]
        if seat.next_switchboard_integration_id != following.id:
            what = f"after us comes somebody else than {wanted!r}"
            return [Finding("warn", what, self._connect, about="switchboard")]
        return [Finding("ok", f"after us comes {wanted!r}", about="switchboard")]

    def _override_findings(self, seat: Seat, everything: Sequence[Integration]) -> list[Finding]:
        """Channels of the app whose visitors meet somebody else first, by a setting of their own: left as it is."""
        if not self._settings.is_first_responder:
            return []
        return [
            Finding(
                "warn",
                f"on {one.display_name or one.type} ({one.type}) somebody else is the first to answer",
                "change that channel's default responder in Zendesk's Admin Center",
                about="switchboard",
            )
            for one in everything
            if one.default_responder_id not in {None, "", seat.id}
            and not (one.default_responder is not None and one.default_responder.inherited)
        ]

    # ------------------------------------------------------------ what there is

    async def _integrations(self) -> list[Integration]:
        """All that is connected to the app: widgets, apps, programs."""
        found: list[Integration] = []
        query = {"page[size]": "100"}
        for _ in range(_PAGES):
            page = _decoded(await self._line.get("/integrations", query), decode_integrations)
            found += page.integrations
            after = page.meta.after_cursor if page.meta is not None and page.meta.has_more else None
            if not after:
                break
            query = {**query, "page[after]": after}
        return found

    def _own_integration(self, everything: Sequence[Integration]) -> Integration | None:
        """The one that leads to our address, else the one with our name."""
        custom = [one for one in everything if one.type in {"", "custom"}]
        leads_here = [one for one in custom if any(hook.target == self._public_url for hook in one.webhooks)]
        named = [one for one in custom if one.display_name == self._settings.integration_name]
        return next(iter([*leads_here, *named]), None)

    async def _switchboard(self) -> Switchboard | None:
        """The app's: an app has one."""
        answer = _decoded(await self._line.get("/switchboards"), decode_switchboards)
        return next(iter(answer.switchboards), None)

    async def _seats(self, switchboard: Switchboard) -> tuple[Seat, ...]:
        path = f"/switchboards/{quote(switchboard.id, safe='')}/switchboardIntegrations"
        return _decoded(await self._line.get(path), decode_seats).switchboard_integrations

    def _own_seat(self, seats: Sequence[Seat]) -> Seat | None:
        return next((seat for seat in seats if seat.name == self._settings.switchboard_name), None)

    def _next_seat(self, seats: Sequence[Seat]) -> Seat | None:
        wanted = self._settings.next_responder
        others = [seat for seat in seats if seat.name != self._settings.switchboard_name]
        by_rank: tuple[Callable[[Seat], bool], ...] = (
            lambda seat: seat.id == wanted,
            lambda seat: seat.name == wanted,
            lambda seat: seat.integration_type == wanted,
        )
        return next((seat for fits in by_rank for seat in others if wanted and fits(seat)), None)

    async def _write(self, method: str, path: str, body: object, decode: Callable[[bytes], _Made]) -> _Made:
        write = self._line.post if method == "POST" else self._line.patch
        return _decoded(await write(path, body), decode)


def _decoded(answer: bytes, decode: Callable[[bytes], _Made]) -> _Made:
    try:
        return decode(answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Retry(f"Zendesk's answer cannot be read ({type(error).__name__})") from None


def _failure_finding(error: TertuliaError) -> Finding:
    advice = "correct the setting" if isinstance(error, Misconfigured) else "see whether the API can be reached"
    about = "credentials" if isinstance(error, Misconfigured) else ""
    return Finding("bad", str(error), advice, about=about)
