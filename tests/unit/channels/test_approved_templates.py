"""Which approved texts an agent is offered: those that can be sent as they are, with their blanks counted."""

from __future__ import annotations

import pytest
from aiohttp import web
from whatsapp_talking import talking

from channels.sandbox_server import ServedCall
from channels.specimen import ProviderAnswer
from channels.whatsapp.sandbox import WhatsAppSandbox
from gateway.core.channel import ApprovedTemplate, KnowsTemplates
from gateway.core.errors import GiveUp


def template(name: str, *components: dict[str, object], **facts: object) -> dict[str, object]:
    return {"name": name, "language": "es", "status": "APPROVED", "components": list(components), **facts}


def body(text: str) -> dict[str, object]:
    return {"type": "BODY", "text": text}


def is_list(call: ServedCall) -> bool:
    return call.path.endswith("/message_templates")


async def test_what_meta_approved_is_told_with_its_text_and_blanks() -> None:
    async with WhatsAppSandbox() as sandbox, talking(sandbox) as (client, _):
        sandbox.approve("visita", "es_CO", "Hola {{1}}, vamos el {{2}}. {{1}}, confirma.")
        sandbox.approve("nueva", "es", "Hola", status="PENDING")
        assert isinstance(client, KnowsTemplates)
        found = await client.templates(sandbox.number.phone_number_id)
    assert found == [ApprovedTemplate("visita", "es_CO", "Hola {{1}}, vamos el {{2}}. {{1}}, confirma.", 2, "UTILITY")]


@pytest.mark.parametrize(
    "unfit",
    [
        template("a", {"type": "HEADER", "format": "IMAGE"}, body("Hola")),
        template("b", {"type": "HEADER", "format": "TEXT", "text": "Hola {{1}}"}, body("Hola")),
        template("c", body("Hola {{name}}"), parameter_format="NAMED"),
        template("d", body("Hola"), {"type": "BUTTONS", "buttons": [{"type": "URL", "url": "https://x/{{1}}"}]}),
        template("e", body("Hola"), {"type": "CAROUSEL"}),
    ],
)
async def test_one_that_our_words_cannot_fill_is_not_offered(unfit: dict[str, object]) -> None:
    fit = template(
        "fit",
        {"type": "HEADER", "format": "TEXT", "text": "Faro"},
        body("Hola {{1}}"),
        {"type": "FOOTER", "text": "Responda BAJA"},
        {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "Sí"}]},
    )
    async with WhatsAppSandbox() as sandbox, talking(sandbox) as (client, _):
        answer = web.json_response({"data": [unfit, fit]})
        sandbox.server.answer_next(ProviderAnswer(200, answer.body), which=is_list)
        found = await client.templates(sandbox.number.phone_number_id)
    assert found == [ApprovedTemplate("fit", "es", "Faro\n\nHola {{1}}\n\nResponda BAJA", 1)]


async def test_a_refusal_of_meta_is_told_as_one() -> None:
    async with WhatsAppSandbox() as sandbox, talking(sandbox) as (client, _):
        answer = web.json_response({"error": {"code": 200, "message": "no"}})
        sandbox.server.answer_next(ProviderAnswer(403, answer.body), which=is_list)
        with pytest.raises(GiveUp, match="does not tell"):
            await client.templates(sandbox.number.phone_number_id)
