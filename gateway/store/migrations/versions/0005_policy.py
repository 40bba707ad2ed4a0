"""What the policy of sending knows: consent with its evidence, reachability, messages that wait for the window."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    # What a send asks of its conversation, beside is_opted_out. Constant defaults rewrite no row.
    """
    ALTER TABLE conversation
        ADD is_opted_in boolean NOT NULL DEFAULT false,
        ADD is_marketing_in boolean NOT NULL DEFAULT false,
        ADD is_marketing_out boolean NOT NULL DEFAULT false,
        ADD unreachable_at timestamptz,
        ADD has_held boolean NOT NULL DEFAULT false
    """,
    # The customer's first word in the newest case is the best that is known of older conversations.
    """
    UPDATE conversation c SET heard_at = e.at
    FROM (SELECT conversation_id, max(opened_at) AS at FROM episode GROUP BY conversation_id) e
    WHERE e.conversation_id = c.id AND c.heard_at IS NULL
    """,
    # Every change of consent ever, appended only: who agreed to what, when, and how that is known.
    """
    CREATE TABLE consent (
        id uuid PRIMARY KEY,
        conversation_id uuid NOT NULL,
        contact_id uuid NOT NULL,
        account_id integer NOT NULL,
        scope text NOT NULL CHECK (scope IN ('all', 'marketing')),
        is_opted_in boolean NOT NULL,
        source text NOT NULL,
        evidence text NOT NULL DEFAULT '',
        at timestamptz NOT NULL,
        recorded_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX consent_conversation ON consent (conversation_id, scope, at)",
    "CREATE INDEX consent_contact ON consent (contact_id)",
    """
    ALTER TABLE outbox
        ADD is_marketing boolean NOT NULL DEFAULT false,
        ADD is_fallback boolean NOT NULL DEFAULT false,
        ADD taken_refs text[] NOT NULL DEFAULT '{}'
    """,
    # By it a provider's echo finds the message whose call was never answered.
    "CREATE INDEX outbox_message ON outbox (message_id)",
    # What the last keeper of an account's rates left behind: who was written to so lately that the next must know.
    "ALTER TABLE delivery_lease ADD pace jsonb",
    # What waits for the customer's next word, because the window is closed and a template went instead.
    """
    CREATE TABLE held_message (
        conversation_id uuid NOT NULL,
        position bigint NOT NULL,
        message_id uuid NOT NULL,
        account_id integer NOT NULL,
        author text NOT NULL,
        epoch integer NOT NULL,
        is_proactive boolean NOT NULL,
        is_marketing boolean NOT NULL,
        trace text NOT NULL DEFAULT '',
        stand_in_id uuid NOT NULL,
        heard_at timestamptz,
        at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (conversation_id, position)
    )
    """,
    "CREATE INDEX held_message_at ON held_message (at)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("versions only go forward; restore a backup instead")
