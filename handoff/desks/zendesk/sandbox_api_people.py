"""The API for users: oneself, everybody else, their identities, and two who turn out to be one."""

from __future__ import annotations

from aiohttp import web

from handoff.desks.zendesk.sandbox_account import Missing
from handoff.desks.zendesk.sandbox_door import Door, answered, listed, number_in
from handoff.desks.zendesk.sandbox_records import Json, Person, Ticket
from handoff.desks.zendesk.sandbox_wire import IdentityBody, MergeUserBody, UserBody, read_json
from handoff.desks.zendesk.sandbox_world import World


class PeopleApi:
    """Routes over one world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self, door: Door) -> list[web.RouteDef]:
        one = "/users/{id:[0-9]+}"
        return [
            door.route("GET", "/users/me", self._me),
            door.route("GET", "/users/show_many", self._show_many),
            door.route("GET", "/users/search", self._search),
            door.route("POST", "/users/create_or_update", self._create_or_update),
            door.route("GET", "/users", self._list),
            door.route("POST", "/users", self._create),
            door.route("GET", one, self._show),
            door.route("PUT", one, self._update),
            door.route("DELETE", one, self._delete),
            door.route("PUT", one + "/merge", self._merge),
            door.route("GET", one + "/identities", self._identities),
            door.route("POST", one + "/identities", self._add_identity),
            door.route("DELETE", one + "/identities/{identity}", self._remove_identity),
            door.route("GET", one + "/tickets/requested", self._requested),
        ]

    async def _me(self, _request: web.Request, by: Person) -> web.Response:
        return self._answer(by)

    async def _list(self, request: web.Request, _by: Person) -> web.Response:
        role = request.query.get("role", "")
        people = (one for one in self._world.account.people.values() if one.is_active)
        return self._answers(request, [one for one in people if not role or one.role == role])

    async def _show(self, request: web.Request, _by: Person) -> web.Response:
        return self._answer(self._person(request))

    async def _show_many(self, request: web.Request, _by: Person) -> web.Response:
        people = self._world.people
        if "external_ids" in request.query:
            found = [people.with_external_id(one) for one in request.query["external_ids"].split(",")]
        else:
            numbers = [int(text) for text in request.query.get("ids", "").split(",") if text.isdecimal()]
            found = [self._world.account.active_person(number) for number in numbers]
        return self._answers(request, [one for one in found if one is not None])

    async def _search(self, request: web.Request, _by: Person) -> web.Response:
        """By external id at once; by words, of names and addresses."""
        if "external_id" in request.query:
            found = self._world.people.with_external_id(request.query["external_id"])
            return self._answers(request, [found] if found is not None else [])
        words = request.query.get("query", "").removeprefix("email:").strip('"').lower()
        people = (one for one in self._world.account.people.values() if one.is_active)
        return self._answers(request, [one for one in people if words in f"{one.name} {one.email or ''}".lower()])

    async def _create(self, request: web.Request, _by: Person) -> web.Response:
        person = self._world.people.create((await read_json(request, UserBody)).user)
        self._world.changed()
        return self._answer(person, status=201)

    async def _create_or_update(self, request: web.Request, _by: Person) -> web.Response:
        person, is_new = self._world.people.create_or_update((await read_json(request, UserBody)).user)
        self._world.changed()
        return self._answer(person, status=201 if is_new else 200)

    async def _update(self, request: web.Request, _by: Person) -> web.Response:
        person = self._person(request)
        self._world.people.update(person, (await read_json(request, UserBody)).user)
        self._world.changed()
        return self._answer(person)

    async def _delete(self, request: web.Request, _by: Person) -> web.Response:
        person = self._person(request)
        self._world.people.delete(person)
        self._world.changed()
        return self._answer(person)

    async def _merge(self, request: web.Request, _by: Person) -> web.Response:
        """The user of the path becomes the one of the body."""
        source = self._person(request)
        target = self._world.account.person((await read_json(request, MergeUserBody)).user.id)
        merged = self._world.people.merge(source, target)
        self._world.changed()
        return self._answer(merged)

    async def _identities(self, request: web.Request, _by: Person) -> web.Response:
        person = self._person(request)
        return listed(request, "identities", [one.described(person.id) for one in person.identities])

    async def _add_identity(self, request: web.Request, _by: Person) -> web.Response:
        person = self._person(request)
        identity = self._world.people.add_identity(person, (await read_json(request, IdentityBody)).identity)
        return answered({"identity": identity.described(person.id)}, status=201)

    async def _remove_identity(self, request: web.Request, _by: Person) -> web.Response:
        self._world.people.remove_identity(self._person(request), number_in(request, "identity"))
        return web.Response(status=204)

    async def _requested(self, request: web.Request, _by: Person) -> web.Response:
        person = self._person(request)
        tickets = self._world.account.tickets.values()
        found: list[Ticket] = [one for one in tickets if one.requester_id == person.id and not one.is_deleted]
        return listed(request, "tickets", [self._world.described(ticket) for ticket in found])

    def _person(self, request: web.Request) -> Person:
        person = self._world.account.person(number_in(request))
        if not person.is_active:
            raise Missing("user")
        return person

    def _answer(self, person: Person, *, status: int = 200) -> web.Response:
        return answered({"user": person.described(self._world.url)}, status=status)

    def _answers(self, request: web.Request, people: list[Person]) -> web.Response:
        rows: list[Json] = [one.described(self._world.url) for one in people]
        return listed(request, "users", rows)
