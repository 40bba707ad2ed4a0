"""What every channel brings: windows, traits of devices, origins of episodes, losses of messages, kept values."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    # The customer's last act, by the provider's clock, and until when an advertisement keeps the window open.
    "ALTER TABLE conversation ADD heard_at timestamptz, ADD window_until timestamptz",
    "ALTER TABLE address ADD traits text NOT NULL DEFAULT ''",
    "ALTER TABLE episode ADD origin jsonb",
    "ALTER TABLE message ADD losses jsonb",
    """
    CREATE TABLE kept_value (
        endpoint text NOT NULL,
        name text NOT NULL,
        value text NOT NULL,
        at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (endpoint, name)
    )
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("versions only go forward; restore a backup instead")
