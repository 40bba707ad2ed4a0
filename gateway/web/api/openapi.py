"""The OpenAPI document of the public API, made from the structs that check its requests."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from gateway.web.api.shapes import (
    ContactChange,
    ContactFacts,
    LearningConsent,
    MessageAccepted,
    MessageRequest,
    MessageStatus,
    ProblemBody,
)

Node = dict[str, object]

REFUSALS: Mapping[int, str] = {
    400: "The body is not JSON, or a header is garbled.",
    401: "There is no key, or it is not valid (any more).",
    403: "The key lacks the scope.",
    404: "There is no such account, conversation, contact or message.",
    409: (
        "The rules of sending forbid it now (`opted_out`, `unreachable`, `window_closed`, `no_consent`), or the"
        " Idempotency-Key belongs to another request."
    ),
    413: "The body is too large.",
    422: "A field is wrong; `where` names it.",
    503: "Not now; try again after `Retry-After` seconds.",
}


def document(version: str, server: str) -> Node:
    """OpenAPI 3.1. *server* is the public address, may be empty."""
    refs, components = msgspec.json.schema_components(
        (MessageRequest, MessageAccepted, MessageStatus, ContactChange, LearningConsent, ContactFacts, ProblemBody),
        ref_template="#/components/schemas/{name}",
    )
    request, accepted, status, change, learning, facts, problem = refs
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tertulia",
            "version": version,
            "description": "Write to your customers where they write to you, under the rules of their app.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": server or "/"}],
        "security": [{"key": []}],
        "paths": {
            "/api/v1/messages": {"post": _send(request, accepted, problem)},
            "/api/v1/messages/{id}": {"get": _look_up(status, problem)},
            "/api/v1/contacts/{id}": {
                "get": _of_contact("getContact", "What is known of a customer.", "read", None, facts, problem),
                "patch": _of_contact(
                    "changeContact", "Tell where a customer's day begins.", "write", change, facts, problem
                ),
            },
            "/api/v1/contacts/{id}/consent/learning": {
                "put": _of_contact(
                    "setLearningConsent",
                    "Write down whether a customer's texts may teach the bot. With a no, what was kept of them goes.",
                    "write",
                    learning,
                    facts,
                    problem,
                )
            },
        },
        "components": {
            "schemas": components,
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A key made by `tertulia keys create`.",
                }
            },
        },
    }


def _send(request: Node, accepted: Node, problem: Node) -> Node:
    key = {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": (
            "Your own name for this request, 1 to 200 visible characters. The same key with the same body is answered"
            " the same for 7 days and sends nothing twice. Recommended for every request."
        ),
        "schema": {"type": "string", "minLength": 1, "maxLength": 200},
    }
    return {
        "operationId": "sendMessage",
        "summary": "Write to a customer, at once or at a given time.",
        "description": "Needs the scope `messages:write`.",
        "parameters": [key],
        "requestBody": {"required": True, "content": _json(request)},
        "responses": {
            "202": {
                "description": "Taken over: it is sent, or its status says why not.",
                "headers": {"Location": {"schema": {"type": "string"}}},
                "content": _json(accepted),
            },
            **_refusals(problem, REFUSALS),
        },
    }


def _look_up(status: Node, problem: Node) -> Node:
    return {
        "operationId": "getMessage",
        "summary": "How a message of this key stands.",
        "description": "Needs the scope `messages:read` or `messages:write`.",
        "parameters": [_id()],
        "responses": {
            "200": {"description": "The message.", "content": _json(status)},
            **_refusals(problem, {code: REFUSALS[code] for code in (401, 403, 404, 503)}),
        },
    }


def _of_contact(name: str, summary: str, scope: str, body: Node | None, facts: Node, problem: Node) -> Node:
    codes = (401, 403, 404, 503) if body is None else (400, 401, 403, 404, 413, 422, 503)
    may = "`contacts:read` or `contacts:write`" if scope == "read" else "`contacts:write`"
    operation: Node = {
        "operationId": name,
        "summary": summary,
        "description": f"Needs the scope {may}.",
        "parameters": [_id()],
        "responses": {
            "200": {"description": "The customer as they are known now.", "content": _json(facts)},
            **_refusals(problem, {code: REFUSALS[code] for code in codes}),
        },
    }
    return operation if body is None else {**operation, "requestBody": {"required": True, "content": _json(body)}}


def _id() -> Node:
    return {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}


def _refusals(problem: Node, which: Mapping[int, str]) -> Node:
    return {str(code): {"description": words, "content": _json(problem)} for code, words in which.items()}


def _json(schema: Node) -> Node:
    return {"application/json": {"schema": schema}}
