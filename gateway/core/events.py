"""The closed list of events: what analytics, exports and forwarders may ever read. Written with what they tell.

An event's id is derived from its subject and kind (``derived_id``), so writing it twice is impossible.
"""

from __future__ import annotations

from enum import StrEnum


class EventKind(StrEnum):
    CONVERSATION_STARTED = "conversation_started"
    EPISODE_OPENED = "episode_opened"
    EPISODE_CLOSED = "episode_closed"
    MESSAGE_RECEIVED = "message_received"
    MESSAGE_EDITED = "message_edited"
    MESSAGE_DELETED = "message_deleted"
    MESSAGE_REACTED = "message_reacted"
    TURN_DECIDED = "turn_decided"
    MESSAGE_QUEUED = "message_queued"
    MESSAGE_SENT = "message_sent"
    MESSAGE_DELIVERED = "message_delivered"
    MESSAGE_READ = "message_read"
    MESSAGE_FAILED = "message_failed"
    MESSAGE_WITHDRAWN = "message_withdrawn"
    HANDOFF_REQUESTED = "handoff_requested"
    HANDOFF_ACCEPTED = "handoff_accepted"
    HANDOFF_ENDED = "handoff_ended"
    HANDOFF_STUCK = "handoff_stuck"
    CONVERSATION_RATED = "conversation_rated"
    CONSENT_GIVEN = "consent_given"
    CONSENT_WITHDRAWN = "consent_withdrawn"
    UNDERSTANDING_DRIFTED = "understanding_drifted"
