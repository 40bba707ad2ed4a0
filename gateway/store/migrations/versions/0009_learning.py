"""What is learnt from what happened: texts to review with their sources, sums of each day, readings of drift."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    # How far the events were read. One row, locked by whoever reads; due_at: when drift is looked at next.
    """
    CREATE TABLE learning_reader (
        name text PRIMARY KEY,
        xid xid8 NOT NULL DEFAULT '0',
        id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
        due_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    # From now on: what was said before nobody was asked about, and reading years of it would take hours.
    "INSERT INTO learning_reader (name, xid) VALUES ('events', pg_current_xact_id())",
    # Redacted texts without repetitions. Once decided, the text is gone and its key stays: it is not asked again.
    """
    CREATE TABLE learning_text (
        key bytea PRIMARY KEY,
        text text NOT NULL,
        language text NOT NULL DEFAULT '',
        answer text NOT NULL DEFAULT '',
        first_at timestamptz NOT NULL DEFAULT now(),
        decision text NOT NULL DEFAULT '' CHECK (decision IN ('', 'accepted', 'out_of_scope', 'dropped')),
        label text NOT NULL DEFAULT '',
        by text NOT NULL DEFAULT '',
        decided_at timestamptz,
        CHECK ((decision = '') = (decided_at IS NULL)),
        CHECK (decision = '' OR (text = '' AND answer = ''))
    )
    """,
    "CREATE INDEX learning_text_open ON learning_text (first_at) WHERE decision = ''",
    # Who said it, so that it goes when they withdraw their consent or are erased. seq: the turn that read it.
    """
    CREATE TABLE learning_source (
        conversation_id uuid NOT NULL,
        seq bigint NOT NULL,
        key bytea NOT NULL REFERENCES learning_text ON DELETE CASCADE,
        reason text NOT NULL CHECK (reason IN ('unresolved', 'unclear', 'clarified', 'agent')),
        chosen text NOT NULL DEFAULT '',
        at timestamptz NOT NULL,
        PRIMARY KEY (conversation_id, seq)
    )
    """,
    "CREATE INDEX learning_source_key ON learning_source (key)",
    "CREATE INDEX learning_source_at ON learning_source USING brin (at)",
    # Sums of the turns that the classifier was asked about: nobody's in particular, so they may stay.
    """
    CREATE TABLE understanding_day (
        day date NOT NULL,
        intent text NOT NULL,
        turns integer NOT NULL DEFAULT 0,
        confidence double precision NOT NULL DEFAULT 0,
        words bigint NOT NULL DEFAULT 0,
        unseen bigint NOT NULL DEFAULT 0,
        PRIMARY KEY (day, intent)
    )
    """,
    """
    CREATE TABLE drift_reading (
        id uuid PRIMARY KEY,
        at timestamptz NOT NULL DEFAULT now(),
        drifted text[] NOT NULL,
        reading jsonb NOT NULL
    )
    """,
    "CREATE INDEX drift_reading_at ON drift_reading (at)",
    # A person agrees, or not, that their texts teach the bot: a scope of its own beside being written to.
    """
    ALTER TABLE consent DROP CONSTRAINT consent_scope_check,
        ADD CONSTRAINT consent_scope_check CHECK (scope IN ('all', 'marketing', 'learning')) NOT VALID
    """,
    "ALTER TABLE consent VALIDATE CONSTRAINT consent_scope_check",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("versions only go forward; restore a backup instead")
