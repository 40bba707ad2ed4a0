"""Triggers: what must hold of a ticket's change, what they then send, and the placeholders in it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from handoff.desks.zendesk.sandbox_account import Account, Invalid
from handoff.desks.zendesk.sandbox_records import STATUSES, Comment, Json, Person, Ticket, Trigger
from handoff.desks.zendesk.sandbox_tickets import Act
from handoff.desks.zendesk.sandbox_time import stamp

FIELDS = frozenset(
    {
        "assignee_id",
        "brand_id",
        "comment_is_public",
        "current_tags",
        "current_via_id",
        "group_id",
        "priority",
        "requester_id",
        "role",
        "status",
        "ticket_form_id",
        "type",
        "update_type",
    }
)

_PLACEHOLDER = re.compile(r"\{\{\s*([a-z_.]+)\s*\}\}")


def require_fitting(trigger: Trigger) -> None:
    """Raise ``Invalid`` for a condition or an action that there is none of."""
    for condition in (*trigger.all, *trigger.any):
        field = str(condition.get("field", ""))
        if field not in FIELDS and not field.startswith("custom_fields_"):
            raise Invalid({"conditions": f"Conditions: {field} is not valid"})
        if not condition.get("operator"):
            raise Invalid({"conditions": f"Conditions: {field} needs an operator"})
    if not trigger.actions:
        raise Invalid({"base": "Trigger: you must specify an action"})
    if not (trigger.all or trigger.any):
        raise Invalid({"base": "Trigger: you must specify at least one condition"})


def fires(trigger: Trigger, act: Act) -> bool:
    """Whether *trigger* is for what happened."""
    if not trigger.is_active:
        return False
    every = all(_holds(condition, act) for condition in trigger.all)
    return every and (not trigger.any or any(_holds(condition, act) for condition in trigger.any))


def _holds(condition: Mapping[str, object], act: Act) -> bool:
    field, operator = str(condition.get("field")), str(condition.get("operator"))
    wanted = str(condition.get("value", ""))
    match field:
        case "update_type":
            return act.is_new == (wanted == "Create")
        case "comment_is_public":
            return _is_comment(act.comment, wanted)
        case "current_tags":
            has_any = any(tag in act.ticket.tags for tag in wanted.lower().split())
            return has_any == (operator == "includes")
        case "role":
            return _is_by(act.by, wanted) == (operator == "is")
        case "current_via_id":
            return (act.audit.channel == wanted) == (operator == "is")
        case _:
            return _compares(field, operator, wanted, act)


def _is_comment(comment: Comment | None, wanted: str) -> bool:
    if wanted == "not_relevant":  # present, public or not
        return comment is not None
    if comment is None:
        return False
    return comment.is_public == (wanted in ("true", "requester_can_see_comment"))


def _is_by(person: Person, wanted: str) -> bool:
    match wanted:
        case "agent" | "all_agents":
            return person.is_staff
        case "admin":
            return person.role == "admin"
        case "end_user":
            return not person.is_staff
        case _:
            return str(person.id) == wanted


def _compares(field: str, operator: str, wanted: str, act: Act) -> bool:
    value, before, is_changed = _value(field, act.ticket), _written(act.before.get(field)), field in act.changed
    holds = {
        "is": value == wanted,
        "is_not": value != wanted,
        "changed": is_changed,
        "not_changed": not is_changed,
        "value": is_changed and value == wanted,  # changed to
        "not_value": not (is_changed and value == wanted),
        "value_previous": is_changed and before == wanted,  # changed from
        "less_than": _rank(value) < _rank(wanted),
        "greater_than": _rank(value) > _rank(wanted),
        "present": bool(value),
        "not_present": not value,
    }
    return holds.get(operator, False)


def _rank(status: str) -> int:
    return next((number for number, one in enumerate(STATUSES) if one == status), -1)


def _value(field: str, ticket: Ticket) -> str:
    if field.startswith("custom_fields_"):
        number = field.removeprefix("custom_fields_")
        return _written(ticket.fields.get(int(number))) if number.isdecimal() else ""
    return _written(getattr(ticket, field))


def _written(value: object) -> str:
    return "" if value is None else str(value)


# ---------------------------------------------------------------- what is sent


def bodies(trigger: Trigger, act: Act, account: Account, origin: str) -> Sequence[tuple[str, bytes]]:
    """For each webhook that the trigger sends by: its id and the body, placeholders filled in."""
    sent: list[tuple[str, bytes]] = []
    for action in trigger.actions:
        value = action.get("value")
        if action.get("field") == "notification_webhook" and isinstance(value, list) and value:
            template = value[1] if len(value) > 1 else ""
            sent.append((str(value[0]), fill(_template(template), act, account, origin).encode()))
    return sent


def _template(value: object) -> str:
    """A body; of a form's pairs, the pairs in lines."""
    if isinstance(value, list):
        return "\n".join("=".join(map(str, pair)) for pair in value if isinstance(pair, list))
    return str(value)


def fill(template: str, act: Act, account: Account, origin: str) -> str:
    """The template with the ticket's words in it, as they are: whoever wrote quotes into a comment breaks JSON."""
    words = _words(act, account, origin)

    return _PLACEHOLDER.sub(lambda found: words.get(found[1], ""), template)


def _words(act: Act, account: Account, origin: str) -> Mapping[str, str]:
    ticket = act.ticket
    public = next((one for one in reversed(ticket.comments) if one.is_public), None)
    newest = ticket.comments[-1] if ticket.comments else None
    requester, assignee = account.person(ticket.requester_id), account.active_person(ticket.assignee_id or 0)
    group = account.groups.get(ticket.group_id or 0)
    return {
        "ticket.id": str(ticket.id),
        "ticket.external_id": _written(ticket.external_id),
        "ticket.title": ticket.subject,
        "ticket.description": ticket.description,
        "ticket.status": ticket.status.capitalize(),
        "ticket.priority": _written(ticket.priority).capitalize(),
        "ticket.ticket_type": _written(ticket.type).capitalize(),
        "ticket.via": ticket.channel,
        "ticket.tags": " ".join(ticket.tags),
        "ticket.url": f"{origin.removeprefix('http://').removeprefix('https://')}/agent/tickets/{ticket.id}",
        "ticket.link": f"{origin}/agent/tickets/{ticket.id}",
        "ticket.created_at_with_timestamp": stamp(ticket.created_at),
        "ticket.updated_at_with_timestamp": stamp(ticket.updated_at),
        "ticket.latest_comment": newest.body if newest else "",
        "ticket.latest_comment_html": newest.html_body if newest else "",
        "ticket.latest_public_comment": public.body if public else "",
        "ticket.latest_public_comment_html": public.html_body if public else "",
        "ticket.requester.id": str(requester.id),
        "ticket.requester.name": requester.name,
        "ticket.requester.external_id": _written(requester.external_id),
        "ticket.assignee.id": str(assignee.id) if assignee else "",
        "ticket.assignee.name": assignee.name if assignee else "",
        "ticket.group.id": str(group.id) if group else "",
        "ticket.group.name": group.name if group else "",
        "current_user.id": str(act.by.id),
        "current_user.name": act.by.name,
    }


# ---------------------------------------------------------------- what a subscription is told


def detail(ticket: Ticket, by: Person) -> Json:
    """A ticket as events tell it: ids are words, choices are in capitals."""
    return {
        "id": str(ticket.id),
        "subject": ticket.subject,
        "description": ticket.description,
        "status": ticket.status.upper(),
        "priority": _written(ticket.priority).upper() or None,
        "type": _written(ticket.type).upper() or None,
        "external_id": ticket.external_id,
        "requester_id": str(ticket.requester_id),
        "submitter_id": str(ticket.submitter_id),
        "assignee_id": _written(ticket.assignee_id),
        "actor_id": str(by.id),
        "group_id": _written(ticket.group_id),
        "brand_id": _written(ticket.brand_id),
        "form_id": _written(ticket.ticket_form_id),
        "organization_id": None,
        "custom_status": str(STATUSES.index(ticket.status) + 1),
        "is_public": ticket.is_public,
        "tags": list(ticket.tags),
        "via": {"channel": "web_service" if ticket.channel == "api" else ticket.channel},
        "created_at": stamp(ticket.created_at),
        "updated_at": stamp(ticket.updated_at),
    }
