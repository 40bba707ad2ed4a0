"""Connecting an app of Sunshine, and what the doctor sees."""

import pytest

from channels.sunshine import channel
from channels.sunshine.sandbox import SunshineSandbox
from channels.sunshine.sandbox_world import Hook, Seat, new_id
from channels.sunshine.settings import TRIGGERS, SunshineSettings
from gateway.core.errors import GiveUp, Misconfigured

URL = "https://gateway.example/webhooks/sunshine/main"


async def no_blobs(_key):
    yield b""


@pytest.fixture
async def sandbox():
    async with SunshineSandbox() as running:
        yield running


class Talking:
    """A client of the sandbox with other settings at times."""

    def __init__(self, sandbox):
        self.sandbox = sandbox

    async def ask(self, what, **more):
        settings = SunshineSettings.model_validate({**self.sandbox.settings_values, **more})
        client = channel.client(settings, no_blobs)
        await client.open()
        try:
            return list(await getattr(client, what)(URL))
        finally:
            await client.close()


@pytest.fixture
def talking(sandbox):
    return Talking(sandbox)


def bad(findings):
    return [finding.what for finding in findings if finding.level != "ok"]


def writes(sandbox):
    return [(call.method, call.path.rpartition("/")[2]) for call in sandbox.server.calls if call.method != "GET"]


async def test_the_first_time_all_is_made_and_the_operator_is_told_the_secret(sandbox, talking):
    findings = await talking.ask("connect")
    [hook] = sandbox.world.hooks.values()
    assert (hook.target, hook.triggers, hook.has_full_user) == (URL, TRIGGERS, True)
    seat = sandbox.world.seats[sandbox.world.first]
    agents = next(one for one in sandbox.world.seats.values() if one.integration_type == "zd:agentWorkspace")
    assert (seat.name, seat.integration_id, seat.hears_standby, seat.following) == ("bot", hook.id, True, agents.id)
    [told] = [finding for finding in findings if finding.level != "ok"]
    assert told.what == "a webhook was made"
    assert f'webhook_secret = "{hook.secret}"' in told.advice


async def test_the_second_time_nothing_is_written(sandbox, talking):
    await talking.ask("connect")
    [hook] = sandbox.world.hooks.values()
    sandbox.server.calls.clear()
    findings = await talking.ask("connect", webhook_secret=hook.secret)
    assert writes(sandbox) == []
    assert bad(findings) == []
    assert not any(hook.secret in finding.advice for finding in findings)
    assert bad(await talking.ask("doctor", webhook_secret_previous=hook.secret)) == []


async def test_what_was_changed_at_zendesk_is_put_right(sandbox, talking):
    await talking.ask("connect")
    [hook] = sandbox.world.hooks.values()
    seat = sandbox.world.seats[sandbox.world.first]
    hook.target, hook.triggers = "https://old.example/", ("conversation:message",)
    seat.hears_standby, seat.following = False, ""
    sandbox.world.is_enabled = False
    sandbox.server.calls.clear()
    found = bad(await talking.ask("doctor", webhook_secret=hook.secret))
    assert any("https://old.example/" in what for what in found)
    assert "the switchboard is off: all integrations hear everything, and nobody is in control" in found
    assert "what is said while others have control is not told to us" in found
    assert "after us comes somebody else than 'zd:agentWorkspace'" in found
    assert writes(sandbox) == []
    assert bad(await talking.ask("connect", webhook_secret=hook.secret)) == []
    assert [method for method, _ in writes(sandbox)] == ["PATCH", "PATCH", "PATCH"]
    assert bad(await talking.ask("doctor", webhook_secret=hook.secret)) == []
    assert len(sandbox.world.hooks) == 1


async def test_another_bot_stays_first_where_the_settings_say_so(sandbox, talking):
    other = sandbox.world.add_seat(Seat(new_id(), "other", new_id(), "zd:answerBot"))
    sandbox.world.first = other.id
    findings = await talking.ask("connect", is_first_responder=False)
    assert sandbox.world.first == other.id
    assert any(finding.what == "'bot' answers what is passed to it" for finding in findings)
    assert "'bot' is not the first to answer" in bad(await talking.ask("doctor"))


async def test_the_doctor_of_an_app_that_was_never_connected(talking):
    findings = await talking.ask("doctor")
    assert findings[0].level == "ok"
    assert bad(findings) == ["no webhook is registered", "nobody named 'bot' is on the switchboard"]
    assert all(finding.advice == "run: tertulia channels connect" for finding in findings[1:])


async def test_a_webhook_with_fewer_triggers_or_without_people_is_named(sandbox, talking):
    await talking.ask("connect")
    [hook] = sandbox.world.hooks.values()
    hook.triggers, hook.has_full_user = TRIGGERS[1:], False
    found = bad(await talking.ask("doctor", webhook_secret=hook.secret))
    assert found == ["not subscribed to conversation:message", "webhooks do not tell who writes"]


async def test_the_doctor_never_shows_the_secret(sandbox, talking):
    await talking.ask("connect")
    [hook] = sandbox.world.hooks.values()
    findings = await talking.ask("doctor")
    assert "webhook_secret is not the webhook's: every message is refused" in bad(findings)
    assert not any(hook.secret in f"{finding.what} {finding.advice}" for finding in findings)


async def test_a_seat_of_another_integration_is_named_and_taken_over(sandbox, talking):
    hook = Hook(new_id(), "elsewhere", new_id(), "https://other.example/", (), "s")
    sandbox.world.hooks[hook.id] = hook
    sandbox.world.add_seat(Seat("s1", "bot", hook.id, "custom"))
    await talking.ask("connect")
    mine = next(one for one in sandbox.world.hooks.values() if one.target == URL)
    assert sandbox.world.seats["s1"].integration_id == mine.id
    sandbox.world.seats["s1"].integration_id = hook.id
    found = bad(await talking.ask("doctor", webhook_secret=mine.secret))
    assert found == [f"'bot' on the switchboard belongs to another integration ({hook.id})"]


async def test_a_next_responder_that_does_not_exist_is_named_with_those_that_do(talking):
    findings = await talking.ask("connect", next_responder="agnets")
    [told] = [what for what in bad(findings) if "agnets" in what]
    assert told == "nobody on the switchboard is called 'agnets' (there are: agents, bot)"


async def test_a_widget_whose_visitors_meet_another_bot_first_is_named(sandbox, talking):
    await talking.ask("connect")
    [hook] = sandbox.world.hooks.values()
    other = sandbox.world.add_seat(Seat(new_id(), "other", new_id(), "zd:answerBot"))
    sandbox.world.widget_first = other.id
    what = "on Widget (web) somebody else is the first to answer"
    assert bad(await talking.ask("doctor", webhook_secret=hook.secret)) == [what]
    assert bad(await talking.ask("connect", webhook_secret=hook.secret)) == [what]
    assert sandbox.world.widget_first == other.id
    assert what not in bad(await talking.ask("doctor", webhook_secret=hook.secret, is_first_responder=False))


async def test_a_key_that_is_refused_is_the_first_and_only_finding(talking):
    wrong = {"key_secret": "another-secret-that-is-long-enough-to-sign"}
    [finding] = await talking.ask("doctor", **wrong)
    assert (finding.level, finding.about) == ("bad", "credentials")
    with pytest.raises(Misconfigured) as raised:
        await talking.ask("connect", **wrong)
    assert raised.value.key == "key_secret"


async def test_an_app_that_does_not_exist_is_a_wrong_setting(talking):
    [finding] = await talking.ask("doctor", app_id="none")
    assert "app_id" in finding.what


async def test_a_gateway_out_of_reach_is_no_wrong_setting(sandbox, talking):
    sandbox.server.fail_next(status=503)
    [finding] = await talking.ask("doctor")
    assert finding.advice == "see whether the API can be reached"


async def test_a_refused_registration_is_raised_by_name(sandbox, talking):
    sandbox.server.fail_next(status=400, which=lambda call: call.method == "POST")
    with pytest.raises(GiveUp):
        await talking.ask("connect")
