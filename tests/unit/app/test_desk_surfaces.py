"""What agents are told of an account: the window as the rules of sending see it, losses as the channel makes them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import msgspec
import pytest

from channels.messenger import channel as messenger
from channels.whatsapp import channel as whatsapp
from config.bot_outside import OutsideWindow, StandIn
from gateway.app.desk_surfaces import TEMPLATES_KEPT_S, ServedSurfaces
from gateway.core.channel import ApprovedTemplate, Channel, EndpointSettings
from gateway.core.clock import ManualClock
from gateway.core.errors import GiveUp, Misconfigured, Retry
from gateway.core.ids import AccountId, ContactId, ConversationId, new_id
from gateway.core.messages import Media
from gateway.router.endpoints import Endpoints, OpenAccount
from gateway.router.policy_guard import NoFallbacks, PolicyGuard
from gateway.store.consent import Standing
from gateway.store.rows import Account
from gateway.web.desk.surface import Recipient

HERE, ELSEWHERE = AccountId(1), AccountId(2)
NUMBER = {"phone_number_id": "1", "waba_id": "2"}
FALLBACKS = OutsideWindow("Faro", "es", StandIn("seguimos_aqui", languages={"es": "es_CO"}))


class Directory:
    """A client that tells templates, or raises; counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.trouble: Exception | None = None

    async def templates(self, account: str) -> Sequence[ApprovedTemplate]:
        self.asked += 1
        if self.trouble is not None:
            raise self.trouble
        return [ApprovedTemplate("visita", "es_CO", "Hola {{1}}", 1), ApprovedTemplate("visita", "en", "Hi {{1}}", 1)]


class World:
    def __init__(self, channel: Channel, settings: EndpointSettings, *, fallbacks: object = None) -> None:
        self.clock = ManualClock()
        self.client = Directory()
        spec = channel.accounts(settings)[0]
        account = Account(HERE, channel.name, "main", spec.name, spec.external, spec.app)
        endpoints = Endpoints([OpenAccount(account, spec, channel, settings, self.client)])  # type: ignore[arg-type]
        guard = PolicyGuard(endpoints, self.clock, fallbacks=fallbacks or NoFallbacks())  # type: ignore[arg-type]
        self.surfaces = ServedSurfaces(endpoints, guard, self.clock)

    def standing(self, heard_ago_h: float, **facts: object) -> Standing:
        standing = Standing(
            conversation_id=ConversationId(new_id()),
            account_id=HERE,
            contact_id=ContactId(new_id()),
            app="",
            language="es",
            heard_at=self.clock.now() - timedelta(hours=heard_ago_h),
            window_until=None,
            is_opted_out=False,
            is_marketing_out=False,
            is_opted_in=False,
            is_marketing_in=False,
            is_unreachable=False,
        )
        return msgspec.structs.replace(standing, **facts)

    def losses(self, file: Media) -> tuple[str, ...]:
        to = Recipient(conversation_id=ConversationId(new_id()), account_id=HERE, recipient="573005550142")
        return self.surfaces.losses(to, (file,))


def numbers(**more: object) -> World:
    settings = whatsapp.settings.model_validate(
        {"app_secret": "x", "verify_token": "v", "access_token": "t", "accounts": {"main": NUMBER}}
    )
    return World(whatsapp, settings, **more)


def test_an_open_window_is_told_with_its_end() -> None:
    world = numbers()
    told = world.surfaces.speaking(world.standing(23))
    assert (told.kind, told.until) == ("open", world.clock.now() + timedelta(hours=1))


def test_a_closed_one_with_when_it_closed_and_that_templates_go() -> None:
    world = numbers()
    told = world.surfaces.speaking(world.standing(30))
    assert (told.kind, told.since, told.has_templates) == ("closed", world.clock.now() - timedelta(hours=6), True)
    assert "plantilla" in told.words["es"]


def test_where_the_author_named_a_template_words_wait_behind_it() -> None:
    world = numbers(fallbacks=FALLBACKS)
    told = world.surfaces.speaking(world.standing(30))
    assert (told.kind, told.stand_in) == ("held", "seguimos_aqui")


def test_who_wants_silence_is_not_written_to_and_no_template_is_offered() -> None:
    world = numbers()
    told = world.surfaces.speaking(world.standing(1, is_opted_out=True))
    assert (told.kind, told.reason, told.has_templates) == ("refused", "opted_out", False)


@pytest.mark.parametrize(("has_leave", "kind"), [(True, "late"), (False, "closed")])
def test_a_person_has_longer_than_the_bot_where_the_provider_gave_leave(has_leave: bool, kind: str) -> None:
    page = {"page_id": "1", "access_token": "t"}
    raw = {"app_secret": "x", "verify_token": "v", "accounts": {"main": page}, "has_human_agent": has_leave}
    world = World(messenger, messenger.settings.model_validate(raw))
    told = world.surfaces.speaking(world.standing(30))
    assert told.kind == kind
    assert told.until == (world.clock.now() + timedelta(days=7, hours=-30) if has_leave else None)


def test_what_is_served_elsewhere_is_neither_closed_nor_bounded_here() -> None:
    world = numbers()
    assert world.surfaces.speaking(world.standing(90, account_id=ELSEWHERE)).kind == "open"
    assert world.surfaces.media(ELSEWHERE) is None


def test_losses_are_those_that_the_channel_itself_would_make() -> None:
    world = numbers()
    small = Media("image", blob="aa/1", name="a.jpg", mime="image/jpeg", size_bytes=1_000)
    assert world.losses(small) == ()
    assert world.losses(msgspec.structs.replace(small, size_bytes=6_000_000)) == ("image as document",)
    assert "image" in (world.surfaces.media(HERE) or ())


async def test_templates_are_asked_for_once_in_a_while_and_their_texts_remembered() -> None:
    world = numbers()
    assert world.surfaces.template_text(HERE, "visita", "es_CO") == ""
    for _ in range(3):
        found = await world.surfaces.templates(HERE)
    assert ([one.name for one in found], world.client.asked) == (["visita", "visita"], 1)
    assert world.surfaces.template_text(HERE, "visita", "en") == "Hi {{1}}"
    assert world.surfaces.template_text(HERE, "visita", "es-CO") == "Hola {{1}}"
    await world.clock.advance(TEMPLATES_KEPT_S + 1)
    await world.surfaces.templates(HERE)
    assert world.client.asked == 2
    assert await world.surfaces.templates(ELSEWHERE) == ()


@pytest.mark.parametrize(
    ("trouble", "told"),
    [(Retry("away"), Retry), (GiveUp("refused", "no"), GiveUp), (Misconfigured("accounts", "none"), GiveUp)],
)
async def test_trouble_at_the_provider_is_told_and_not_remembered(trouble: Exception, told: type[Exception]) -> None:
    world = numbers()
    world.client.trouble = trouble
    with pytest.raises(told):
        await world.surfaces.templates(HERE)
    world.client.trouble = None
    assert await world.surfaces.templates(HERE)
