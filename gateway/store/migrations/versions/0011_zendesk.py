"""What the Zendesk desk must remember: tickets of cases, which words went where, who is who there, what was spent."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    # ticket_id is null while the ticket is being made. reference: the name by which the case is known to the rest of
    # the product; it stays when the ticket is another one by now (merged, followed up). made_position: the transcript
    # reaches so far. generation: how often the key of idempotency had to be given up. heard_until: comments of before
    # are dealt with. goes_on: an agent speaks on this ticket after its case had ended, so that the next one is here.
    """
    CREATE TABLE zendesk_case (
        desk text NOT NULL,
        handoff_id uuid NOT NULL,
        conversation_id uuid NOT NULL,
        ticket_id bigint,
        reference text NOT NULL DEFAULT '',
        requester_id bigint NOT NULL DEFAULT 0,
        made_position bigint NOT NULL DEFAULT 0,
        generation integer NOT NULL DEFAULT 0,
        status text NOT NULL DEFAULT '',
        updated_at timestamptz NOT NULL DEFAULT to_timestamp(0),
        heard_until timestamptz NOT NULL DEFAULT now(),
        goes_on boolean NOT NULL DEFAULT false,
        begun_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (desk, handoff_id)
    )
    """,
    "CREATE INDEX zendesk_case_ticket ON zendesk_case (desk, ticket_id, begun_at)",
    "CREATE INDEX zendesk_case_name ON zendesk_case (desk, reference, begun_at) WHERE reference <> ''",
    "CREATE INDEX zendesk_case_stay ON zendesk_case (desk, conversation_id) WHERE goes_on",
    # What we write into a ticket. content is what exactly, kept until it is surely there.
    """
    CREATE TABLE zendesk_update (
        desk text NOT NULL,
        handoff_id uuid NOT NULL,
        marker text NOT NULL,
        to_position bigint NOT NULL,
        content bytea,
        begun_at timestamptz NOT NULL DEFAULT now(),
        done_at timestamptz,
        PRIMARY KEY (desk, handoff_id, marker)
    )
    """,
    # What others (and we) wrote there. handoff_id: the case under which it is said to the customer.
    """
    CREATE TABLE zendesk_comment (
        desk text NOT NULL,
        ticket_id bigint NOT NULL,
        comment_id bigint NOT NULL,
        handoff_id uuid,
        done boolean NOT NULL DEFAULT false,
        PRIMARY KEY (desk, ticket_id, comment_id)
    )
    """,
    # One row an update while it counts against Zendesk's limits; at: when it was answered at the latest.
    """
    CREATE TABLE zendesk_spent (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        desk text NOT NULL,
        ticket_id bigint NOT NULL,
        at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX zendesk_spent_desk ON zendesk_spent (desk, at)",
    "CREATE INDEX zendesk_spent_ticket ON zendesk_spent (desk, ticket_id, at)",
    """
    CREATE TABLE zendesk_customer (
        desk text NOT NULL,
        contact_id uuid NOT NULL,
        user_id bigint NOT NULL,
        PRIMARY KEY (desk, contact_id)
    )
    """,
    """
    CREATE TABLE zendesk_agent (
        desk text NOT NULL,
        user_id bigint NOT NULL,
        name text NOT NULL,
        alias text NOT NULL,
        role text NOT NULL,
        read_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (desk, user_id)
    )
    """,
    # Files that wait at Zendesk for the comment that names them.
    """
    CREATE TABLE zendesk_upload (
        desk text NOT NULL,
        handoff_id uuid NOT NULL,
        file text NOT NULL,
        token text NOT NULL,
        expires_at timestamptz NOT NULL,
        PRIMARY KEY (desk, handoff_id, file)
    )
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("versions only go forward; restore a backup instead")
