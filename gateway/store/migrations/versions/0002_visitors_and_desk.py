"""What a web chat and the built-in desk need: facts of a contact, kept secrets, ratings, and quick lists of cases."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATEMENTS = (
    "ALTER TABLE contact ADD details jsonb NOT NULL DEFAULT '{}'",
    "ALTER TABLE episode ADD rating smallint CHECK (rating BETWEEN 1 AND 5)",
    "CREATE INDEX handoff_open ON handoff (asked_at) WHERE ended_at IS NULL",
    """
    CREATE TABLE kept_secret (
        name text PRIMARY KEY,
        value bytea NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("versions only go forward; restore a backup instead")
