"""What agents are told of each account: whether they may write now, what its app can show, which texts are approved."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec
import structlog

from gateway.core.channel import ApprovedTemplate, KnowsTemplates, capabilities_of
from gateway.core.clock import Clock
from gateway.core.errors import GiveUp, Misconfigured, Retry
from gateway.core.ids import AccountId, MessageId, new_id
from gateway.core.messages import Author, Media, MediaKind, Outgoing, Parts, Text
from gateway.router.endpoints import Endpoints, OpenAccount
from gateway.router.policy import closes_at
from gateway.router.policy_guard import PolicyGuard
from gateway.store.consent import Standing
from gateway.web.desk.surface import Recipient, Speaking

log = structlog.get_logger(__name__)

TEMPLATES_KEPT_S = 300.0
TEMPLATES_WITHIN_S = 10.0
MOST_TEMPLATES = 500

_WORDS: Parts = (Text("."),)


class Shelf(msgspec.Struct, frozen=True):
    """The templates of an account, and until when they need not be asked for again (monotonic)."""

    templates: tuple[ApprovedTemplate, ...]
    until: float


class ServedSurfaces:
    """Fits ``Surfaces`` for the accounts that this process serves. *link* is where a provider would fetch a file."""

    def __init__(
        self, endpoints: Endpoints, guard: PolicyGuard, clock: Clock, link: Callable[[Media], str] | None = None
    ) -> None:
        self._endpoints = endpoints
        self._guard = guard
        self._clock = clock
        self._link = link
        self._shelves: dict[AccountId, Shelf] = {}
        self._asking: dict[AccountId, asyncio.Lock] = {}

    def speaking(self, standing: Standing) -> Speaking:
        """What the rules of sending would say to an agent's words now."""
        account = self._endpoints.get(standing.account_id)
        if account is None:
            return Speaking()
        judged = self._guard.judge(standing, Author.AGENT, _WORDS)
        window = account.spec.window
        end = closes_at(window, standing.heard_at, standing.window_until)
        words = {"es": judged.words.es, "en": judged.words.en} if judged.reason else {}
        match judged.kind:
            case "allowed":
                return Speaking("open", until=end)
            case "late":
                return Speaking("late", until=_after(standing.heard_at, window.agent_s), since=end)
            case "template":
                stand_in = self._guard.fallback(account.spec, standing.language, "")
                name = "" if stand_in is None else stand_in.name
                return Speaking("held", None, end, judged.reason, words, name, window.has_templates)
            case "refused":
                is_closed = judged.reason == "window_closed"
                has_templates = is_closed and window.has_templates
                return Speaking(
                    "closed" if is_closed else "refused", None, end, judged.reason, words, "", has_templates
                )

    def media(self, account_id: AccountId) -> frozenset[MediaKind] | None:
        """The kinds of files that the app shows."""
        account = self._endpoints.get(account_id)
        return None if account is None else capabilities_of(account.channel, account.spec.app).media

    def losses(self, to: Recipient, parts: Parts) -> tuple[str, ...]:
        """What the channel itself says that it would lose. Raises ``GiveUp`` when nothing of them can be shown."""
        account = self._endpoints.get(to.account_id)
        if account is None:
            return ()
        calls = account.channel.render(account.settings, self._outgoing(account, to, parts))
        return tuple(dict.fromkeys(loss for call in calls for loss in call.losses))

    async def templates(self, account_id: AccountId) -> Sequence[ApprovedTemplate]:
        """Asked of the provider at most every few minutes. Raises ``Retry`` or ``GiveUp``."""
        account = self._endpoints.get(account_id)
        if account is None or not account.spec.window.has_templates:
            return ()
        async with self._asking.setdefault(account_id, asyncio.Lock()):
            known = self._shelves.get(account_id)
            if known is not None and known.until > self._clock.monotonic():
                return known.templates
            found = await self._asked(account)
            self._shelves[account_id] = Shelf(found, self._clock.monotonic() + TEMPLATES_KEPT_S)
            return found

    def template_text(self, account_id: AccountId, name: str, language: str) -> str:
        """The text of a template as it was told last."""
        shelf = self._shelves.get(account_id)
        if shelf is None:
            return ""
        code = language.replace("-", "_")
        texts: Mapping[str, str] = {each.language: each.text for each in shelf.templates if each.name == name}
        return texts.get(code) or texts.get(code.partition("_")[0]) or next(iter(texts.values()), "")

    async def _asked(self, account: OpenAccount) -> tuple[ApprovedTemplate, ...]:
        client = account.client
        if not isinstance(client, KnowsTemplates):
            return self._of_the_author(account)
        try:
            async with asyncio.timeout(TEMPLATES_WITHIN_S):
                found = await client.templates(account.spec.external)
        except TimeoutError:
            raise Retry("the provider does not tell its templates now") from None
        except Misconfigured as error:
            raise GiveUp("misconfigured", error.detail) from None
        return tuple(found[:MOST_TEMPLATES])

    def _of_the_author(self, account: OpenAccount) -> tuple[ApprovedTemplate, ...]:
        """Where the provider cannot be asked, the one that the bot's author named is known to be there."""
        stand_in = self._guard.fallback(account.spec, "", "")
        if stand_in is None:
            return ()
        return (ApprovedTemplate(stand_in.name, stand_in.language, "", len(stand_in.values)),)

    def _outgoing(self, account: OpenAccount, to: Recipient, parts: Parts) -> Outgoing:
        link = self._link
        links = {} if link is None else {part.blob: link(part) for part in parts if isinstance(part, Media)}
        return Outgoing(
            message_id=MessageId(new_id()),
            conversation_id=to.conversation_id,
            account_id=to.account_id,
            recipient=to.recipient,
            author=Author.AGENT,
            parts=parts,
            name=to.agent,
            account=account.spec.external,
            app=account.spec.app,
            language=to.language,
            links=links,
        )


def _after(at: datetime | None, seconds: float) -> datetime | None:
    return None if at is None else at + timedelta(seconds=seconds)
