"""One person on several channels, and what companies' own systems may send."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    # names_version grows with every change of what processes remember of a conversation (its names, where it is
    # written to): whoever writes to it compares. next_origin waits for the next episode; control_moved_at is the
    # provider's time of the last change of control that the provider told.
    """
    ALTER TABLE conversation ADD names_version integer NOT NULL DEFAULT 0, ADD next_origin jsonb,
        ADD control_moved_at timestamptz
    """,
    "CREATE INDEX conversation_contact ON conversation (contact_id)",
    "CREATE INDEX address_alias_address ON address_alias (address_id)",
    # 'out' or 'in' on a customer's message that was nothing but the word for it: the bot leaves it alone.
    "ALTER TABLE message ADD consent text NOT NULL DEFAULT ''",
    "ALTER TABLE contact ADD merged_into uuid",
    """
    CREATE TABLE contact_merge (
        id uuid PRIMARY KEY,
        kept uuid NOT NULL,
        merged uuid NOT NULL,
        evidence text NOT NULL CHECK (evidence = 'verified'),
        detail text NOT NULL DEFAULT '',
        by text NOT NULL CHECK (by <> ''),
        at timestamptz NOT NULL DEFAULT now(),
        addresses uuid[] NOT NULL,
        undone_at timestamptz,
        undone_by text NOT NULL DEFAULT '',
        CHECK (kept <> merged)
    )
    """,
    "CREATE UNIQUE INDEX contact_merge_open ON contact_merge (merged) WHERE undone_at IS NULL",
    "CREATE INDEX contact_merge_kept ON contact_merge (kept)",
    """
    CREATE TABLE contact_claim (
        id uuid PRIMARY KEY,
        contact_id uuid NOT NULL,
        other_id uuid NOT NULL,
        evidence text NOT NULL CHECK (evidence IN ('claimed', 'inferred')),
        detail text NOT NULL DEFAULT '',
        by text NOT NULL CHECK (by <> ''),
        at timestamptz NOT NULL DEFAULT now(),
        decided_at timestamptz,
        decided_by text NOT NULL DEFAULT '',
        is_confirmed boolean,
        CHECK (contact_id <> other_id),
        CHECK ((decided_at IS NULL) = (is_confirmed IS NULL))
    )
    """,
    "CREATE INDEX contact_claim_contact ON contact_claim (contact_id) WHERE decided_at IS NULL",
    "CREATE INDEX contact_claim_other ON contact_claim (other_id) WHERE decided_at IS NULL",
    """
    CREATE TABLE account_notice (
        id uuid PRIMARY KEY,
        account_id integer NOT NULL,
        kind text NOT NULL,
        subject text NOT NULL,
        state text NOT NULL,
        detail text NOT NULL,
        is_bad boolean NOT NULL,
        at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX account_notice_account ON account_notice (account_id, at)",
    # Only a hash of a key is kept. No accounts: all of them.
    """
    CREATE TABLE api_key (
        id uuid PRIMARY KEY,
        name text NOT NULL,
        digest bytea NOT NULL,
        scopes text[] NOT NULL,
        accounts text[] NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        used_at timestamptz,
        revoked_at timestamptz
    )
    """,
    # What a request with an idempotency key was answered, and what it asked for.
    """
    CREATE TABLE api_answer (
        key_id uuid NOT NULL,
        idempotency_key text NOT NULL,
        request bytea NOT NULL,
        status smallint NOT NULL,
        body bytea NOT NULL,
        at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (key_id, idempotency_key)
    )
    """,
    "CREATE INDEX api_answer_at ON api_answer (at)",
    # A message that a company's system asked for: it waits here, not in the outbox, so it blocks no live reply.
    """
    CREATE TABLE scheduled_message (
        id uuid PRIMARY KEY,
        key_id uuid NOT NULL,
        key_name text NOT NULL,
        conversation_id uuid NOT NULL,
        account_id integer NOT NULL,
        category text NOT NULL CHECK (category IN ('live', 'proactive', 'marketing')),
        parts jsonb NOT NULL,
        due_at timestamptz NOT NULL,
        state text NOT NULL CHECK (state IN ('scheduled', 'queued', 'refused', 'cancelled')),
        position bigint,
        reason text NOT NULL DEFAULT '',
        detail text NOT NULL DEFAULT '',
        created_at timestamptz NOT NULL DEFAULT now(),
        CHECK ((position IS NULL) = (state <> 'queued'))
    )
    """,
    "CREATE INDEX scheduled_message_due ON scheduled_message (due_at) WHERE state = 'scheduled'",
    "CREATE INDEX scheduled_message_conversation ON scheduled_message (conversation_id)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("versions only go forward; restore a backup instead")
