"""A visitor's way in: who may speak with the site, who they are, and which conversations are theirs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from aiohttp import web

from channels.doors import DoorEndpoint, DoorParts
from channels.webchat.identity import Identities, Identity, cleaned
from channels.webchat.origins import Origins
from channels.webchat.rates import Buckets, address_key
from channels.webchat.refusals import Refused, as_json, guarded
from channels.webchat.settings import WebchatSettings
from channels.webchat.texts import FIELDS, WELCOME, accepted_languages, best_language, in_language
from channels.webchat.tokens import MAX_SEALED_CHARS, Seals
from channels.webchat.visitors import (
    ADDRESS_KIND,
    Visitor,
    anonymous_id,
    conversation_name,
    identified_id,
    number_of,
    title_of,
)
from gateway.core.inbound import AddressKey, AddressMoved
from gateway.store.visitors import VisitorConversation, VisitorPlace, conversations_of, introduce, place_of

CHANNEL = "webchat"
SUBPROTOCOL = "tertulia.v1."
TICKET_S = 60
DAY_S = 24 * 3600
MAX_BODY_BYTES = 16 * 1024
BODY_TIMEOUT_S = 10
MAX_PAGE_CHARS = 300
PREFLIGHT_S = 7200

Short = Annotated[str, msgspec.Meta(max_length=2_000)]


class Claims(msgspec.Struct, frozen=True):
    """What an anonymous visitor wrote into the form: claimed, not proved."""

    name: Short = ""
    email: Short = ""
    phone: Short = ""


class SessionRequest(msgspec.Struct, frozen=True):
    """All of it may be absent: then it is a new visitor. ``referrer`` is taken and not kept."""

    token: str | None = None
    identity: str | None = None
    language: Short | None = None
    page: Short | None = None
    referrer: Short | None = None
    profile: Claims | None = None


_request_decoder = msgspec.json.Decoder(SessionRequest)


class Sessions:
    """The part of one site through which visitors come in; ``close`` it at the end."""

    def __init__(self, endpoint: DoorEndpoint, parts: DoorParts, seals: Seals) -> None:
        if not isinstance(endpoint.settings, WebchatSettings):
            raise TypeError(f"{endpoint.name} has the settings of another channel")
        self._settings = endpoint.settings
        self._endpoint = endpoint
        self._parts = parts
        self._seals = seals
        self._origins = Origins(self._settings.origins)
        self._identities = Identities(self._settings, parts.clock)
        self._arrivals = Buckets(self._settings.sessions_per_address_s, self._settings.sessions_burst, parts.clock)

    async def close(self) -> None:
        await self._identities.close()

    def routes(self) -> Sequence[web.RouteDef]:
        """The doors here, and the preflight of all doors of the site."""
        path = f"/chat/{self._endpoint.name}"
        return (
            web.post(f"{path}/session", guarded(self.open_session, self.cors_headers)),
            web.post(f"{path}/ticket", guarded(self.ticket, self.cors_headers)),
            web.post(f"{path}/conversations", guarded(self.new_conversation, self.cors_headers)),
            web.options(path + "/{door:.+}", guarded(self.preflight, self.cors_headers)),
        )

    # ---------------------------------------------------------------- handlers

    async def open_session(self, request: web.Request) -> web.Response:
        """``POST session``: a token for a visitor, new or known, and what the widget has to show."""
        self.check_origin(request)
        self._admit(request)
        asked = await self._read(request)
        language = self._language(request, asked.language or "")
        known = self._seals.open("session", Visitor, asked.token or "")
        if asked.identity:
            identity = await self._identities.verify(asked.identity)
            visitor = self._identified(identity, language, asked)
            carried = await self._carry_over(known, visitor)
            return await self._welcome_back(visitor, carried)
        if known is not None and known.is_identified:
            return await self._welcome_back(msgspec.structs.replace(known, language=language), None)
        return as_json(self._answer(self._anonymous(known, language, asked), number=0, earlier=()))

    async def ticket(self, request: web.Request) -> web.Response:
        """``POST ticket``: something short-lived that may stand in an address, for what cannot set headers."""
        self.check_origin(request)
        self._admit(request)
        visitor = await self.authenticate(request)
        until_s = min(self._seals.now_s() + TICKET_S, visitor.until_s)
        return as_json({"ticket": self._seals.seal("ticket", visitor, until_s), "expires_s": TICKET_S})

    async def new_conversation(self, request: web.Request) -> web.Response:
        """``POST conversations``: the name of another one. It begins to exist with its first message."""
        self.check_origin(request)
        self._admit(request)
        visitor = await self.authenticate(request)
        if not visitor.is_identified:
            raise Refused(403, "identity_needed", "only a signed-in visitor may have several conversations")
        number = self._free_number(visitor, await self._conversations(visitor))
        if number is None:
            limit = self._settings.max_conversations
            raise Refused(403, "too_many_conversations", f"a visitor may have {limit} conversations")
        return as_json({"conversation": self._name(visitor, number)})

    async def preflight(self, request: web.Request) -> web.Response:
        """``OPTIONS`` on any door: may a page of that origin ask at all?"""
        self.check_origin(request)
        headers = {
            "Access-Control-Allow-Methods": "GET, POST",
            "Access-Control-Allow-Headers": "authorization, content-type, last-event-id",
            "Access-Control-Max-Age": str(PREFLIGHT_S),
        }
        return web.Response(status=204, headers=headers)

    # ---------------------------------------------------------------- what other doors ask

    async def authenticate(self, request: web.Request) -> Visitor:
        """Whose request it is: by bearer token, by sub-protocol, or by a ticket in the address.

        Raises ``Refused`` with 401: ``no_token``, or ``bad_token`` when what is shown does not hold (any more).
        """
        kind, _, bearer = request.headers.get("Authorization", "").partition(" ")
        offered = _offered_token(request)
        if kind.lower() == "bearer":
            visitor = self._seals.open("session", Visitor, bearer.strip())
        elif offered:
            visitor = self._seals.open("session", Visitor, offered)
        elif ticket := request.query.get("token", ""):
            visitor = self._seals.open("ticket", Visitor, ticket)
        else:
            raise Refused(401, "no_token", "open a session first and show its token")
        if visitor is None:
            raise Refused(401, "bad_token", "the token does not hold any more; open a session again")
        return visitor

    def conversation_number(self, visitor: Visitor, name: str) -> int:
        """Which of the visitor's conversations has this name. Raises ``Refused`` with 404 when none has."""
        number = number_of(self._seals, visitor.id, name)
        if number is None or (number > 0 and not visitor.is_identified):
            raise Refused(404, "unknown_conversation", "the visitor has no such conversation")
        return number

    def check_origin(self, request: web.Request) -> None:
        """Raise ``Refused`` with 403 unless the page that asks may speak with this site."""
        if self._origins.is_open or request.headers.get("Sec-Fetch-Site") == "same-origin":
            return
        origin = request.headers.get("Origin")
        if origin is None:
            raise Refused(403, "no_origin", "the request does not say which page it comes from")
        if not self._origins.allows(origin):
            raise Refused(403, "bad_origin", "this page is not on the site's list of origins")

    def cors_headers(self, request: web.Request) -> Mapping[str, str]:
        """What lets the page read the answer; nothing for pages that are not on the list."""
        origin = request.headers.get("Origin")
        if origin is None or not self._origins.allows(origin):
            return {"Vary": "Origin"}
        return {
            "Vary": "Origin",
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Expose-Headers": "Retry-After",
        }

    def client_address(self, request: web.Request) -> str:
        """Where the request comes from, as far as our own proxies tell; of IPv6 the network that one customer has."""
        told = [entry for line in request.headers.getall("X-Forwarded-For", []) for entry in line.split(",")]
        proxies = self._parts.proxies
        believed = address_key(told[-proxies]) if 0 < proxies <= len(told) else ""
        return believed or address_key(request.remote or "")

    # ---------------------------------------------------------------- steps

    def _admit(self, request: web.Request) -> None:
        wait_s = self._arrivals.wait_s(self.client_address(request))
        if wait_s > 0:
            raise Refused(429, "too_many_sessions", "too many sessions from this address; try again later", wait_s)

    async def _read(self, request: web.Request) -> SessionRequest:
        body = await _read_body(request)
        try:
            return _request_decoder.decode(body or b"{}")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Refused(400, "bad_request", f"the body is not what a session needs: {error}") from None

    def _language(self, request: web.Request, asked: str) -> str:
        wanted = [asked] if asked else []
        wanted += accepted_languages(request.headers.get("Accept-Language", ""))
        return best_language(wanted, self._parts.languages)

    def _anonymous(self, known: Visitor | None, language: str, asked: SessionRequest) -> Visitor:
        claims = asked.profile or Claims()
        given = {"email": cleaned(claims.email, "email"), "phone": cleaned(claims.phone, "phone")}
        before = known or Visitor(anonymous_id())
        return Visitor(
            before.id,
            name=cleaned(claims.name, "name") or before.name,
            details=before.details | {key: value for key, value in given.items() if value},
            language=language,
            page=_page(asked),
            until_s=self._seals.now_s() + self._settings.session_days * DAY_S,
        )

    def _identified(self, identity: Identity, language: str, asked: SessionRequest) -> Visitor:
        return Visitor(
            identified_id(self._seals, identity.subject),
            is_identified=True,
            name=identity.name,
            details=identity.details,
            language=language,
            page=_page(asked),
            until_s=min(identity.until_s, self._seals.now_s() + self._settings.session_days * DAY_S),
        )

    async def _carry_over(self, known: Visitor | None, visitor: Visitor) -> int | None:
        """Let the signed-in visitor go on with what they began anonymously; the number that it has with them.

        Only a conversation that nobody else has signed in to: who kept an old token gets no other person's. The key
        of the first move belongs to the conversation, so that of two people who come at once one gets it.
        """
        if known is None or known.is_identified:
            return None
        alone = known.address(0)
        place = await self._place(alone)
        if place is not None and place.recipient == alone.value:
            place = await self._move(known, visitor, f"carried:{known.id}")
        if place is None or not place.recipient.startswith(f"{visitor.id}/"):
            return None
        there = await self._place(AddressKey(ADDRESS_KIND, place.recipient))
        if there is None or there.conversation_id != place.conversation_id:
            # Another device's first message took this number at the same moment.
            place = await self._move(known, visitor, f"carried:{known.id}:{place.recipient}") or place
        account = self._endpoint.account_id
        await introduce(self._parts.database, account, ADDRESS_KIND, alone.value, visitor.name, visitor.details)
        return int(place.recipient.partition("/")[2])

    async def _place(self, address: AddressKey) -> VisitorPlace | None:
        return await place_of(self._parts.database, self._endpoint.account_id, address.kind, address.value)

    async def _move(self, known: Visitor, visitor: Visitor, event_key: str) -> VisitorPlace | None:
        """Give the anonymous conversation the visitor's first free number, unless that key did so before."""
        number = self._free_number(visitor, await self._conversations(visitor))
        if number is None:
            return None
        alone, alias = known.address(0), visitor.address(number)
        moved = AddressMoved(event_key=event_key, at=self._parts.clock.now(), address=alone, alias=alias)
        await self._parts.receive.accept(CHANNEL, self._endpoint.name, [moved])
        return await self._place(alone)

    async def _welcome_back(self, visitor: Visitor, carried: int | None) -> web.Response:
        earlier = await self._conversations(visitor)
        newest = _number(earlier[0]) if earlier else 0
        return as_json(self._answer(visitor, newest if carried is None else carried, earlier))

    async def _conversations(self, visitor: Visitor) -> list[VisitorConversation]:
        addresses = [visitor.address(number).value for number in range(self._settings.max_conversations)]
        return await conversations_of(self._parts.database, self._endpoint.account_id, ADDRESS_KIND, addresses)

    def _free_number(self, visitor: Visitor, earlier: Sequence[VisitorConversation]) -> int | None:
        taken = {entry.address for entry in earlier}
        numbers = range(self._settings.max_conversations)
        return next((number for number in numbers if visitor.address(number).value not in taken), None)

    # ---------------------------------------------------------------- answers

    def _answer(self, visitor: Visitor, number: int, earlier: Sequence[VisitorConversation]) -> dict[str, object]:
        return {
            "token": self._seals.seal("session", visitor, visitor.until_s),
            "visitor": visitor.id,
            "conversation": self._name(visitor, number),
            "conversations": [self._listed(visitor, entry) for entry in earlier],
            "expires_s": visitor.until_s - self._seals.now_s(),
            "language": visitor.language,
            "is_identified": visitor.is_identified,
            "site": self._site(visitor),
        }

    def _name(self, visitor: Visitor, number: int) -> str:
        return conversation_name(self._seals, visitor.id, number)

    def _listed(self, visitor: Visitor, entry: VisitorConversation) -> dict[str, object]:
        return {
            "id": self._name(visitor, _number(entry)),
            "title": title_of(entry.first, entry.last),
            "last_at": _time(entry.last_at),
            "unread": entry.unread,
        }

    def _site(self, visitor: Visitor) -> dict[str, object]:
        """What the widget shows before anything was said, in the visitor's language."""
        settings, languages, language = self._settings, self._parts.languages, visitor.language
        form = () if visitor.is_identified else settings.form
        return {
            "title": in_language(settings.title, language, languages) or self._parts.bot_name,
            "welcome": in_language(settings.welcome or WELCOME, language, languages),
            "starters": [
                {"label": in_language(starter.label, language, languages), "value": starter.value}
                for starter in settings.starters
            ],
            "form": [
                {
                    "name": field.name,
                    "label": in_language(field.label or FIELDS[field.name], language, languages),
                    "type": {"name": "text", "email": "email", "phone": "tel"}[field.name],
                    "required": field.required,
                }
                for field in form
            ],
            "accent": settings.accent,
            "max_upload_bytes": settings.max_upload_bytes,
            "upload_types": list(settings.upload_types),
            "languages": list(languages),
        }


async def _read_body(request: web.Request) -> bytes:
    """The body of a small request, bounded in size and time."""
    too_large = Refused(413, "too_large", f"the body may have {MAX_BODY_BYTES} bytes")
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise too_large
    except TimeoutError:
        raise Refused(400, "too_slow", f"the body did not come within {BODY_TIMEOUT_S} s") from None
    return bytes(body)


def _offered_token(request: web.Request) -> str:
    """The token among the sub-protocols that a socket's opening offers."""
    for line in request.headers.getall("Sec-WebSocket-Protocol", []):
        for protocol in line.split(","):
            if protocol.strip().startswith(SUBPROTOCOL):
                return protocol.strip().removeprefix(SUBPROTOCOL)[:MAX_SEALED_CHARS]
    return ""


def _page(asked: SessionRequest) -> str:
    """The page's address, when it is one of the web."""
    page = asked.page or ""
    return page[:MAX_PAGE_CHARS] if page.startswith(("https://", "http://")) and page.isprintable() else ""


def _number(entry: VisitorConversation) -> int:
    return int(entry.address.partition("/")[2])


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
