"""What Meta tells about the accounts themselves: templates, quality, restrictions, alerts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from channels.whatsapp.wire import AlertInfo, Notice
from gateway.core.inbound import AccountNoticed

_BAD_TEMPLATE = frozenset({"REJECTED", "PAUSED", "DISABLED", "FLAGGED", "LIMIT_EXCEEDED", "PENDING_DELETION", "LOCKED"})
_BAD_QUALITY = frozenset({"FLAGGED", "DOWNGRADE"})
_BAD_ACCOUNT = frozenset(
    {
        "ACCOUNT_VIOLATION",
        "ACCOUNT_RESTRICTION",
        "ACCOUNT_DELETED",
        "DISABLED_UPDATE",
        "PARTNER_REMOVED",
        "PARTNER_APP_UNINSTALLED",
        "AUTH_INTL_PRICE_ELIGIBILITY_LOST",
    }
)
_RESTORED_STATES = frozenset({"REINSTATE", "REINSTATED"})


def noticed(field: str, notice: Notice, account: str, event_key: str, at: datetime) -> AccountNoticed:
    """The notice as our event, for one of the accounts that it concerns. *field* is one of ``NOTICES``."""
    kind, subject, state, detail, is_bad = NOTICES[field](notice)
    return AccountNoticed(
        account=account,
        event_key=event_key,
        at=at,
        kind=kind,
        subject=subject,
        state=state,
        detail=detail,
        is_bad=is_bad,
    )


_Told = tuple[str, str, str, str, bool]
"""Kind, subject, state, detail, and whether an operator should look at once."""


def _template(notice: Notice, state: str, detail: str = "", *, is_bad: bool = False) -> _Told:
    """A template goes by its name; each of its languages has a state of its own."""
    detail = ": ".join(filter(None, (notice.message_template_language, detail)))
    return "template", notice.message_template_name, state, detail, is_bad


def _template_status(notice: Notice) -> _Told:
    state = notice.event.upper()
    reason = notice.reason if notice.reason and notice.reason.upper() != "NONE" else ""
    return _template(notice, state.lower(), reason, is_bad=state in _BAD_TEMPLATE)


def _template_quality(notice: Notice) -> _Told:
    state = f"quality {notice.new_quality_score.lower()}"
    detail = f"before: {notice.previous_quality_score.lower()}" if notice.previous_quality_score else ""
    return _template(notice, state, detail, is_bad=notice.new_quality_score.upper() == "RED")


def _template_category(notice: Notice) -> _Told:
    detail = f"before: {notice.previous_category.lower()}" if notice.previous_category else ""
    return _template(notice, f"category {notice.new_category.lower()}", detail)


def _template_components(notice: Notice) -> _Told:
    return _template(notice, "components changed")


def _number_quality(notice: Notice) -> _Told:
    limit = notice.current_limit or str(notice.max_daily_conversations_per_business)
    return "quality", notice.display_phone_number, notice.event.lower(), limit, notice.event.upper() in _BAD_QUALITY


def _number_name(notice: Notice) -> _Told:
    detail = notice.rejection_reason or ""
    detail = "" if detail.upper() == "NONE" else detail
    name = notice.requested_verified_name
    return (
        "name",
        notice.display_phone_number,
        notice.decision.lower(),
        ": ".join(filter(None, (name, detail))),
        (notice.decision.upper() == "REJECTED"),
    )


def _account(notice: Notice) -> _Told:
    event = notice.event.upper()
    ban = notice.ban_info.waba_ban_state if notice.ban_info is not None else ""
    ban_state = ban if isinstance(ban, str) else " ".join(ban)
    details = [ban_state.lower(), notice.ban_info.waba_ban_date if notice.ban_info is not None else ""]
    details.append(notice.violation_info.violation_type.lower() if notice.violation_info is not None else "")
    details.extend(each.restriction_type.lower() for each in notice.restriction_info)
    detail = ", ".join(filter(None, details))
    if ban_state.upper() in _RESTORED_STATES:
        return "restored", notice.phone_number, event.lower(), detail, False
    is_bad = event in _BAD_ACCOUNT
    return "restricted" if is_bad else "account", notice.phone_number, event.lower(), detail, is_bad


def _review(notice: Notice) -> _Told:
    is_bad = notice.decision.upper() == "REJECTED"
    return "restricted" if is_bad else "account_review", "", notice.decision.lower(), "", is_bad


def _alert(notice: Notice) -> _Told:
    nested = notice.alert_info or AlertInfo()
    severity = nested.alert_severity or notice.alert_severity
    kind = nested.alert_type or notice.alert_type
    words = nested.alert_description or notice.alert_description
    status = nested.alert_status or notice.alert_status
    return "alert", kind.lower(), status.lower(), words, severity.upper() in {"CRITICAL", "WARNING"}


def _security(notice: Notice) -> _Told:
    return "security", notice.display_phone_number, notice.event.lower(), "", notice.event.upper() != "PIN_CHANGED"


NOTICES: dict[str, Callable[[Notice], _Told]] = {
    "account_alerts": _alert,
    "account_review_update": _review,
    "account_update": _account,
    "message_template_components_update": _template_components,
    "message_template_quality_update": _template_quality,
    "message_template_status_update": _template_status,
    "phone_number_name_update": _number_name,
    "phone_number_quality_update": _number_quality,
    "security": _security,
    "template_category_update": _template_category,
}
"""The fields of a webhook that become notices."""
