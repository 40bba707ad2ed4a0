"""What agents write for one another: notes in a conversation, and replies that they keep to use again."""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    # position: the message that a note stands behind. key: what its page called it, so that it is written once.
    """
    CREATE TABLE desk_note (
        conversation_id uuid NOT NULL REFERENCES conversation ON DELETE CASCADE,
        id uuid NOT NULL,
        position bigint NOT NULL,
        at timestamptz NOT NULL DEFAULT now(),
        agent text NOT NULL,
        text text NOT NULL CHECK (length(text) BETWEEN 1 AND 10000),
        key text NOT NULL,
        PRIMARY KEY (conversation_id, position, id),
        UNIQUE (conversation_id, key)
    )
    """,
    # language: of whom it is said to; empty: of anybody. One name is one reply in a language, however it is spelt.
    """
    CREATE TABLE canned_reply (
        id uuid PRIMARY KEY,
        name text NOT NULL,
        language text NOT NULL DEFAULT '',
        text text NOT NULL CHECK (length(text) BETWEEN 1 AND 10000),
        agent text NOT NULL,
        saved_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE UNIQUE INDEX canned_reply_name ON canned_reply (lower(name), language)",
    # Who is looked for at the desk by how their name begins, however long ago their conversation did.
    "CREATE INDEX contact_name ON contact (lower(name) text_pattern_ops) WHERE name <> ''",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("versions only go forward; restore a backup instead")
