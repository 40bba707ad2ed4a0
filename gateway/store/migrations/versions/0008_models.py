"""Which model of each bot and task is live, who made it so and why, what runs in its shadow, and who trains."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    # The versions themselves are files; a pointer is what all processes look at. changes grows with every change.
    """
    CREATE TABLE model_pointer (
        bot text NOT NULL,
        task text NOT NULL,
        version text NOT NULL DEFAULT '',
        shadow text NOT NULL DEFAULT '',
        shadow_since timestamptz,
        changes bigint NOT NULL DEFAULT 0,
        PRIMARY KEY (bot, task)
    )
    """,
    # Each promotion, in order. One that was rolled back stays, marked: the newest that is not marked is live.
    """
    CREATE TABLE model_promotion (
        number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        bot text NOT NULL,
        task text NOT NULL,
        version text NOT NULL,
        previous text NOT NULL,
        by text NOT NULL CHECK (by <> ''),
        why text NOT NULL,
        is_forced boolean NOT NULL,
        figures bytea NOT NULL DEFAULT '{}',
        at timestamptz NOT NULL DEFAULT now(),
        undone_at timestamptz,
        undone_by text NOT NULL DEFAULT '',
        undone_why text NOT NULL DEFAULT ''
    )
    """,
    "CREATE INDEX model_promotion_place ON model_promotion (bot, task, number)",
    # One process trains at a time; a claim that is not renewed is free again.
    """
    CREATE TABLE model_training (
        bot text NOT NULL,
        task text NOT NULL,
        owner uuid NOT NULL,
        until timestamptz NOT NULL,
        PRIMARY KEY (bot, task)
    )
    """,
    # What a shadow said beside the live model: counts by pair, and a few examples as ids, never texts.
    """
    CREATE TABLE model_shadow_count (
        bot text NOT NULL,
        task text NOT NULL,
        version text NOT NULL,
        live text NOT NULL,
        compared bigint NOT NULL DEFAULT 0,
        differed bigint NOT NULL DEFAULT 0,
        dropped bigint NOT NULL DEFAULT 0,
        PRIMARY KEY (bot, task, version, live)
    )
    """,
    """
    CREATE TABLE model_shadow_pair (
        bot text NOT NULL,
        task text NOT NULL,
        version text NOT NULL,
        live text NOT NULL,
        live_label text NOT NULL,
        shadow_label text NOT NULL,
        times bigint NOT NULL DEFAULT 0,
        PRIMARY KEY (bot, task, version, live, live_label, shadow_label)
    )
    """,
    """
    CREATE TABLE model_shadow_sample (
        bot text NOT NULL,
        task text NOT NULL,
        version text NOT NULL,
        live text NOT NULL,
        message_id uuid NOT NULL,
        conversation_id uuid NOT NULL,
        live_label text NOT NULL,
        live_confidence real NOT NULL,
        shadow_label text NOT NULL,
        shadow_confidence real NOT NULL,
        at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (bot, task, version, live, message_id)
    )
    """,
    # The model whose prediction a turn rested on; empty where none was asked.
    "ALTER TABLE turn ADD model_version text NOT NULL DEFAULT ''",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("versions only go forward; restore a backup instead")
