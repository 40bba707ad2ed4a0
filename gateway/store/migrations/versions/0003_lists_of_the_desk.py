"""What the desk lists without reading history: cases that ended last, and episodes that are still open."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STATEMENTS = (
    "CREATE INDEX handoff_closed ON handoff (ended_at) WHERE ended_at IS NOT NULL",
    "CREATE INDEX episode_open ON episode (id) WHERE closed_at IS NULL",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("versions only go forward; restore a backup instead")
