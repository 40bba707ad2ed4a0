"""Registers our webhook with Twilio, and asks how things stand: one place for both, as they look at the same."""

from __future__ import annotations

from typing import Literal

import msgspec

from channels.twilio.callbacks import RETRIES
from channels.twilio.replies import (
    Account,
    Approvals,
    Number,
    Numbers,
    Sender,
    Senders,
    SenderWebhook,
    Service,
    read,
)
from channels.twilio.settings import TwilioAccount, TwilioSettings
from channels.twilio.transport import Pairs, Transport
from gateway.core.channel import Finding
from gateway.core.errors import GiveUp, Misconfigured, TertuliaError

_CONNECT = "run: tertulia channels connect"
_MAX_PAGES = 20
_encode = msgspec.json.Encoder().encode


class Registration(msgspec.Struct, frozen=True):
    """Where Twilio sends what comes to one account: ``url`` as it stands there, and by which ``method``."""

    url: str
    method: str


class Connecting:
    """One endpoint's registrations."""

    def __init__(self, settings: TwilioSettings, transport: Transport) -> None:
        self._settings = settings
        self._transport = transport
        self._account_url = f"{settings.api_url}/2010-04-01/Accounts/{settings.account_sid}"

    async def connect(self, public_url: str) -> list[Finding]:
        """Set the webhook of every account. Raises as a send does when Twilio refuses all of them alike."""
        ours = self._ours(public_url)
        findings: list[Finding] = []
        for account in self._settings.accounts.values():
            try:
                findings.append(await self._connect_one(account, ours))
            except (GiveUp, Misconfigured) as error:
                findings.append(_failed(error, account.address))
        return findings

    async def doctor(self, public_url: str) -> list[Finding]:
        """Everything that Twilio can be asked."""
        findings = [await self._credentials()]
        if findings[0].level == "bad":
            return findings
        if not self._ours(public_url).startswith(("https://", "http://")):
            advice = "set server.public_url, or webhook_url of this endpoint"
            return [*findings, Finding("bad", "our own address is unknown: no signature fits", advice, about="webhook")]
        for account in self._settings.accounts.values():
            findings += await self._examined(account, self._ours(public_url))
        for name, sid in self._settings.templates.items():
            findings.append(await self._template(name, sid))
        return findings

    def _ours(self, public_url: str) -> str:
        return self._settings.webhook_url or public_url

    # ------------------------------------------------------------ setting

    async def _connect_one(self, account: TwilioAccount, ours: str) -> Finding:
        inbound = ours + RETRIES
        if account.messaging_service_sid:
            return await self._connect_service(account, inbound)
        if account.app == "whatsapp":
            return await self._connect_sender(account, inbound)
        number, collection = await self._number(account)
        if number is None:
            return _unknown(account)
        form = [("SmsUrl", inbound), ("SmsMethod", "POST")]
        changed = read(await self._transport.post_form(f"{collection}/{number.sid}.json", form), Number)
        return _judged(account, Registration(changed.sms_url or "", changed.sms_method or ""), ours)

    async def _connect_service(self, account: TwilioAccount, inbound: str) -> Finding:
        form: Pairs = [
            ("InboundRequestUrl", inbound),
            ("InboundMethod", "POST"),
            ("StatusCallback", inbound),
            ("UseInboundWebhookOnNumber", "false"),
        ]
        answer = await self._transport.post_form(self._service_url(account), form)
        return _judged(account, _of_service(read(answer, Service)), inbound.partition("#")[0])

    async def _connect_sender(self, account: TwilioAccount, inbound: str) -> Finding:
        sender = await self._sender(account)
        if sender is None:
            return _unknown(account)
        webhook = SenderWebhook(inbound, "POST", inbound, "POST")
        url = f"{self._settings.messaging_base}/v2/Channels/Senders/{sender.sid}"
        changed = read(await self._transport.post_json(url, _encode({"webhook": webhook})), Sender)
        return _judged(account, _of_sender(changed), inbound.partition("#")[0])

    # ------------------------------------------------------------ asking

    async def _credentials(self) -> Finding:
        try:
            account = read(await self._transport.get(f"{self._account_url}.json"), Account)
        except TertuliaError as error:
            return Finding("bad", str(error), "correct account_sid and auth_token", about="credentials")
        if account.status != "active":
            advice = "see the console of Twilio"
            return Finding("bad", f"the account is {account.status}", advice, about="credentials")
        return Finding("ok", f"the account is {account.friendly_name or 'active'}", about="credentials")

    async def _examined(self, account: TwilioAccount, ours: str) -> list[Finding]:
        try:
            if account.messaging_service_sid:
                service = read(await self._transport.get(self._service_url(account)), Service)
                return [_judged(account, _of_service(service), ours)]
            if account.app == "whatsapp":
                sender = await self._sender(account)
                return [_unknown(account)] if sender is None else _sender_findings(account, sender, ours)
            number, _ = await self._number(account)
            return [_unknown(account)] if number is None else _number_findings(account, number, ours)
        except TertuliaError as error:
            return [_failed(error, account.address)]

    async def _template(self, name: str, sid: str) -> Finding:
        url = f"{self._settings.content_base}/v1/Content/{sid}/ApprovalRequests"
        try:
            approval = read(await self._transport.get(url), Approvals).whatsapp
        except TertuliaError as error:
            return Finding("bad", f"template {name}: {error}", "see whether its sid is right", about="template")
        what = f"template {name} is {approval.status or 'unsubmitted'} for WhatsApp"
        match approval.status:
            case "approved":
                return Finding("ok", what, about="template")
            case "rejected" | "paused" | "disabled":
                advice = approval.rejection_reason or "see Twilio's content editor"
                return Finding("bad", what, advice, about="template")
            case _:
                advice = "outside of the window it cannot be sent before WhatsApp approves it"
                return Finding("warn", what, advice, about="template")

    # ------------------------------------------------------------ finding

    def _service_url(self, account: TwilioAccount) -> str:
        return f"{self._settings.messaging_base}/v1/Services/{account.messaging_service_sid}"

    async def _number(self, account: TwilioAccount) -> tuple[Number | None, str]:
        """The number or short code, and the address of its kind."""
        if account.address.startswith("+"):
            collection, wanted = f"{self._account_url}/IncomingPhoneNumbers", ("PhoneNumber", account.address)
        else:
            collection, wanted = f"{self._account_url}/SMS/ShortCodes", ("ShortCode", account.address)
        found = read(await self._transport.get(f"{collection}.json", [wanted]), Numbers)
        numbers = (*found.incoming_phone_numbers, *found.short_codes)
        return (numbers[0] if numbers else None), collection

    async def _sender(self, account: TwilioAccount) -> Sender | None:
        url: str | None = f"{self._settings.messaging_base}/v2/Channels/Senders?Channel=whatsapp&PageSize=100"
        for _ in range(_MAX_PAGES):
            if not url or not url.startswith(self._settings.messaging_base):  # our login goes nowhere else
                break
            page = read(await self._transport.get(url), Senders)
            for sender in page.senders:
                if sender.sender_id == account.address:
                    return sender
            url = page.meta.next_page_url
        return None


# ---------------------------------------------------------------- judging


def _of_service(service: Service) -> Registration:
    if service.use_inbound_webhook_on_number:
        return Registration("", "")
    return Registration(service.inbound_request_url or "", service.inbound_method or "POST")


def _of_sender(sender: Sender) -> Registration:
    webhook = sender.webhook or SenderWebhook()
    return Registration(webhook.callback_url or "", webhook.callback_method or "POST")


def _judged(account: TwilioAccount, found: Registration, ours: str) -> Finding:
    """Whether what comes to the account comes to us, again if need be."""
    url, _, fragment = found.url.partition("#")
    told: tuple[Literal["ok", "warn", "bad"], str, str] = ("ok", f"webhooks come to {_place(ours)}, with retries", "")
    if not url:
        told = "bad", "no webhook is set", _CONNECT
    elif url != ours:
        told = "bad", f"webhooks go to {_place(url)} and not to {_place(ours)}", _CONNECT
    elif found.method.upper() != "POST":
        told = "bad", f"webhooks come by {found.method}, which is not taken", _CONNECT
    elif f"#{fragment}" != RETRIES:
        told = "warn", "webhooks come without retries: what fails once is lost", _CONNECT
    return Finding(*told, account.address, "webhook")


def _place(url: str) -> str:
    """An address without its query, which may hold a token."""
    beginning, mark, _ = url.partition("?")
    return f"{beginning}?…" if mark else beginning


def _sender_findings(account: TwilioAccount, sender: Sender, ours: str) -> list[Finding]:
    findings = [_judged(account, _of_sender(sender), ours)]
    status = (sender.status or "ONLINE").upper()
    if not status.startswith("ONLINE"):
        advice = "see the WhatsApp senders in Twilio's console"
        findings.append(Finding("bad", f"the sender is {status.lower()}", advice, account.address, "permissions"))
    return findings


def _number_findings(account: TwilioAccount, number: Number, ours: str) -> list[Finding]:
    findings = [_judged(account, Registration(number.sms_url or "", number.sms_method or "POST"), ours)]
    can_write = {name.lower(): able for name, able in number.capabilities.items()}
    if not can_write.get("sms", True):
        advice = "choose a number that can"
        findings.append(Finding("bad", "the number cannot send text messages", advice, account.address, "permissions"))
    if account.has_mms and not can_write.get("mms", True):
        advice = "take has_mms out of the settings"
        findings.append(Finding("bad", "the number cannot send files", advice, account.address, "permissions"))
    return findings


def _unknown(account: TwilioAccount) -> Finding:
    advice = "correct its address, or register it with Twilio; WhatsApp's sandbox is set in the console only"
    return Finding("bad", "Twilio's account has no such sender", advice, account.address, "permissions")


def _failed(error: TertuliaError, address: str) -> Finding:
    return Finding("bad", str(error), "see the settings of this endpoint", address, "webhook")
