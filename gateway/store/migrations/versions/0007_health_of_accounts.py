"""How accounts are doing: what providers said of them, and how silent they are."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    # How many messages an account received in each hour: its habit.
    """
    CREATE TABLE account_hour (
        account_id integer NOT NULL,
        hour timestamptz NOT NULL,
        received integer NOT NULL,
        PRIMARY KEY (account_id, hour)
    )
    """,
    "CREATE TABLE account_pulse (account_id integer PRIMARY KEY, heard_at timestamptz NOT NULL)",
    # One process at a time examines an endpoint at its provider.
    """
    CREATE TABLE checkup (
        endpoint text PRIMARY KEY,
        due_at timestamptz NOT NULL DEFAULT now(),
        at timestamptz,
        findings bytea NOT NULL DEFAULT '[]'
    )
    """,
    "CREATE INDEX dead_letter_account ON dead_letter (account_id, at)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("versions only go forward; restore a backup instead")
