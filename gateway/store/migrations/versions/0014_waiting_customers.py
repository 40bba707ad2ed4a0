"""What customers are told while they wait for an agent, and while an agent waits for them."""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    # care_at: when the case is looked at next for its customer's sake. told_expected: how often the wait was told,
    # told_expected_at: when last. reminded_at: when the customer was last asked whether they are still there.
    """
    ALTER TABLE handoff
        ADD COLUMN care_at timestamptz NOT NULL DEFAULT 'infinity',
        ADD COLUMN told_expected smallint NOT NULL DEFAULT 0,
        ADD COLUMN told_expected_at timestamptz,
        ADD COLUMN reminded_at timestamptz
    """,
    "UPDATE handoff SET care_at = now() WHERE ended_at IS NULL",
    "ALTER TABLE handoff ALTER COLUMN care_at SET DEFAULT now()",
    "CREATE INDEX handoff_cared ON handoff (care_at) WHERE ended_at IS NULL",
    # How long people waited lately, newest first; and who is in the line before somebody.
    "CREATE INDEX handoff_accepted ON handoff (desk, accepted_at) WHERE accepted_at IS NOT NULL",
    "CREATE INDEX handoff_line ON handoff (desk, asked_at) WHERE ended_at IS NULL AND accepted_at IS NULL",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("versions only go forward; restore a backup instead")
