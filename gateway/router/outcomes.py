"""How one stay of a message in this process' hands can end, put together from the row that was taken."""

from __future__ import annotations

from datetime import datetime

import msgspec

from gateway.core.errors import GiveUp
from gateway.store.rows import Committed, OutboxRow, Outcome, OutcomeKind, TurnCommit


def reserved_row(commit: TurnCommit, done: Committed, at: datetime) -> OutboxRow:
    """The first reply of a turn, as the commit stored it."""
    reply, lease = commit.replies[0], commit.lease
    return OutboxRow(
        conversation_id=lease.conversation_id,
        position=done.first_position,
        message_id=reply.message_id,
        account_id=lease.account_id,
        recipient=lease.recipient,
        author=reply.author,
        epoch=done.epoch,
        current_epoch=done.epoch,
        is_opted_out=False,
        claims=1,
        failures=0,
        ambiguities=0,
        age_s=0.0,
        calls_done=0,
        parts=reply.parts,
        agent=reply.agent,
        trace=commit.trace,
        at=at,
        language=commit.language,
        traits=lease.traits,
        heard_at=done.heard_at,
        window_until=done.window_until,
    )


FIRST_IN_LINE_S = -3600.0
"""For ``later`` where the account has to wait, not the message: nobody falls a round behind the others for having been
the one that was refused. At a second refusal a message goes to the end of the line, so that it holds nobody up."""


def outcome_of(
    row: OutboxRow, kind: OutcomeKind, *, calls_done: int = 0, refs: tuple[str, ...] = (), ambiguities: int = 0
) -> Outcome:
    """An outcome of that kind, fenced by the row's claims."""
    return Outcome(
        conversation_id=row.conversation_id,
        position=row.position,
        message_id=row.message_id,
        account_id=row.account_id,
        claims=row.claims,
        kind=kind,
        calls_done=calls_done,
        provider_message_ids=refs,
        failures=row.failures,
        ambiguities=ambiguities,
        author=row.author,
        is_fallback=row.is_fallback,
    )


def later(
    row: OutboxRow,
    after_s: float,
    *,
    calls_done: int | None = None,
    failures: int | None = None,
    ambiguities: int | None = None,
) -> Outcome:
    """Back to the outbox, due in *after_s*; a counter that is not given stays."""
    return msgspec.structs.replace(
        outcome_of(row, "later", calls_done=row.calls_done if calls_done is None else calls_done),
        after_s=after_s,
        failures=row.failures if failures is None else failures,
        ambiguities=row.ambiguities if ambiguities is None else ambiguities,
    )


def failed(row: OutboxRow, error: GiveUp, *, is_by_policy: bool = False) -> Outcome:
    """Given up, with the reason for the dead letter; *is_by_policy*: we did not even ask the provider."""
    return msgspec.structs.replace(
        outcome_of(row, "failed", calls_done=row.calls_done),
        reason=error.reason,
        detail=error.detail,
        code=error.code,
        is_by_policy=is_by_policy,
    )
