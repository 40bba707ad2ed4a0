"""Zendesk's own client in Python talks to the sandbox as it would to Zendesk."""

import asyncio
import io

import pytest

from handoff.desks.zendesk.sandbox import Pace, ZendeskSandbox

zenpy = pytest.importorskip("zenpy", reason="zenpy is an extra: pip install tertulia[zendesk]")
objects = pytest.importorskip("zenpy.lib.api_objects")
errors = pytest.importorskip("zenpy.lib.exception")


@pytest.fixture
async def zendesk():
    async with ZendeskSandbox(pace=Pace(search_lag_s=0, export_lag_s=0)) as zendesk:
        yield zendesk


@pytest.fixture
def client(zendesk, monkeypatch):
    monkeypatch.setenv("ZENPY_FORCE_NETLOC", zendesk.server.url.removeprefix("http://"))
    monkeypatch.setenv("ZENPY_FORCE_SCHEME", "http")
    client = zenpy.Zenpy(
        subdomain="sandbox", oauth_token=zendesk.world.account.oauth_token, disable_cache=True, ratelimit_budget=2
    )
    yield client
    client.users.session.close()


async def ask(work, *arguments, **named):
    return await asyncio.to_thread(work, *arguments, **named)


async def test_it_makes_updates_lists_and_uploads(zendesk, client) -> None:
    ana = await ask(client.users.create_or_update, objects.User(name="Ana", external_id="wa:57", verified=True))
    assert (await ask(client.users.create_or_update, objects.User(name="Ana", external_id="wa:57"))).id == ana.id
    made = await ask(
        client.tickets.create,
        objects.Ticket(
            subject="WhatsApp: Ana",
            comment=objects.Comment(body="quién dijo qué", public=False),
            requester_id=ana.id,
            external_id="case:1",
            tags=["bot"],
        ),
    )
    assert (made.ticket.status, made.ticket.tags) == ("new", ["bot"])
    upload = await ask(client.attachments.upload, io.BytesIO(b"\x89PNG"), target_name="a.png", content_type="image/png")
    comment = objects.Comment(body="una foto", author_id=ana.id, public=True, uploads=[upload.token])
    audit = await ask(client.tickets.update, objects.Ticket(id=made.ticket.id, comment=comment))
    assert audit.audit.events[0]["body"] == "una foto"
    comments = await ask(lambda: list(client.tickets.comments(ticket=made.ticket.id)))
    assert [(one.body, one.public) for one in comments] == [("quién dijo qué", False), ("una foto", True)]
    assert [one.file_name for one in comments[1].attachments] == ["a.png"]
    await ask(client.tickets.add_tags, made.ticket.id, ["vip"])
    assert zendesk.tickets()[0].tags == ["bot", "vip"]


async def test_it_pages_through_many_comments(zendesk, client) -> None:
    made = await ask(client.tickets.create, objects.Ticket(subject="x", comment=objects.Comment(body="0")))
    marta = zendesk.agent("Marta")
    for number in range(1, 250):
        await marta.notes(made.ticket.id, str(number))
    comments = await ask(lambda: list(client.tickets.comments(ticket=made.ticket.id)))
    assert [one.body for one in comments] == [str(number) for number in range(250)]


async def test_it_finds_by_external_id_by_search_and_by_export(client) -> None:
    ids = []
    for name in ("a", "b", "a"):
        ticket = objects.Ticket(subject=name, external_id=name, comment=objects.Comment(body=name))
        ids.append((await ask(client.tickets.create, ticket)).ticket.id)
    assert await ask(lambda: [one.id for one in client.tickets(external_id="a")]) == [ids[0], ids[2]]
    assert await ask(lambda: [one.id for one in client.search(type="ticket", external_id="b")]) == [ids[1]]
    assert await ask(lambda: [one.id for one in client.tickets.incremental(start_time=1)]) == ids
    assert [one.id for one in await ask(lambda: list(client.tickets(ids=ids[:2])))] == ids[:2]


async def test_it_makes_webhooks_and_triggers(zendesk, client) -> None:
    webhook = objects.Webhook(
        name="Tertulia",
        endpoint="http://127.0.0.1:9/hook",
        http_method="POST",
        request_format="json",
        status="active",
        subscriptions=["zen:event-type:ticket.comment_added"],
    )
    made = await ask(client.webhooks.create, webhook)
    assert [one.name for one in await ask(lambda: list(client.webhooks.list()))] == ["Tertulia"]
    secret = await ask(client.webhooks.show_secret, made)
    assert secret.secret == zendesk.world.account.hooks[made.id].secret
    trigger = objects.Trigger(
        title="t",
        conditions={"all": [{"field": "update_type", "operator": "is", "value": "Change"}], "any": []},
        actions=[{"field": "notification_webhook", "value": [made.id, "{}"]}],
    )
    assert (await ask(client.triggers.create, trigger)).title == "t"
    assert [one.title for one in await ask(lambda: list(client.triggers()))] == ["t"]


async def test_its_errors_are_those_of_zendesk(client) -> None:
    with pytest.raises(errors.RecordNotFoundException):
        await ask(client.tickets, id=77)
    with pytest.raises(errors.APIException) as caught:
        await ask(client.tickets.create, objects.Ticket(subject="x", comment=objects.Comment(body="")))
    assert caught.value.response.status_code == 422


async def test_it_waits_when_there_were_too_many_calls(zendesk, client) -> None:
    made = await ask(client.tickets.create, objects.Ticket(subject="x", comment=objects.Comment(body="0")))

    def update_often():
        for _ in range(31):
            client.tickets.update(objects.Ticket(id=made.ticket.id, priority="low"))

    with pytest.raises(errors.RatelimitBudgetExceeded):
        await ask(update_often)
    assert [one.kind for one in zendesk.violations] == ["ticket"]
