"""When a desk's memory of a case is looked at next, to be forgotten once the case has been over for long."""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    # tidy_at: looked at then; infinity: all that could be forgotten was. old_tickets: where the case was before it was
    # merged or followed up. forgotten_until: nobody remembers what agents said before; whatever tells of it is late.
    """
    ALTER TABLE zendesk_case
        ADD COLUMN tidy_at timestamptz NOT NULL DEFAULT now(),
        ADD COLUMN old_tickets bigint[] NOT NULL DEFAULT '{}',
        ADD COLUMN forgotten_until timestamptz NOT NULL DEFAULT to_timestamp(0)
    """,
    "CREATE INDEX zendesk_case_tidy ON zendesk_case (desk, tidy_at) WHERE tidy_at < 'infinity'",
    "ALTER TABLE sunshine_said ADD COLUMN tidy_at timestamptz NOT NULL DEFAULT now()",
    "ALTER TABLE sunshine_stay ADD COLUMN forgotten_until timestamptz NOT NULL DEFAULT to_timestamp(0)",
    "CREATE INDEX sunshine_said_tidy ON sunshine_said (desk, tidy_at)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("versions only go forward; restore a backup instead")
