"""The doors of the public API: who asks, what they may, and one clear answer to everything."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

import msgspec
import structlog
from aiohttp import web

from gateway.core.company import CompanyPort, KeyHolder, NotWorkable, PeoplePort, Person, Submitted
from gateway.core.errors import Overloaded, SendRefused, Unavailable
from gateway.core.ids import ContactId, MessageId
from gateway.web.answers import as_json
from gateway.web.api.openapi import document
from gateway.web.api.reading import change_of, consent_of, wish_of
from gateway.web.api.shapes import ConsentWord, ContactFacts, MessageAccepted, MessageStatus, Problem, ProblemBody

log = structlog.get_logger(__name__)

PATH = "/api/v1/messages"
CONTACTS = "/api/v1/contacts"

LARGEST_BODY = 256 * 1024

ADVICE = {
    "opted_out": "write again when the customer has come back",
    "unreachable": "use another address of the customer, or wait until they write",
    "window_closed": "send an approved template, or wait until the customer writes",
    "no_consent": "get the customer's consent, or let them write first",
}

Handler = Callable[[web.Request, KeyHolder], Awaitable[web.Response]]


class ApiParts(msgspec.Struct, frozen=True):
    """What wiring hands in. ``public_url`` has no slash at its end and may be empty."""

    company: CompanyPort
    people: PeoplePort
    public_url: str


class ApiDoors:
    """Fits ``channels.doors.Doors``."""

    def __init__(self, parts: ApiParts) -> None:
        self._company = parts.company
        self._people = parts.people
        self._public_url = parts.public_url
        self._document = msgspec.json.encode(document(importlib.metadata.version("tertulia"), parts.public_url))

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        return [
            web.post(PATH, self._guarded(self._send, "messages:write")),
            web.get(PATH + "/{message}", self._guarded(self._status, "messages:read", "messages:write")),
            web.get(CONTACTS + "/{contact}", self._guarded(self._person, "contacts:read", "contacts:write")),
            web.patch(CONTACTS + "/{contact}", self._guarded(self._change, "contacts:write")),
            web.put(CONTACTS + "/{contact}/consent/learning", self._guarded(self._note_learning, "contacts:write")),
            web.get("/api/v1/openapi.json", self._openapi),
            web.route("*", "/api/{path:.*}", _nothing_here),
        ]

    async def open(self) -> None: ...

    async def hang_up(self) -> None: ...

    async def close(self) -> None: ...

    def _guarded(self, handle: Handler, *scopes: str) -> Callable[[web.Request], Awaitable[web.Response]]:
        """Only for a key that has one of *scopes*; every refusal in the one form."""

        async def answer(request: web.Request) -> web.Response:
            try:
                return await handle(request, await self._holder(request, scopes))
            except NotWorkable as error:
                return _problem(error.status, error.code, error.message, error.where, error.advice)
            except SendRefused as error:
                return _problem(409, error.reason, _words(request, error), "$", ADVICE.get(error.reason, ""))
            except (Unavailable, Overloaded) as error:
                retry = {"Retry-After": str(max(1, round(error.after_s)))}
                return _problem(503, "unavailable", "not now", "", "try again with the same Idempotency-Key", retry)

        return answer

    async def _holder(self, request: web.Request, scopes: Sequence[str]) -> KeyHolder:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        holder = await self._company.holder(token.strip()) if kind.lower() == "bearer" and token.strip() else None
        if holder is None:
            advice = "send Authorization: Bearer with a key made by `tertulia keys create`"
            raise NotWorkable(401, "key_needed", "there is no valid key", where="Authorization", advice=advice)
        if not holder.scopes.intersection(scopes):
            advice = f"make a key with the scope {scopes[0]}"
            raise NotWorkable(403, "scope_missing", "this key may not do that", advice=advice)
        return holder

    async def _send(self, request: web.Request, holder: KeyHolder) -> web.Response:
        body = await _body(request)
        wish = wish_of(body, request.headers.get("Idempotency-Key", "").strip())
        submitted = await self._company.submit(holder, wish)
        accepted = self._accepted(submitted)
        log.info("company_message_taken", message_id=str(submitted.id), key=holder.name, status=submitted.status)
        return as_json(accepted, status=202, headers={"Location": accepted.status_url, **_PRIVATE})

    def _accepted(self, submitted: Submitted) -> MessageAccepted:
        return MessageAccepted(
            id=submitted.id,
            status=submitted.status,
            account=submitted.account,
            conversation_id=submitted.conversation_id,
            category=submitted.category,
            at=submitted.at,
            uses_template=submitted.uses_template,
            status_url=f"{self._public_url}{PATH}/{submitted.id}",
        )

    async def _status(self, request: web.Request, holder: KeyHolder) -> web.Response:
        try:
            found = await self._company.look_up(holder, MessageId(UUID(request.match_info["message"])))
        except (ValueError, LookupError):
            advice = "ask with the key that sent it"
            raise NotWorkable(404, "not_found", "this key sent no such message", advice=advice) from None
        status = MessageStatus(
            id=found.id,
            status=found.status,
            account=found.account,
            conversation_id=found.conversation_id,
            category=found.category,
            at=found.at,
            reason=found.reason,
            detail=found.detail,
        )
        return as_json(status, headers=_PRIVATE)

    async def _person(self, request: web.Request, holder: KeyHolder) -> web.Response:
        return _facts(await self._people.person(holder, _contact(request)))

    async def _change(self, request: web.Request, holder: KeyHolder) -> web.Response:
        change = change_of(await _body(request))
        return _facts(await self._people.set_time_zone(holder, _contact(request), change.time_zone))

    async def _note_learning(self, request: web.Request, holder: KeyHolder) -> web.Response:
        word = consent_of(await _body(request))
        person = await self._people.note_learning(
            holder, _contact(request), is_given=word.is_given, evidence=word.evidence.strip(), at=word.at
        )
        log.info("learning_consent_noted", contact_id=str(person.id), key=holder.name, is_given=word.is_given)
        return _facts(person)

    async def _openapi(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._document, headers={"Content-Type": "application/json"})


_PRIVATE = {"Cache-Control": "no-store"}


async def _nothing_here(_request: web.Request) -> web.Response:
    return _problem(404, "not_found", "there is nothing at this address", "", "see /api/v1/openapi.json")


async def _body(request: web.Request) -> bytes:
    if (request.content_length or 0) > LARGEST_BODY:
        raise _too_large()
    try:
        body = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise _too_large() from None
    if len(body) > LARGEST_BODY:
        raise _too_large()
    return body


def _contact(request: web.Request) -> ContactId:
    try:
        return ContactId(UUID(request.match_info["contact"]))
    except ValueError:
        raise NotWorkable(404, "not_found", "there is no such contact", advice="check the id") from None


def _facts(person: Person) -> web.Response:
    word = person.learning
    facts = ContactFacts(
        id=person.id,
        name=person.name,
        language=person.language,
        time_zone=person.time_zone,
        learning=None
        if word is None
        else ConsentWord(is_given=word.is_given, source=word.source, evidence=word.evidence, at=word.at),
        accounts=person.accounts,
    )
    return as_json(facts, headers=_PRIVATE)


def _too_large() -> NotWorkable:
    return NotWorkable(413, "too_large", f"a body has at most {LARGEST_BODY} bytes", where="$", advice="say less")


def _words(request: web.Request, error: SendRefused) -> str:
    """Why our rules forbid it, in Spanish for who asks for it first."""
    language = request.headers.get("Accept-Language", "").strip().lower()[:2]
    return error.words.get(language) or error.detail


def _problem(
    status: int, code: str, message: str, where: str, advice: str, headers: dict[str, str] | None = None
) -> web.Response:
    wanted = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    body = ProblemBody(Problem(code=code, message=message, where=where, advice=advice))
    return as_json(body, status=status, headers={**_PRIVATE, **wanted, **(headers or {})})
