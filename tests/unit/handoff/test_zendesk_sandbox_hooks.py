"""The stand-in's webhooks: signed, told of everything, tried again as Zendesk does, lost as Zendesk loses them."""

import json

import pytest
from zendesk_caller import Caller, Receiver

from gateway.core.clock import ManualClock
from handoff.desks.zendesk.sandbox import AgentFile, Pace, ZendeskSandbox
from handoff.desks.zendesk.sandbox_hooks import signature

QUICK = Pace(minute_s=0.6)


@pytest.fixture
async def receiver():
    async with Receiver() as receiver:
        yield receiver


@pytest.fixture
async def zendesk(receiver):
    async with ZendeskSandbox(receiver.url, pace=QUICK) as zendesk:
        yield zendesk


@pytest.fixture
async def caller(zendesk):
    async with Caller(zendesk) as caller:
        yield caller


def test_the_signature_is_the_documented_one() -> None:
    body = b'{"id":"e1","type":"zen:event-type:ticket.comment_added"}'
    at = "2026-01-01T12:00:00Z"
    assert signature("zd_secret_1", at, body) == "0mE53njD+oobKzEHg8nyy3TaOaBp8ffaiKdtkasEEsI="
    assert signature("zd_secret_1", at, b"") == "G9oWTWpUouhzw/qi1RiU7V94VUWLwK83Vfkl3Ykwyuw="


async def test_everything_that_happens_is_told_in_an_envelope(zendesk, caller, receiver) -> None:
    ticket, marta = await caller.makes(), zendesk.agent("Marta")
    await marta.takes(ticket["id"])
    await marta.answers(ticket["id"], 'Hola "Ana"', files=[AgentFile("a.png", b"\x89PNG")])
    await marta.solves(ticket["id"])
    await marta.deletes(ticket["id"])
    await zendesk.settled()
    for kind in ("created", "agent_assignment_changed", "attachment_linked_to_comment", "soft_deleted"):
        assert len(receiver.of(kind)) == 1
    note, answer = sorted(receiver.of("comment_added"), key=lambda one: int(one["event"]["comment"]["id"]))
    assert note["event"]["comment"]["is_public"] is False
    assert answer["event"]["comment"]["body"] == 'Hola "Ana"'
    assert answer["event"]["comment"]["author"] == {"id": str(marta.id), "is_staff": True, "name": "Marta"}
    assert answer["subject"] == f"zen:ticket:{ticket['id']}"
    assert answer["detail"]["external_id"] == "case:1"
    assert answer["detail"]["via"] == {"channel": "web_service"}
    assert (answer["detail"]["id"], answer["detail"]["status"]) == (str(ticket["id"]), "OPEN")
    changes = [one["event"] for one in receiver.of("status_changed")]
    assert {"current": "OPEN", "previous": "NEW"} in changes
    assert {"current": "SOLVED", "previous": "OPEN"} in changes


async def test_a_webhook_proves_where_it_comes_from(zendesk, caller, receiver) -> None:
    await caller.makes()
    await zendesk.settled()
    for request, body in receiver.requests:
        at = request.headers["X-Zendesk-Webhook-Signature-Timestamp"]
        assert request.headers["X-Zendesk-Webhook-Signature"] == signature(zendesk.webhook_secret, at, body)
        assert request.headers["User-Agent"] == "Zendesk Webhook"
        assert request.headers["X-Zendesk-Account-Id"] == str(zendesk.world.account.id)
    assert len({one.headers["X-Zendesk-Webhook-Invocation-Id"] for one, _ in receiver.requests}) == 2


@pytest.mark.parametrize(
    ("answers", "tries", "fate"),
    [
        ([409, 409, 409], 4, "taken"),
        ([409, 409, 409, 409], 4, "failed"),
        ([(429, {"Retry-After": "0"}), (503, {"Retry-After": "0"})], 3, "taken"),
        ([(503, {"Retry-After": "60"})], 1, "failed"),
        ([503], 1, "failed"),
        ([500], 1, "failed"),
        ([404], 1, "failed"),
        ([302], 1, "failed"),
    ],
)
async def test_it_tries_again_after_few_answers(zendesk, caller, receiver, answers, tries, fate) -> None:
    ticket = await caller.makes()
    await zendesk.settled()
    receiver.requests.clear()
    receiver.answers = answers
    await zendesk.agent("Marta").notes(ticket["id"], "una nota")
    await zendesk.settled()
    assert len(receiver.requests) == tries
    assert zendesk.sender.invocations[-1].fate == fate
    assert len({one.headers["X-Zendesk-Webhook-Invocation-Id"] for one, _ in receiver.requests}) == 1


async def test_it_tries_five_times_more_when_nobody_answers(receiver, caller, zendesk) -> None:
    ticket = await caller.makes()
    await zendesk.settled()
    await zendesk.sender.__aexit__(None, None, None)
    zendesk.sender._answer_limit_s = 0.05
    await zendesk.sender.__aenter__()
    receiver.server.hang_next(6, takes_effect=False)
    await zendesk.agent("Marta").notes(ticket["id"], "una nota")
    await zendesk.settled()
    assert zendesk.sender.invocations[-1].tries == [-1] * 6


async def test_most_failing_breaks_the_circuit_for_some_seconds(receiver) -> None:
    clock = ManualClock()
    async with ZendeskSandbox(receiver.url, clock=clock, plan="high_volume") as zendesk, Caller(zendesk) as caller:
        ticket, marta = await caller.makes(), zendesk.agent("Marta")
        await zendesk.settled()
        receiver.answers = [500] * 18
        for _ in range(18):
            await marta.notes(ticket["id"], "nota")
            await zendesk.settled()
        await marta.notes(ticket["id"], "perdida")
        await zendesk.settled()
        assert zendesk.sender.invocations[-1].fate == "circuit_broken"
        assert zendesk.sender.invocations[-1].tries == []
        await clock.advance(5)
        await marta.notes(ticket["id"], "llega")
        await zendesk.settled()
        assert zendesk.sender.invocations[-1].fate == "taken"


async def test_shares_are_lost_doubled_and_late_as_ordered(zendesk, caller, receiver) -> None:
    ticket, marta = await caller.makes(), zendesk.agent("Marta")
    await zendesk.settled()
    receiver.requests.clear()
    zendesk.sender.loses, zendesk.sender.doubles, zendesk.sender.delays = 0.2, 0.2, 0.5
    for number in range(200):
        await marta.notes(ticket["id"], str(number))
    await zendesk.settled()
    told = [one["event"]["comment"]["body"] for one in receiver.of("comment_added")]
    assert 130 < len(set(told)) < 190
    assert len(told) > len(set(told)) + 15
    assert told != sorted(told, key=int)


# ---------------------------------------------------------------- what is set up by API


async def test_a_webhook_is_made_by_api_and_its_secret_read(receiver) -> None:
    async with ZendeskSandbox(pace=QUICK) as zendesk, Caller(zendesk) as caller:
        wished = {
            "name": "Tertulia",
            "endpoint": receiver.url,
            "http_method": "POST",
            "request_format": "json",
            "status": "active",
            "subscriptions": ["zen:event-type:ticket.status_changed"],
            "authentication": {"type": "bearer_token", "data": {"token": "t"}, "add_position": "header"},
        }
        status, made = await caller.ask("POST", "webhooks", {"webhook": wished})
        assert status == 201
        number = made["webhook"]["id"]
        _, secret = await caller.ask("GET", f"webhooks/{number}/signing_secret")
        ticket = await caller.makes()
        await caller.updates(ticket["id"], status="open")
        await zendesk.settled()
        [(request, body)] = receiver.requests
        at = request.headers["X-Zendesk-Webhook-Signature-Timestamp"]
        proof = signature(secret["signing_secret"]["secret"], at, body)
        assert request.headers["X-Zendesk-Webhook-Signature"] == proof
        assert request.headers["Authorization"] == "Bearer t"
        _, invocations = await caller.ask("GET", f"webhooks/{number}/invocations")
        assert [one["status"] for one in invocations["invocations"]] == ["success"]
        other = {"webhook": {"subscriptions": ["conditional_ticket_events"]}}
        assert (await caller.ask("PATCH", f"webhooks/{number}", other))[0] == 422
        assert (await caller.ask("PATCH", f"webhooks/{number}", {"webhook": {"status": "inactive"}}))[0] == 204
        await caller.updates(ticket["id"], status="pending")
        await zendesk.settled()
        assert len(receiver.requests) == 1
        assert (await caller.ask("DELETE", f"webhooks/{number}"))[0] == 204
        assert (await caller.ask("GET", "webhooks?page[size]=10"))[1]["webhooks"] == []


@pytest.mark.parametrize(
    "wrong",
    [{"endpoint": "ftp://x"}, {"http_method": "HEAD"}, {"request_format": "yaml"}, {"subscriptions": ["comment"]}],
)
async def test_a_webhook_that_cannot_be_is_refused(caller, wrong) -> None:
    fine = {"name": "a", "endpoint": "http://127.0.0.1:1/", "http_method": "POST", "request_format": "json"}
    webhook = {**fine, "status": "active", "subscriptions": [], **wrong}
    assert (await caller.ask("POST", "webhooks", {"webhook": webhook}))[0] == 422


async def test_a_trigger_sends_ids_and_not_for_the_bots_own_acts(receiver) -> None:
    async with ZendeskSandbox(receiver.url, kind="trigger", pace=QUICK) as zendesk, Caller(zendesk) as caller:
        ticket, marta = await caller.makes(), zendesk.agent("Marta")
        await caller.updates(ticket["id"], priority="high")
        await zendesk.settled()
        assert receiver.requests == []
        await marta.answers(ticket["id"], 'dice "hola"', status="pending")
        await zendesk.settled()
        [told] = receiver.events
        assert told["ticket_id"] == str(ticket["id"])
        assert (told["external_id"], told["status"]) == ("case:1", "Pending")


async def test_a_triggers_conditions_and_placeholders(receiver) -> None:
    async with ZendeskSandbox(pace=QUICK) as zendesk, Caller(zendesk) as caller:
        webhook = {
            "name": "t",
            "endpoint": receiver.url,
            "http_method": "POST",
            "request_format": "json",
            "status": "active",
            "subscriptions": ["conditional_ticket_events"],
        }
        _, made = await caller.ask("POST", "webhooks", {"webhook": webhook})
        template = "{{ticket.id}}|{{ ticket.latest_public_comment }}|{{ticket.requester.name}}|{{nothing}}"
        trigger = {
            "title": "solved",
            "conditions": {
                "all": [
                    {"field": "status", "operator": "value", "value": "solved"},
                    {"field": "current_tags", "operator": "includes", "value": "bot"},
                ],
                "any": [],
            },
            "actions": [{"field": "notification_webhook", "value": [made["webhook"]["id"], template]}],
        }
        status, answer = await caller.ask("POST", "triggers", {"trigger": trigger})
        assert status == 201
        ticket, marta = await caller.makes(tags=["bot"]), zendesk.agent("Marta")
        await marta.answers(ticket["id"], 'con "comillas"')
        await marta.solves(ticket["id"])
        await marta.tags(ticket["id"], "more")
        await zendesk.settled()
        [(_, body)] = receiver.requests
        assert body.decode() == f'{ticket["id"]}|con "comillas"|Ana|'
        assert (await caller.ask("DELETE", f"webhooks/{made['webhook']['id']}"))[0] == 422
        number = answer["trigger"]["id"]
        assert (await caller.ask("PUT", f"triggers/{number}", {"trigger": {"active": False}}))[0] == 200
        _, found = await caller.ask("GET", "triggers/search?query=sol")
        assert [one["active"] for one in found["triggers"]] == [False]
        assert (await caller.ask("DELETE", f"triggers/{number}"))[0] == 204
        wrong = {"trigger": {**trigger, "conditions": {"all": [{"field": "moon", "operator": "is", "value": "x"}]}}}
        assert (await caller.ask("POST", "triggers", wrong))[0] == 422


async def test_a_webhook_to_elsewhere_is_never_sent() -> None:
    async with ZendeskSandbox(pace=QUICK) as zendesk, Caller(zendesk) as caller:
        webhook = {
            "name": "t",
            "endpoint": "https://example.com/hook",
            "http_method": "POST",
            "request_format": "json",
            "status": "active",
            "subscriptions": ["zen:event-type:ticket.created"],
        }
        assert (await caller.ask("POST", "webhooks", {"webhook": webhook}))[0] == 201
        await caller.makes()
        await zendesk.settled()
        [invocation] = zendesk.sender.invocations
        assert (invocation.fate, invocation.tries) == ("lost", [])
        assert json.loads(invocation.body)["type"] == "zen:event-type:ticket.created"
