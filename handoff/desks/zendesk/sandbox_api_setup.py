"""The API for what is set up: groups, fields, forms, webhooks with their secrets, triggers."""

from __future__ import annotations

import secrets
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

import msgspec
from aiohttp import web
from msgspec import UNSET

from handoff.desks.zendesk.sandbox_account import Invalid, Missing
from handoff.desks.zendesk.sandbox_door import Door, answered, listed, number_in
from handoff.desks.zendesk.sandbox_rates import Window
from handoff.desks.zendesk.sandbox_records import CONDITIONAL, Field, Form, Hook, Person, Trigger
from handoff.desks.zendesk.sandbox_triggers import require_fitting
from handoff.desks.zendesk.sandbox_wire import Maybe, read_json
from handoff.desks.zendesk.sandbox_world import World

METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE", "GET"})
FORMATS = frozenset({"json", "xml", "form_encoded"})
EVENTS_BEGIN = "zen:event-type:"

T = TypeVar("T")


class HookInput(msgspec.Struct):
    name: Maybe[str] = UNSET
    endpoint: Maybe[str] = UNSET
    http_method: Maybe[str] = UNSET
    request_format: Maybe[str] = UNSET
    status: Maybe[str] = UNSET
    subscriptions: Maybe[list[str]] = UNSET
    authentication: Maybe[dict[str, object] | None] = UNSET
    custom_headers: Maybe[dict[str, str] | None] = UNSET


class HookBody(msgspec.Struct):
    webhook: HookInput


class Conditions(msgspec.Struct):
    all: list[dict[str, object]] = []
    any: list[dict[str, object]] = []


class TriggerInput(msgspec.Struct):
    title: Maybe[str] = UNSET
    active: Maybe[bool] = UNSET
    conditions: Maybe[Conditions] = UNSET
    actions: Maybe[list[dict[str, object]]] = UNSET
    description: Maybe[str | None] = UNSET
    category_id: Maybe[str | None] = UNSET
    position: Maybe[int] = UNSET


class TriggerBody(msgspec.Struct):
    trigger: TriggerInput


class Option(msgspec.Struct):
    name: str
    value: str


class FieldInput(msgspec.Struct):
    type: str
    title: str
    custom_field_options: list[Option] = []


class FieldBody(msgspec.Struct):
    ticket_field: FieldInput


class FormInput(msgspec.Struct):
    name: str
    ticket_field_ids: list[int] = []


class FormBody(msgspec.Struct):
    ticket_form: FormInput


class SetupApi:
    """Routes over one world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self, door: Door) -> list[web.RouteDef]:
        hook, trigger, limit = "/webhooks/{id}", "/triggers/{id:[0-9]+}", self._hook_limit
        return [
            door.route("GET", "/groups", self._groups),
            door.route("GET", "/groups/{id:[0-9]+}", self._group),
            door.route("GET", "/ticket_fields", self._fields),
            door.route("POST", "/ticket_fields", self._add_field),
            door.route("GET", "/ticket_fields/{id:[0-9]+}", self._field),
            door.route("GET", "/ticket_forms", self._forms),
            door.route("POST", "/ticket_forms", self._add_form),
            door.route("GET", "/ticket_forms/{id:[0-9]+}", self._form),
            door.route("GET", "/webhooks", self._hooks, limit),
            door.route("POST", "/webhooks", self._add_hook, limit),
            door.route("GET", hook, self._show_hook, limit),
            door.route("PUT", hook, self._change_hook, limit),
            door.route("PATCH", hook, self._change_hook, limit),
            door.route("DELETE", hook, self._remove_hook, limit),
            door.route("GET", hook + "/signing_secret", self._secret, limit),
            door.route("POST", hook + "/signing_secret", self._new_secret, limit),
            door.route("GET", hook + "/invocations", self._invocations, limit),
            door.route("GET", "/triggers", self._triggers),
            door.route("POST", "/triggers", self._add_trigger),
            door.route("GET", "/triggers/search", self._search_triggers),
            door.route("GET", trigger, self._show_trigger),
            door.route("PUT", trigger, self._change_trigger),
            door.route("DELETE", trigger, self._remove_trigger),
        ]

    def _hook_limit(self, _request: web.Request, _by: Person) -> Sequence[tuple[Window, Hashable]]:
        return ((self._world.rates.hooks, ""),)

    # ------------------------------------------------------------ groups, fields, forms

    async def _groups(self, request: web.Request, _by: Person) -> web.Response:
        return listed(request, "groups", [one.described(self._url) for one in self._world.account.groups.values()])

    async def _group(self, request: web.Request, _by: Person) -> web.Response:
        return answered({"group": _found(self._world.account.groups, number_in(request)).described(self._url)})

    async def _fields(self, request: web.Request, _by: Person) -> web.Response:
        rows = [one.described(self._url) for one in self._world.account.fields.values()]
        return listed(request, "ticket_fields", rows)

    async def _field(self, request: web.Request, _by: Person) -> web.Response:
        field = _found(self._world.account.fields, number_in(request))
        return answered({"ticket_field": field.described(self._url)})

    async def _add_field(self, request: web.Request, _by: Person) -> web.Response:
        wished = (await read_json(request, FieldBody)).ticket_field
        options = tuple(option.value for option in wished.custom_field_options)
        field = Field(self._world.account.new_id(), wished.type, wished.title, options)
        self._world.account.fields[field.id] = field
        self._world.changed()
        return answered({"ticket_field": field.described(self._url)}, status=201)

    async def _forms(self, request: web.Request, _by: Person) -> web.Response:
        rows = [one.described(self._url) for one in self._world.account.forms.values()]
        return listed(request, "ticket_forms", rows)

    async def _form(self, request: web.Request, _by: Person) -> web.Response:
        form = _found(self._world.account.forms, number_in(request))
        return answered({"ticket_form": form.described(self._url)})

    async def _add_form(self, request: web.Request, _by: Person) -> web.Response:
        wished = (await read_json(request, FormBody)).ticket_form
        form = Form(
            self._world.account.new_id(), wished.name, is_default=False, field_ids=tuple(wished.ticket_field_ids)
        )
        self._world.account.forms[form.id] = form
        self._world.changed()
        return answered({"ticket_form": form.described(self._url)}, status=201)

    # ------------------------------------------------------------ webhooks

    async def _hooks(self, request: web.Request, _by: Person) -> web.Response:
        words = request.query.get("filter[name_contains]", "").lower()
        hooks = (one for one in self._world.account.hooks.values() if words in one.name.lower())
        return listed(request, "webhooks", [one.described() for one in hooks])

    async def _show_hook(self, request: web.Request, _by: Person) -> web.Response:
        return answered({"webhook": self._hook(request).described()})

    async def _add_hook(self, request: web.Request, _by: Person) -> web.Response:
        wished = (await read_json(request, HookBody)).webhook
        missing = [
            name
            for name in ("name", "endpoint", "http_method", "request_format", "status")
            if getattr(wished, name) is UNSET
        ]
        if missing:
            raise Invalid({name: f"{name}: is required" for name in missing})
        hook = self.new_hook("", "", ())
        _fill_hook(hook, wished)
        self._world.account.hooks[hook.id] = hook
        self._world.changed()
        return answered({"webhook": hook.described()}, status=201)

    def new_hook(self, name: str, endpoint: str, subscriptions: tuple[str, ...]) -> Hook:
        """A webhook with a secret of its own, which nobody knows of yet."""
        return Hook(
            id=f"01{secrets.token_hex(12).upper()}",
            name=name,
            endpoint=endpoint,
            secret=secrets.token_urlsafe(45),
            subscriptions=subscriptions,
            created_at=self._world.clock.now(),
        )

    async def _change_hook(self, request: web.Request, _by: Person) -> web.Response:
        hook = self._hook(request)
        wished = (await read_json(request, HookBody)).webhook
        is_other_kind = (
            isinstance(wished.subscriptions, list) and (CONDITIONAL in wished.subscriptions) != hook.is_for_triggers
        )
        if is_other_kind:
            raise Invalid({"subscriptions": "Subscriptions: the connection method of a webhook cannot be changed"})
        _fill_hook(hook, wished)
        self._world.changed()
        return web.Response(status=204)

    async def _remove_hook(self, request: web.Request, _by: Person) -> web.Response:
        hook = self._hook(request)
        used = [one for one in self._world.account.triggers.values() if hook.id in str(one.actions)]
        if used:
            raise Invalid({"base": f"Webhook: is used by the trigger {used[0].title}"})
        del self._world.account.hooks[hook.id]
        self._world.changed()
        return web.Response(status=204)

    async def _secret(self, request: web.Request, _by: Person) -> web.Response:
        secret = {"algorithm": "SHA256", "secret": self._hook(request).secret}
        return answered({"signing_secret": secret})

    async def _new_secret(self, request: web.Request, _by: Person) -> web.Response:
        hook = self._hook(request)
        hook.secret = secrets.token_urlsafe(45)
        self._world.changed()
        return answered({"signing_secret": {"algorithm": "SHA256", "secret": hook.secret}}, status=201)

    async def _invocations(self, request: web.Request, _by: Person) -> web.Response:
        hook = self._hook(request)
        rows = [one.described() for one in self._world.sender.invocations if one.hook.id == hook.id]
        return listed(request, "invocations", rows)

    def _hook(self, request: web.Request) -> Hook:
        hook = self._world.account.hooks.get(request.match_info["id"])
        if hook is None:
            raise Missing("webhook")
        return hook

    # ------------------------------------------------------------ triggers

    async def _triggers(self, request: web.Request, _by: Person) -> web.Response:
        rows = [one.described(self._url) for one in self._world.account.triggers.values()]
        return listed(request, "triggers", rows)

    async def _search_triggers(self, request: web.Request, _by: Person) -> web.Response:
        words = request.query.get("query", "").lower()
        found = (one for one in self._world.account.triggers.values() if words in one.title.lower())
        return listed(request, "triggers", [one.described(self._url) for one in found])

    async def _show_trigger(self, request: web.Request, _by: Person) -> web.Response:
        return self._trigger_answer(self._trigger(request))

    async def _add_trigger(self, request: web.Request, _by: Person) -> web.Response:
        wished = (await read_json(request, TriggerBody)).trigger
        if not isinstance(wished.title, str) or not wished.title:
            raise Invalid({"title": "Title: cannot be blank"})
        now = self._world.clock.now()
        number = self._world.account.new_id()
        blank = Trigger(id=number, title="", all=(), any=(), actions=(), created_at=now, updated_at=now)
        trigger = self._filled(blank, wished)
        self._world.account.triggers[number] = trigger
        self._world.changed()
        return self._trigger_answer(trigger, status=201)

    async def _change_trigger(self, request: web.Request, _by: Person) -> web.Response:
        trigger = self._filled(self._trigger(request), (await read_json(request, TriggerBody)).trigger)
        self._world.account.triggers[trigger.id] = trigger
        self._world.changed()
        return self._trigger_answer(trigger)

    async def _remove_trigger(self, request: web.Request, _by: Person) -> web.Response:
        del self._world.account.triggers[self._trigger(request).id]
        self._world.changed()
        return web.Response(status=204)

    def _trigger(self, request: web.Request) -> Trigger:
        return _found(self._world.account.triggers, number_in(request))

    def _trigger_answer(self, trigger: Trigger, *, status: int = 200) -> web.Response:
        return answered({"trigger": trigger.described(self._url)}, status=status)

    def _filled(self, trigger: Trigger, wished: TriggerInput) -> Trigger:
        changes: dict[str, object] = {"updated_at": self._world.clock.now()}
        if isinstance(wished.conditions, Conditions):
            changes |= {"all": tuple(wished.conditions.all), "any": tuple(wished.conditions.any)}
        if isinstance(wished.actions, list):
            changes["actions"] = tuple(wished.actions)
        for key, value in {
            "title": wished.title,
            "is_active": wished.active,
            "description": wished.description,
            "category_id": wished.category_id,
            "position": wished.position,
        }.items():
            if value is not UNSET:
                changes[key] = value
        filled = msgspec.structs.replace(trigger, **changes)
        require_fitting(filled)
        return filled

    @property
    def _url(self) -> str:
        return self._world.url


def _found(things: Mapping[int, T], number: int) -> T:
    if number not in things:
        raise Missing(str(number))
    return things[number]


def _fill_hook(hook: Hook, wished: HookInput) -> None:
    _require_hook(wished)
    for key, value in {
        "name": wished.name,
        "endpoint": wished.endpoint,
        "method": wished.http_method,
        "format": wished.request_format,
        "status": wished.status,
        "authentication": wished.authentication,
    }.items():
        if value is not UNSET:
            setattr(hook, key, value)
    if isinstance(wished.custom_headers, dict):
        hook.headers = dict(wished.custom_headers)
    if isinstance(wished.subscriptions, list):
        hook.subscriptions = tuple(wished.subscriptions)


def _require_hook(wished: HookInput) -> None:
    faults: dict[str, str] = {}
    if isinstance(wished.endpoint, str) and not wished.endpoint.startswith(("https://", "http://")):
        faults["endpoint"] = "Endpoint: must be an address"
    if isinstance(wished.http_method, str) and wished.http_method not in METHODS:
        faults["http_method"] = "Http method: is not valid"
    if isinstance(wished.request_format, str) and wished.request_format not in FORMATS:
        faults["request_format"] = "Request format: is not valid"
    if isinstance(wished.subscriptions, list):
        unknown = [one for one in wished.subscriptions if one != CONDITIONAL and not one.startswith(EVENTS_BEGIN)]
        if unknown or (CONDITIONAL in wished.subscriptions and len(wished.subscriptions) > 1):
            faults["subscriptions"] = "Subscriptions: are event types, or conditional_ticket_events alone"
    if faults:
        raise Invalid(faults)
