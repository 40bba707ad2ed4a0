"""Who has a desk's event in hand: what a dead process had is somebody else's at once."""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    # owner: the process that has it in hand until due_at; NULL: nobody.
    "ALTER TABLE desk_event ADD COLUMN owner integer",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("versions only go forward; restore a backup instead")
