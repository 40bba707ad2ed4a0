"""A visitor's way in: who may speak with the site, who they are, and which conversations are theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from aiohttp import web

from channels.doors import DoorEndpoint, DoorParts
from channels.webchat.arrivals import SUBPROTOCOL, Claims, SessionRequest, offered_token, page_of, read_request, zone_of
from channels.webchat.belongings import CHANNEL, Belongings, number_in
from channels.webchat.greeting import listed, site_for
from channels.webchat.identity import Identities, Identity, cleaned
from channels.webchat.origins import Origins
from channels.webchat.rates import Buckets, address_key
from channels.webchat.refusals import Refused, as_json, guarded
from channels.webchat.settings import WebchatSettings
from channels.webchat.texts import accepted_languages, best_language
from channels.webchat.tokens import Seals
from channels.webchat.visitors import Visitor, anonymous_id, conversation_name, identified_id, number_of
from gateway.store.visitors import VisitorConversation

__all__ = ["CHANNEL", "SUBPROTOCOL", "Sessions"]

TICKET_S = 60
DAY_S = 24 * 3600
PREFLIGHT_S = 7200


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
        self._belongings = Belongings(endpoint, parts, self._settings.max_conversations)
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
        asked = await read_request(request)
        language = self._language(request, asked.language or "")
        known = self._seals.open("session", Visitor, asked.token or "")
        if asked.identity:
            identity = await self._identities.verify(asked.identity)
            visitor = self._identified(identity, language, asked)
            carried = await self._belongings.carry_over(known, visitor)
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
        expires_s = until_s - self._seals.now_s()
        return as_json({"ticket": self._seals.seal("ticket", visitor, until_s), "expires_s": expires_s})

    async def new_conversation(self, request: web.Request) -> web.Response:
        """``POST conversations``: the name of another one. It begins to exist with its first message."""
        self.check_origin(request)
        self._admit(request)
        visitor = await self.authenticate(request)
        if not visitor.is_identified:
            raise Refused(403, "identity_needed", "only a signed-in visitor may have several conversations")
        number = await self._belongings.free_number(visitor)
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
        offered = offered_token(request)
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
            details=before.details | zone_of(asked) | {key: value for key, value in given.items() if value},
            language=language,
            page=page_of(asked),
            until_s=self._seals.now_s() + self._settings.session_days * DAY_S,
        )

    def _identified(self, identity: Identity, language: str, asked: SessionRequest) -> Visitor:
        return Visitor(
            identified_id(self._seals, identity.subject),
            is_identified=True,
            name=identity.name,
            details=identity.details | zone_of(asked),
            language=language,
            page=page_of(asked),
            until_s=min(identity.until_s, self._seals.now_s() + self._settings.session_days * DAY_S),
        )

    async def _welcome_back(self, visitor: Visitor, carried: int | None) -> web.Response:
        earlier = await self._belongings.conversations(visitor)
        newest = number_in(earlier[0].address) if earlier else 0
        return as_json(self._answer(visitor, newest if carried is None else carried, earlier))

    # ---------------------------------------------------------------- answers

    def _answer(self, visitor: Visitor, number: int, earlier: Sequence[VisitorConversation]) -> dict[str, object]:
        return {
            "token": self._seals.seal("session", visitor, visitor.until_s),
            "visitor": visitor.id,
            "conversation": self._name(visitor, number),
            "conversations": [listed(self._seals, visitor, entry) for entry in earlier],
            "expires_s": visitor.until_s - self._seals.now_s(),
            "language": visitor.language,
            "is_identified": visitor.is_identified,
            "site": site_for(visitor, self._settings, self._parts.bot_name, self._parts.languages),
        }

    def _name(self, visitor: Visitor, number: int) -> str:
        return conversation_name(self._seals, visitor.id, number)
