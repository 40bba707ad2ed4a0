"""The stand-in for Zendesk keeps its documented rules: tickets, people, files, search and export."""

import asyncio
from datetime import timedelta

import aiohttp
import pytest
from zendesk_caller import Caller, basic

from gateway.core.clock import ManualClock
from handoff.desks.zendesk.sandbox import AgentFile, Pace, ZendeskSandbox
from handoff.desks.zendesk.sandbox_account import Invalid
from handoff.desks.zendesk.sandbox_words import as_plain

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
async def zendesk(clock):
    async with ZendeskSandbox(clock=clock, plan="high_volume") as zendesk:
        yield zendesk


@pytest.fixture
async def caller(zendesk):
    async with Caller(zendesk) as caller:
        yield caller


# ---------------------------------------------------------------- who may ask


async def test_a_token_or_an_address_with_an_api_token_is_let_in_and_nobody_else(zendesk, caller) -> None:
    account = zendesk.world.account
    bot = account.person(account.bot_id)
    assert (await caller.ask("GET", "users/me.json"))[1]["user"]["name"] == "Tertulia"
    async with Caller(zendesk, "wrong") as stranger:
        for headers, status in (
            (None, 401),
            (basic(f"{bot.email}/token", account.api_token), 200),
            (basic(bot.email, account.api_token), 401),
            (basic("nobody@example.com/token", account.api_token), 401),
            ({"Authorization": "Basic !"}, 401),
        ):
            assert (await stranger.ask("GET", "users/me", headers=headers))[0] == status
        assert (await stranger.ask("GET", "users/me"))[1] == {"error": "Couldn't authenticate you"}
    assert {one.kind for one in zendesk.violations} == {"401"}


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [(b"{", "application/json", 400), (b"{}", "text/plain", 415), (b'{"ticket": []}', "application/json", 400)],
)
async def test_what_cannot_be_read_is_refused(zendesk, caller, body, content_type, status) -> None:
    answer = await caller.ask("POST", "tickets", data=body, headers={"Content-Type": content_type})
    assert answer[0] == status
    assert zendesk.tickets() == []


# ---------------------------------------------------------------- tickets


async def test_a_ticket_is_made_with_all_that_was_wished(zendesk, caller) -> None:
    field = zendesk.add_field("App")
    group = zendesk.add_group("Ventas")
    ticket = await caller.makes(
        tags=["Bot", "two words"], group_id=group.id, priority="urgent", custom_fields=[{"id": field.id, "value": "wa"}]
    )
    assert (ticket["status"], ticket["priority"], ticket["group_id"]) == ("new", "urgent", group.id)
    assert ticket["tags"] == ["bot", "two", "words"]
    assert ticket["custom_fields"] == [{"id": field.id, "value": "wa"}]
    assert caller.headers["Location"].endswith(f"/tickets/{ticket['id']}.json")
    _, listed = await caller.ask("GET", f"tickets/{ticket['id']}/comments")
    assert [(one["body"], one["public"]) for one in listed["comments"]] == [("Quién escribió qué", False)]


async def test_the_same_key_makes_one_ticket_and_says_so(zendesk, caller, clock) -> None:
    headers = {"Idempotency-Key": "open-1"}
    first = await caller.makes(headers=headers)
    assert caller.headers["x-idempotency-lookup"] == "miss"
    assert await caller.makes(headers=headers) == first
    assert caller.headers["x-idempotency-lookup"] == "hit"
    body = {"ticket": {"subject": "other", "comment": {"body": "x"}}}
    status, answer = await caller.ask("POST", "tickets", body, headers=headers)
    assert (status, answer["error"]) == (400, "IdempotentRequestError")
    assert len(zendesk.tickets()) == 1
    await clock.advance(2 * 3600)
    assert (await caller.makes(headers=headers))["id"] != first["id"]


async def test_two_calls_at_once_with_one_key_make_one_ticket(zendesk, caller) -> None:
    await caller.makes("other")
    made = await asyncio.gather(*(caller.makes(headers={"Idempotency-Key": "k"}) for _ in range(8)))
    assert len({ticket["id"] for ticket in made}) == 1
    assert len(zendesk.tickets(external_id="case:1")) == 1


async def test_a_key_of_a_refused_call_is_free(caller) -> None:
    headers = {"Idempotency-Key": "k"}
    assert (await caller.ask("POST", "tickets", {"ticket": {"subject": "x"}}, headers=headers))[0] == 422
    assert (await caller.makes(headers=headers))["status"] == "new"


@pytest.mark.parametrize(
    ("ticket", "field"),
    [
        ({"comment": {"body": "x"}, "requester_id": 5}, "requester"),
        ({"comment": {"body": "x"}, "group_id": 5}, "group"),
        ({"comment": {"body": "x"}, "assignee_id": 5}, "assignee"),
        ({"comment": {"body": "x"}, "status": "done"}, "status"),
        ({"comment": {"body": "x"}, "priority": "none"}, "priority"),
        ({"comment": {"body": "x" * 65_536}}, "comment"),
        ({"comment": {"body": "x", "author_id": 5}}, "comment"),
        ({"comment": {"body": "x", "uploads": ["gone"]}}, "uploads"),
        ({"comment": {"body": ""}}, "base"),
        ({"comment": {"body": "x"}, "via_followup_source_id": 1}, "via_followup_source_id"),
    ],
)
async def test_a_ticket_that_does_not_fit_is_refused_by_field(zendesk, caller, ticket, field) -> None:
    status, answer = await caller.ask("POST", "tickets", {"ticket": ticket})
    assert (status, answer["error"], list(answer["details"])) == (422, "RecordInvalid", [field])
    assert zendesk.tickets() == []


async def test_what_an_update_does_not_name_stays(caller) -> None:
    ticket = await caller.makes(tags=["a", "b"], priority="low")
    status, answer = await caller.updates(ticket["id"], additional_tags=["c"], remove_tags=["a"])
    assert status == 200
    assert (answer["ticket"]["tags"], answer["ticket"]["priority"]) == (["b", "c"], "low")
    assert [event["field_name"] for event in answer["audit"]["events"]] == ["tags"]


async def test_what_is_to_be_kept_beside_a_comment_is_told_with_it(caller) -> None:
    ticket = await caller.makes(metadata={"custom": {"tertulia": "case 1"}})
    await caller.updates(ticket["id"], comment={"body": "x"}, metadata={"custom": {"tertulia": "messages 1 to 3"}})
    _, listed = await caller.ask("GET", f"tickets/{ticket['id']}/comments")
    kept = [one["metadata"]["custom"] for one in listed["comments"]]
    assert kept == [{"tertulia": "case 1"}, {"tertulia": "messages 1 to 3"}]
    _, audits = await caller.ask("GET", f"tickets/{ticket['id']}/audits")
    assert [one["metadata"]["custom"] for one in audits["audits"]] == kept


async def test_a_safe_update_of_something_older_is_a_conflict(caller, clock) -> None:
    ticket = await caller.makes()
    await clock.advance(5)
    assert (await caller.updates(ticket["id"], priority="high"))[0] == 200
    late = {"safe_update": True, "updated_stamp": ticket["updated_at"], "priority": "low"}
    status, answer = await caller.updates(ticket["id"], **late)
    assert (status, answer["error"]) == (409, "UpdateConflict")
    _, now = await caller.ask("GET", f"tickets/{ticket['id']}")
    late["updated_stamp"] = now["ticket"]["updated_at"]
    assert (await caller.updates(ticket["id"], **late))[1]["ticket"]["priority"] == "low"


async def test_the_life_of_a_ticket(zendesk, caller, clock) -> None:
    ticket, marta = await caller.makes(), zendesk.agent("Marta")
    number, ana = ticket["id"], ticket["requester_id"]
    await marta.takes(number)
    assert zendesk.tickets()[0].status == "open"
    await marta.pends(number)
    await caller.updates(number, comment={"body": "sigo aquí", "author_id": ana})
    assert zendesk.tickets()[0].status == "open"
    await marta.solves(number, "hasta luego")
    await caller.updates(number, comment={"body": "una cosa más", "author_id": ana})
    assert zendesk.tickets()[0].status == "open"
    await marta.solves(number)
    assert (await caller.updates(number, status="new"))[0] == 422
    await clock.advance(590)
    assert zendesk.tickets()[0].status == "solved"
    await clock.advance(15)
    assert zendesk.tickets()[0].status == "closed"
    status, answer = await caller.updates(number, comment={"body": "x", "author_id": ana})
    assert status == 422
    assert "closed prevents ticket update" in answer["details"]["status"][0]["description"]
    followup = await caller.makes("case:2", via_followup_source_id=number)
    assert followup["via"]["source"]["rel"] == "follow_up"
    assert (await caller.ask("GET", f"tickets/{number}"))[1]["ticket"]["followup_ids"] == [followup["id"]]


async def test_a_word_of_the_bot_opens_nothing(zendesk, caller) -> None:
    ticket, marta = await caller.makes(), zendesk.agent("Marta")
    await marta.takes(ticket["id"])
    await marta.solves(ticket["id"])
    await caller.updates(ticket["id"], comment={"body": "encuesta", "public": False})
    assert zendesk.tickets()[0].status == "solved"


async def test_whoever_solves_what_nobody_has_has_it(zendesk, caller) -> None:
    ticket, marta = await caller.makes(), zendesk.agent("Marta")
    await marta.solves(ticket["id"])
    assert zendesk.tickets()[0].assignee_id == marta.id


async def test_deleted_and_spam_are_gone_and_the_first_comes_back(zendesk, caller) -> None:
    ticket, marta = await caller.makes(), zendesk.agent("Marta")
    await marta.deletes(ticket["id"])
    assert (await caller.ask("GET", f"tickets/{ticket['id']}"))[0] == 404
    assert (await caller.updates(ticket["id"], status="open"))[1]["error"] == "RecordNotFound"
    await marta.restores(ticket["id"])
    assert (await caller.ask("GET", f"tickets/{ticket['id']}"))[0] == 200
    await marta.marks_as_spam(ticket["id"])
    assert (await caller.ask("GET", "tickets.json?external_id=case:1"))[1]["tickets"] == []


async def test_merged_tickets_name_one_another(zendesk, caller) -> None:
    one, two = await caller.makes("a"), await caller.makes("b")
    status, answer = await caller.ask("POST", f"tickets/{two['id']}/merge", {"ids": [one["id"]]})
    assert (status, answer["job_status"]["status"]) == (200, "completed")
    gone, left = zendesk.world.account.tickets[one["id"]], zendesk.world.account.tickets[two["id"]]
    assert (gone.status, gone.merged_into, left.status) == ("closed", two["id"], "new")
    assert f"#{two['id']}" in gone.comments[-1].body
    assert f"#{one['id']}" in left.comments[-1].body
    with pytest.raises(Invalid):
        await zendesk.agent("Marta").merges(one["id"], two["id"])


async def test_comments_come_in_pages_by_cursor_and_by_number(zendesk, caller) -> None:
    ticket, marta = await caller.makes(), zendesk.agent("Marta")
    for number in range(6):
        await marta.notes(ticket["id"], f"nota {number}")
    found, address = [], f"tickets/{ticket['id']}/comments.json?page[size]=3"
    while address:
        _, page = await caller.ask("GET", address)
        assert len(page["comments"]) <= 3
        found += [one["body"] for one in page["comments"]]
        address = page["links"]["next"]
    assert found == ["Quién escribió qué", *(f"nota {number}" for number in range(6))]
    _, page = await caller.ask("GET", f"tickets/{ticket['id']}/comments?per_page=4&page=2&sort_order=desc")
    assert [one["body"] for one in page["comments"]] == ["nota 1", "nota 0", "Quién escribió qué"]
    assert (page["count"], page["next_page"]) == (7, None)


async def test_html_is_told_as_html_and_as_words(zendesk, caller) -> None:
    ticket, marta = await caller.makes(), zendesk.agent("Marta")
    await marta.answers(ticket["id"], html="<p>Hola <b>Ana</b></p><ul><li>uno</li><li>dos</li></ul>")
    _, listed = await caller.ask("GET", f"tickets/{ticket['id']}/comments")
    comment = listed["comments"][-1]
    assert "<b>Ana</b>" in comment["html_body"]
    assert comment["plain_body"] == "Hola Ana\n\nuno\n\ndos"


def test_words_of_html_hold_no_script() -> None:
    assert as_plain("<style>p{}</style>a<script>b</script><br>c &amp; d") == "a\nc & d"


# ---------------------------------------------------------------- people


async def test_people_are_found_by_external_id_then_by_address(caller) -> None:
    async def ask(**user):
        status, answer = await caller.ask("POST", "users/create_or_update.json", {"user": user})
        return status, answer

    status, made = await ask(name="Ana", external_id="wa:1", email="Ana@example.com")
    assert status == 201
    status, same = await ask(name="Ana Silva", external_id="wa:1")
    assert (status, same["user"]["id"], same["user"]["name"]) == (200, made["user"]["id"], "Ana Silva")
    status, same = await ask(name="Ana S.", email="ana@example.com")
    assert (status, same["user"]["id"], same["user"]["external_id"]) == (200, made["user"]["id"], "wa:1")
    _, found = await caller.ask("GET", "users/search?external_id=wa:1")
    assert [one["id"] for one in found["users"]] == [made["user"]["id"]]
    assert (await ask(name="", external_id="wa:2"))[0] == 422
    assert (await ask(name="B", external_id="wa:2", email="no address"))[0] == 422
    assert (await caller.ask("POST", "users", {"user": {"name": "B", "external_id": "wa:1"}}))[0] == 422


async def test_a_requester_with_a_name_alone_is_somebody_new_each_time(zendesk, caller) -> None:
    for _ in range(2):
        await caller.ask("POST", "tickets", {"ticket": {"comment": {"body": "x"}, "requester": {"name": "Ana"}}})
    one, two = zendesk.tickets()
    assert one.requester_id != two.requester_id


async def test_two_people_become_one(zendesk, caller) -> None:
    ticket = await caller.makes()
    _, other = await caller.ask("POST", "users", {"user": {"name": "Ana 2", "email": "ana@example.com"}})
    gone, left = ticket["requester_id"], other["user"]["id"]
    assert (await caller.ask("PUT", f"users/{gone}/merge", {"user": {"id": left}}))[0] == 200
    assert zendesk.tickets()[0].requester_id == left
    assert (await caller.ask("GET", f"users/{gone}"))[1]["user"]["id"] == left
    status, answer = await caller.updates(ticket["id"], comment={"body": "soy yo", "author_id": gone})
    assert status == 200
    assert answer["audit"]["events"][0]["author_id"] == left


async def test_identities_belong_to_one_person(caller) -> None:
    _, one = await caller.ask("POST", "users", {"user": {"name": "A", "email": "a@example.com", "phone": "+5712"}})
    _, two = await caller.ask("POST", "users", {"user": {"name": "B"}})
    address = f"users/{two['user']['id']}/identities"
    taken = {"identity": {"type": "email", "value": "a@example.com"}}
    assert (await caller.ask("POST", address, taken))[0] == 422
    free = {"identity": {"type": "email", "value": "b@example.com"}}
    assert (await caller.ask("POST", address, free))[0] == 201
    assert (await caller.ask("POST", address, {"identity": {"type": "fax", "value": "1"}}))[0] == 422
    _, listed = await caller.ask("GET", f"users/{one['user']['id']}/identities")
    assert [(one["type"], one["value"]) for one in listed["identities"]] == [
        ("email", "a@example.com"),
        ("phone_number", "+5712"),
    ]


# ---------------------------------------------------------------- files


async def test_a_file_is_uploaded_named_in_a_comment_and_read_again(zendesk, caller) -> None:
    ticket = await caller.makes()
    headers = {"Content-Type": "image/png"}
    status, answer = await caller.ask("POST", "uploads.json?filename=año 1.png", data=PNG, headers=headers)
    assert (status, answer["upload"]["attachment"]["size"]) == (201, len(PNG))
    token = answer["upload"]["token"]
    await caller.ask("POST", f"uploads?filename=b.png&token={token}", data=PNG, headers=headers)
    comment = {"body": "fotos", "uploads": [token], "author_id": ticket["requester_id"]}
    assert (await caller.updates(ticket["id"], comment=comment))[0] == 200
    assert (await caller.updates(ticket["id"], comment=comment))[0] == 422  # a token is good for one comment
    _, listed = await caller.ask("GET", f"tickets/{ticket['id']}/comments")
    files = listed["comments"][-1]["attachments"]
    assert [one["file_name"] for one in files] == ["año 1.png", "b.png"]
    assert await caller.ask("GET", files[0]["content_url"]) == (200, PNG)


async def test_a_token_is_forgotten_after_three_days(caller, clock) -> None:
    ticket = await caller.makes()
    _, answer = await caller.ask("POST", "uploads?filename=a", data=PNG)
    await clock.advance(timedelta(days=3).total_seconds())
    status, _ = await caller.updates(ticket["id"], comment={"body": "x", "uploads": [answer["upload"]["token"]]})
    assert status == 422


async def test_private_files_lead_on_for_those_who_may_see_them() -> None:
    async with ZendeskSandbox(is_private=True) as zendesk, Caller(zendesk) as caller:
        ticket = await caller.makes()
        comment = await zendesk.agent("Marta").answers(ticket["id"], "mira", files=[AgentFile("a.png", PNG)])
        address = comment.attachments[0].described(zendesk.server.url)["content_url"]
        async with aiohttp.ClientSession() as stranger, stranger.get(address) as answer:
            assert answer.status == 401
        assert await caller.ask("GET", address) == (200, PNG)
        assert (await caller.ask("GET", address, allow_redirects=False))[0] == 302


# ---------------------------------------------------------------- finding what changed


async def test_search_learns_of_a_ticket_later_and_the_list_at_once(caller, clock) -> None:
    ticket = await caller.makes()
    query = "search.json?query=type:ticket external_id:case:1 status<solved"
    assert (await caller.ask("GET", "tickets?external_id=case:1"))[1]["tickets"][0]["id"] == ticket["id"]
    assert (await caller.ask("GET", query))[1]["results"] == []
    await clock.advance(31)
    assert [one["id"] for one in (await caller.ask("GET", query))[1]["results"]] == [ticket["id"]]
    await caller.updates(ticket["id"], status="solved")
    assert len((await caller.ask("GET", query))[1]["results"]) == 1
    await clock.advance(31)
    assert (await caller.ask("GET", query))[1]["results"] == []


async def test_the_export_tells_every_change_once_it_is_a_minute_old(zendesk, caller, clock) -> None:
    start = int(clock.now().timestamp()) - 100
    made = []
    for number in range(5):
        made.append((await caller.makes(f"case:{number}"))["id"])
        await clock.advance(1)
    first = f"incremental/tickets/cursor.json?start_time={start}&per_page=2"
    _, page = await caller.ask("GET", first)
    assert (page["tickets"], page["end_of_stream"]) == ([], True)
    await clock.advance(120)
    await zendesk.agent("Marta").deletes(made[0])
    found, address = [], first
    for _ in range(3):
        _, page = await caller.ask("GET", address)
        found += [ticket["id"] for ticket in page["tickets"]]
        address = page["after_url"]
    assert found == made[1:]
    assert page["end_of_stream"]
    await clock.advance(61)
    _, page = await caller.ask("GET", address)
    assert [(one["id"], one["status"]) for one in page["tickets"]] == [(made[0], "deleted")]
    now = int(clock.now().timestamp())
    assert (await caller.ask("GET", f"incremental/tickets/cursor?start_time={now}"))[0] == 422
    assert (await caller.ask("GET", "incremental/tickets/cursor?cursor=no"))[0] == 400


# ---------------------------------------------------------------- limits


async def test_thirty_updates_of_a_ticket_in_ten_minutes_and_no_more(caller, clock) -> None:
    ticket, other = await caller.makes("a"), await caller.makes("b")
    for _ in range(30):
        assert (await caller.updates(ticket["id"], priority="high"))[0] == 200
        await clock.advance(2)
    status, answer = await caller.updates(ticket["id"], priority="low")
    assert (status, answer["error"]) == (429, "APIRateLimitExceeded")
    assert caller.headers["Retry-After"] == "540"
    assert (await caller.updates(other["id"], priority="low"))[0] == 200
    await clock.advance(539)
    assert (await caller.updates(ticket["id"], priority="low"))[0] == 429
    await clock.advance(1)
    assert (await caller.updates(ticket["id"], priority="low"))[0] == 200


async def test_a_hundred_updates_a_minute_for_all_tickets(zendesk, caller, clock) -> None:
    tickets = [(await caller.makes(f"case:{number}"))["id"] for number in range(5)]
    for number in range(100):
        assert (await caller.updates(tickets[number % 5], priority="high"))[0] == 200
    assert caller.headers["zendesk-ratelimit-tickets-update"] == "total=100; remaining=0; resets=60"
    assert (await caller.updates(tickets[0], priority="low"))[0] == 429
    assert caller.headers["zendesk-ratelimit-tickets-update"] == "total=100; remaining=0; resets=60"
    assert caller.headers["X-Rate-Limit"] == "2500"
    [violation] = zendesk.violations
    assert (violation.kind, violation.method) == ("tickets-update", "PUT")
    await clock.advance(60)
    assert (await caller.updates(tickets[0], priority="low"))[0] == 200


async def test_the_plan_limits_every_call_and_headers_tell_what_is_left(clock) -> None:
    async with ZendeskSandbox(clock=clock, plan="team") as zendesk, Caller(zendesk) as caller:
        for number in range(200):
            assert (await caller.ask("GET", "users/me"))[0] == 200
            assert caller.headers["X-Rate-Limit"] == "200"
            assert caller.headers["ratelimit-remaining"] == str(199 - number)
        assert (await caller.ask("GET", "groups"))[0] == 429
        assert caller.headers["Retry-After"] == "60"
        async with Caller(zendesk, "wrong") as stranger:
            assert (await stranger.ask("GET", "users/me"))[0] == 401  # strangers take nothing from the account
        await clock.advance(60)
        assert (await caller.ask("GET", "groups"))[0] == 200


async def test_ten_exports_a_minute(caller, clock) -> None:
    statuses = [(await caller.ask("GET", "incremental/tickets/cursor?start_time=1"))[0] for _ in range(11)]
    assert statuses == [200] * 10 + [429]
    await clock.advance(60)
    assert (await caller.ask("GET", "incremental/tickets/cursor?start_time=1"))[0] == 200


async def test_quicker_minutes_shorten_every_wait(clock) -> None:
    async with (
        ZendeskSandbox(clock=clock, plan="high_volume", pace=Pace(minute_s=6)) as zendesk,
        Caller(zendesk) as caller,
    ):
        ticket = await caller.makes()
        statuses = [(await caller.updates(ticket["id"], priority="high"))[0] for _ in range(31)]
        assert statuses == [200] * 30 + [429]
        assert caller.headers["Retry-After"] == "60"
        await clock.advance(60)
        assert (await caller.updates(ticket["id"], status="solved"))[0] == 200
        await clock.advance(61)
        assert zendesk.tickets()[0].status == "closed"
        assert zendesk.settings_values["rates"] == {"requests": 2500, "minute_s": 6}


# ---------------------------------------------------------------- trouble to order


async def test_it_fails_for_a_while_and_is_dead_for_a_while(zendesk, caller, clock) -> None:
    zendesk.fails_for(60)
    assert (await caller.ask("GET", "users/me"))[0] == 500
    await clock.advance(60)
    assert (await caller.ask("GET", "users/me"))[0] == 200
    zendesk.dead_for(60)
    with pytest.raises(aiohttp.ClientError):
        await caller.ask("POST", "users", {"user": {"name": "A"}})
    await clock.advance(60)
    assert len((await caller.ask("GET", "users?role=end-user"))[1]["users"]) == 0


async def test_a_connection_breaks_after_the_ticket_was_made(zendesk, caller) -> None:
    zendesk.cuts(1.0, takes_effect=True, which=lambda call: call.method == "POST" and call.path.endswith("/tickets"))
    with pytest.raises(aiohttp.ClientError):
        await caller.makes(headers={"Idempotency-Key": "k"})
    assert len(zendesk.tickets()) == 1
    assert zendesk.calls[-1].took_effect


# ---------------------------------------------------------------- between two runs


async def test_the_account_is_the_same_in_the_next_run(tmp_path) -> None:
    folder = tmp_path / "zendesk"
    async with ZendeskSandbox(memory=folder) as zendesk, Caller(zendesk) as caller:
        ticket = await caller.makes()
        said = await zendesk.agent("Marta").answers(ticket["id"], "mira", files=[AgentFile("a.png", PNG)])
        token = zendesk.world.account.oauth_token
    async with ZendeskSandbox(memory=folder) as zendesk, Caller(zendesk, token) as caller:
        assert zendesk.agent("Marta").id == said.author_id
        _, listed = await caller.ask("GET", f"tickets/{ticket['id']}/comments")
        assert [one["body"] for one in listed["comments"]] == ["Quién escribió qué", "mira"]
        [file] = listed["comments"][-1]["attachments"]
        assert await caller.ask("GET", file["content_url"]) == (200, PNG)
        assert (await caller.makes("case:2"))["id"] == ticket["id"] + 1
        assert [one.id for one in zendesk.tickets(external_id="case:1")] == [ticket["id"]]
    assert (folder / "account.msgpack").stat().st_mode & 0o077 == 0


async def test_files_that_are_too_much_go_from_the_folder_too(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("handoff.desks.zendesk.sandbox_account.KEPT_FILE_BYTES", 100)
    for number in range(3):
        async with ZendeskSandbox(memory=tmp_path) as zendesk:
            zendesk.agent("Marta").uploads(AgentFile(f"{number}.png", b"0" * 60))
            zendesk.world.changed()
    assert len(list(tmp_path.glob("*.file"))) == 1


async def test_of_very_many_tickets_the_oldest_closed_are_forgotten(caller, zendesk, monkeypatch) -> None:
    monkeypatch.setattr("handoff.desks.zendesk.sandbox_tickets.KEPT_TICKETS", 3)
    made = [await caller.makes(f"case:{number}") for number in range(3)]
    await zendesk.agent("Marta").merges(made[1]["id"], made[0]["id"])
    made.append(await caller.makes("case:3"))
    assert [ticket.id for ticket in zendesk.tickets()] == [made[0]["id"], made[2]["id"], made[3]["id"]]
    assert zendesk.tickets(external_id="case:1") == []


async def test_an_account_that_cannot_be_read_is_begun_anew(tmp_path) -> None:
    (tmp_path / "account.msgpack").write_bytes(b"?")
    async with ZendeskSandbox(memory=tmp_path) as zendesk:
        assert zendesk.tickets() == []
