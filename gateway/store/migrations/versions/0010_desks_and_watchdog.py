"""What desks outside need: details of a case, their events before they are applied, who tells them, the watchdog."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    # watch_at: when the watchdog looks at the case next. told_customer_at, told_waiting_at: when the customer was told
    # that nobody knows of the case yet, or that nobody has come. reopens: the desk's name of the case it goes on with.
    # end_position: the last message before the end; what comes after is the bot's affair.
    """
    ALTER TABLE handoff
        ADD COLUMN detail text NOT NULL DEFAULT '',
        ADD COLUMN intent text NOT NULL DEFAULT '',
        ADD COLUMN confidence real NOT NULL DEFAULT 0,
        ADD COLUMN slots jsonb NOT NULL DEFAULT '{}',
        ADD COLUMN sentiment text NOT NULL DEFAULT '',
        ADD COLUMN is_urgent boolean NOT NULL DEFAULT false,
        ADD COLUMN reopens text NOT NULL DEFAULT '',
        ADD COLUMN reopened_agent text NOT NULL DEFAULT '',
        ADD COLUMN told_customer_at timestamptz,
        ADD COLUMN told_waiting_at timestamptz,
        ADD COLUMN alerted_at timestamptz,
        ADD COLUMN problem text NOT NULL DEFAULT '',
        ADD COLUMN end_position bigint,
        ADD COLUMN watch_at timestamptz NOT NULL DEFAULT 'infinity'
    """,
    "UPDATE handoff SET watch_at = now() WHERE ended_at IS NULL",
    "ALTER TABLE handoff ALTER COLUMN watch_at SET DEFAULT now()",
    "CREATE INDEX handoff_watched ON handoff (watch_at) WHERE ended_at IS NULL",
    """
    CREATE INDEX handoff_stuck ON handoff (alerted_at)
    WHERE ended_at IS NULL AND acknowledged_at IS NULL AND alerted_at IS NOT NULL
    """,
    "CREATE INDEX handoff_reference ON handoff (desk, reference, asked_at) WHERE reference <> ''",
    "CREATE INDEX handoff_to_tell ON handoff (desk, due_at) WHERE NOT told_end",
    "CREATE INDEX handoff_stay ON handoff (conversation_id, asked_at)",
    "DROP INDEX handoff_conversation",
    # One process at a time tells a desk and asks it what webhooks lost.
    """
    CREATE TABLE desk_lease (
        desk text PRIMARY KEY,
        owner integer,
        token bigint NOT NULL DEFAULT 0,
        until timestamptz NOT NULL DEFAULT '-infinity',
        reconcile_at timestamptz NOT NULL DEFAULT '-infinity'
    )
    """,
    # What desks say, durable before it is acknowledged. number: the order of arrival where the desk's times are equal.
    """
    CREATE TABLE desk_event (
        desk text NOT NULL,
        key text NOT NULL,
        kind text NOT NULL,
        reference text NOT NULL,
        at timestamptz NOT NULL,
        number bigint GENERATED ALWAYS AS IDENTITY,
        data bytea NOT NULL,
        received_at timestamptz NOT NULL DEFAULT now(),
        applied_at timestamptz,
        gave_up_at timestamptz,
        due_at timestamptz NOT NULL DEFAULT now(),
        tries integer NOT NULL DEFAULT 0,
        claim bigint NOT NULL DEFAULT 0,
        problem text NOT NULL DEFAULT '',
        PRIMARY KEY (desk, key)
    )
    """,
    "CREATE INDEX desk_event_due ON desk_event (desk, due_at) WHERE applied_at IS NULL AND gave_up_at IS NULL",
    """
    CREATE INDEX desk_event_line ON desk_event (desk, reference, at, number)
    WHERE applied_at IS NULL AND gave_up_at IS NULL
    """,
    "CREATE INDEX desk_event_dead ON desk_event (gave_up_at) WHERE gave_up_at IS NOT NULL AND applied_at IS NULL",
    "CREATE INDEX desk_event_done ON desk_event (applied_at) WHERE applied_at IS NOT NULL",
    "CREATE INDEX agent_key_message ON agent_key (message_id)",
    # When a person last solved a case of the conversation: whoever writes soon after may go on with it.
    "ALTER TABLE conversation ADD COLUMN solved_at timestamptz",
    # As whom an agent appears in a message that is on its way ({"name", "avatar_url"}); nobody asks for it later.
    "ALTER TABLE outbox ADD COLUMN persona jsonb",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("versions only go forward; restore a backup instead")
