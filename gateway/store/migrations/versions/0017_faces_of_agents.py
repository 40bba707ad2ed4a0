"""Whose picture stands beside an agent's message, for apps that show the conversation from our own store."""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = ("ALTER TABLE message ADD COLUMN avatar_url text NOT NULL DEFAULT ''",)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("versions only go forward; restore a backup instead")
