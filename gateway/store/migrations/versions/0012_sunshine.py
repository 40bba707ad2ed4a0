"""What the desk for Zendesk messaging must remember: mirrored people and conversations, what was posted and heard."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    # One row a conversation of ours, for all of its cases. handoff_id: the newest case. talk_id: the conversation at
    # Zendesk, empty until it is made; making_at: since when one is being made. generation: the how-manieth it is.
    # stands: new, ours, passed, confirmed or over; passes: how often this case was handed over. handing: what goes
    # with that. posted_position: what was said up to there is at Zendesk, and of the message named in posting the
    # first posting_call pieces; posting_at: since when the next piece is under way. introduced: the case whose facts
    # agents were told; noted: the generation of which they were told why it began. heard_until: what agents said before
    # is dealt with. edits_until: customers' edits of before were told.
    """
    CREATE TABLE sunshine_stay (
        desk text NOT NULL,
        conversation_id uuid NOT NULL,
        handoff_id uuid NOT NULL,
        external_id text NOT NULL,
        user_id text NOT NULL DEFAULT '',
        talk_id text NOT NULL DEFAULT '',
        generation integer NOT NULL DEFAULT 0,
        making_at timestamptz,
        stands text NOT NULL DEFAULT 'new',
        passes integer NOT NULL DEFAULT 0,
        handing bytea NOT NULL DEFAULT '',
        posted_position bigint NOT NULL DEFAULT 0,
        posting text NOT NULL DEFAULT '',
        posting_call integer NOT NULL DEFAULT 0,
        posting_at timestamptz,
        introduced uuid,
        noted integer NOT NULL DEFAULT 0,
        heard_until timestamptz NOT NULL DEFAULT now(),
        edits_until timestamptz NOT NULL DEFAULT now(),
        look_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (desk, conversation_id)
    )
    """,
    "CREATE INDEX sunshine_stay_look ON sunshine_stay (desk, look_at) WHERE stands IN ('new', 'passed', 'confirmed')",
    "CREATE INDEX sunshine_stay_user ON sunshine_stay (desk, user_id) WHERE user_id <> ''",
    # Every conversation at Zendesk that is, or was, one of ours.
    """
    CREATE TABLE sunshine_talk (
        desk text NOT NULL,
        talk_id text NOT NULL,
        conversation_id uuid NOT NULL,
        generation integer NOT NULL,
        PRIMARY KEY (desk, talk_id)
    )
    """,
    "CREATE INDEX sunshine_talk_of ON sunshine_talk (desk, conversation_id, generation)",
    # What agents said. handoff_id: the case under which it reached the customer.
    """
    CREATE TABLE sunshine_said (
        desk text NOT NULL,
        message_id text NOT NULL,
        handoff_id uuid NOT NULL,
        done boolean NOT NULL DEFAULT false,
        PRIMARY KEY (desk, message_id)
    )
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("versions only go forward; restore a backup instead")
