"""What is counted, in one place: every metric's name, labels and meaning, handed to whoever does the counting.

Names and meanings are documented in ``docs/operations.md``; a test holds the two together. Labels come from
closed lists (a channel, an outcome), never from customers.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

FAST_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
SLOW_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
DESK_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class Metrics:
    """All metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self.webhooks = Counter(
            "tertulia_webhooks",
            "Webhooks by channel, endpoint and outcome: accepted, forged, not_readable, too_large, too_slow,"
            " unavailable, overloaded, not_supported, failed.",
            ("channel", "endpoint", "outcome"),
            registry=registry,
        )
        self.endpoint_served = Gauge(
            "tertulia_endpoint_served",
            "1 for a configured endpoint that takes webhooks, 0 for one whose settings do not let it start.",
            ("channel", "endpoint"),
            registry=registry,
        )
        self.events = Counter(
            "tertulia_events",
            "Events that webhooks brought, by what became of them: stored, duplicate, ignored, quarantined, parked.",
            ("channel", "outcome"),
            registry=registry,
        )
        self.accept_seconds = Histogram(
            "tertulia_accept_seconds",
            "Time from a webhook's body to its commit.",
            ("channel",),
            buckets=FAST_BUCKETS_S,
            registry=registry,
        )
        self.turns = Counter(
            "tertulia_turns",
            "Turns by the link that resolved them and by outcome: answered, handed_off, silent, failed, lost.",
            ("link", "outcome"),
            registry=registry,
        )
        self.turn_seconds = Histogram(
            "tertulia_turn_seconds",
            "Time from a conversation's lease to the commit of its turn.",
            buckets=SLOW_BUCKETS_S,
            registry=registry,
        )
        self.action_seconds = Histogram(
            "tertulia_action_seconds",
            "Time of one call to the company's systems, by action and result: ok, failed.",
            ("action", "result"),
            buckets=SLOW_BUCKETS_S,
            registry=registry,
        )
        self.sends = Counter(
            "tertulia_sends",
            "Calls to providers by outcome: sent, retry, ambiguous, withdrawn, dead.",
            ("channel", "outcome"),
            registry=registry,
        )
        self.send_seconds = Histogram(
            "tertulia_send_seconds",
            "Time of one call to a provider.",
            ("channel",),
            buckets=SLOW_BUCKETS_S,
            registry=registry,
        )
        self.queue_depth = Gauge(
            "tertulia_queue_depth",
            "What waits inside this process, by queue: receive, respond, deliver.",
            ("queue",),
            registry=registry,
        )
        self.lease_losses = Counter(
            "tertulia_lease_losses",
            "Commits refused because another process owns the conversation or account by now.",
            ("step",),
            registry=registry,
        )
        self.account_notices = Counter(
            "tertulia_account_notices",
            "What providers said of an account itself: a template's state, its quality, a restriction.",
            ("channel", "account", "kind", "is_bad"),
            registry=registry,
        )
        self.quarantined = Counter(
            "tertulia_quarantined",
            "Authentic entries that were not understood, or named an unknown account.",
            ("channel",),
            registry=registry,
        )
        self.dead_letters = Counter(
            "tertulia_dead_letters",
            "Messages that will never be sent, by reason.",
            ("channel", "reason"),
            registry=registry,
        )
        self.visitor_links = Gauge(
            "tertulia_visitor_links",
            "Open connections of visitors to channels that serve them themselves.",
            ("channel", "endpoint"),
            registry=registry,
        )
        self.account_well = Gauge(
            "tertulia_account_well",
            "1 for an account that works; 0 when its provider refuses us, or it is silent against its habit.",
            ("account",),
            registry=registry,
        )
        self.account_silent = Gauge(
            "tertulia_account_silent",
            "1 for an account of which nobody has written for longer than its habit lets chance explain.",
            ("account",),
            registry=registry,
        )
        self.account_heard = Gauge(
            "tertulia_account_heard_timestamp_seconds",
            "When a customer last wrote to the account.",
            ("account",),
            registry=registry,
        )
        self.endpoint_findings = Gauge(
            "tertulia_endpoint_findings",
            "What the last examination of an endpoint found, by level: bad, warn.",
            ("endpoint", "level"),
            registry=registry,
        )
        self.desk_pending = Gauge(
            "tertulia_desk_pending",
            "Cases of which a desk has still to hear something, in the process that tells it.",
            ("desk",),
            registry=registry,
        )
        self.desk_requests_left = Gauge(
            "tertulia_desk_requests_left",
            "Calls that a desk's provider says it still takes in this minute; no number: it did not say lately.",
            ("desk",),
            registry=registry,
        )
        self.desk_updates_left = Gauge(
            "tertulia_desk_updates_left",
            "Updates that a desk may still write now without waiting for its limits: of all of the account's tickets in"
            " this minute (of: account), and of the ticket that is written to most (of: ticket).",
            ("desk", "of"),
            registry=registry,
        )
        self.desk_delay_seconds = Histogram(
            "tertulia_desk_delay_seconds",
            "Time from what happened until the desk had it, by call: open, said, ended.",
            ("desk", "call"),
            buckets=DESK_BUCKETS_S,
            registry=registry,
        )
        self.desk_failures = Counter(
            "tertulia_desk_failures",
            "Calls of a desk that failed and are repeated, by the kind of error.",
            ("desk", "reason"),
            registry=registry,
        )
        self.desk_webhooks = Counter(
            "tertulia_desk_webhooks",
            "Webhooks of desks by outcome: accepted, ignored, forged, not_readable, too_large, too_slow, unavailable,"
            " not_supported, failed.",
            ("desk", "outcome"),
            registry=registry,
        )
        self.desk_events = Counter(
            "tertulia_desk_events",
            "Events of desks by what became of them: stored, duplicate, applied, retried, dead.",
            ("desk", "outcome"),
            registry=registry,
        )
        self.desk_event_seconds = Histogram(
            "tertulia_desk_event_seconds",
            "Time from a desk's event being stored until it was applied.",
            ("desk",),
            buckets=SLOW_BUCKETS_S,
            registry=registry,
        )
        self.handoff_watch = Counter(
            "tertulia_handoff_watch",
            "What the watchdog did: told_delayed, told_waiting, alerted, fell_back, gave_back.",
            ("desk", "act"),
            registry=registry,
        )
        self.handoff_requests = Counter(
            "tertulia_handoff_requests",
            "Conversations for which a person was asked, or in which one stepped in, by reason.",
            ("reason",),
            registry=registry,
        )
        self.handoff_ends = Counter(
            "tertulia_handoff_ends",
            "Handoffs that ended, by reason; reasons of nobody's list are counted as other.",
            ("reason",),
            registry=registry,
        )
        self.handoff_care = Counter(
            "tertulia_handoff_care",
            "What customers of open cases were told: tell_expected, remind, close.",
            ("desk", "act"),
            registry=registry,
        )
        self.handoffs_stuck = Gauge(
            "tertulia_handoffs_stuck",
            "Conversations that wait for a person at a desk which has not taken the case over in time.",
            ("desk",),
            registry=registry,
        )
        self.model_version = Gauge(
            "tertulia_model_version",
            "The number of the model's version that serves in this process, by task.",
            ("task",),
            registry=registry,
        )
        self.model_loads = Counter(
            "tertulia_model_loads",
            "Changes to another model while serving, by task and outcome: swapped, failed (the old one goes on).",
            ("task", "outcome"),
            registry=registry,
        )
        self.shadow_turns = Counter(
            "tertulia_shadow_turns",
            "Turns that a shadow was offered, by outcome: agreed, differed, dropped (too many waited).",
            ("outcome",),
            registry=registry,
        )
        self.batch_size = Histogram(
            "tertulia_batch_size",
            "Members of one batch, by what was batched.",
            ("batch",),
            buckets=BATCH_BUCKETS,
            registry=registry,
        )
        self.learning_texts = Counter(
            "tertulia_learning_texts",
            "Texts kept for review, by why: unresolved, unclear, clarified, agent.",
            ("reason",),
            registry=registry,
        )
        self.understanding_drift = Gauge(
            "tertulia_understanding_drift",
            "How far this week is from the weeks before: stability, out_of_scope, confidence, unseen_words.",
            ("measure",),
            registry=registry,
        )
