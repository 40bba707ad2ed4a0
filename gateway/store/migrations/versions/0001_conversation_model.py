"""The conversation model.

Hot tables carry no foreign keys: their rows are written in one transaction with what they point to, by one
statement each, and a check per row would double the cost of a message.
"""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE node (
        id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        name text NOT NULL UNIQUE,
        started_at timestamptz NOT NULL DEFAULT now(),
        seen_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE TABLE account (
        id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        channel text NOT NULL,
        endpoint text NOT NULL,
        name text NOT NULL,
        external text NOT NULL,
        app text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (channel, endpoint, name)
    )
    """,
    """
    CREATE TABLE delivery_lease (
        account_id integer PRIMARY KEY REFERENCES account,
        owner integer,
        until timestamptz NOT NULL DEFAULT '-infinity',
        paused_until timestamptz NOT NULL DEFAULT '-infinity',
        unhealthy_since timestamptz,
        unhealthy_reason text NOT NULL DEFAULT ''
    )
    """,
    """
    CREATE TABLE contact (
        id uuid PRIMARY KEY,
        created_at timestamptz NOT NULL DEFAULT now(),
        name text NOT NULL DEFAULT '',
        language text NOT NULL DEFAULT ''
    )
    """,
    """
    CREATE TABLE address (
        id uuid PRIMARY KEY,
        account_id integer NOT NULL,
        contact_id uuid NOT NULL,
        evidence text NOT NULL DEFAULT 'verified' CHECK (evidence IN ('verified', 'claimed', 'inferred')),
        recipient text NOT NULL,
        username text NOT NULL DEFAULT '',
        consent_changed_at timestamptz,
        consent_reason text NOT NULL DEFAULT '',
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX address_contact ON address (contact_id)",
    """
    CREATE TABLE address_alias (
        account_id integer NOT NULL,
        kind text NOT NULL,
        value text NOT NULL,
        address_id uuid NOT NULL,
        conversation_id uuid NOT NULL,
        PRIMARY KEY (account_id, kind, value)
    )
    """,
    # A row is rewritten several times a message: room on its page keeps the versions together.
    """
    CREATE TABLE conversation (
        id uuid PRIMARY KEY,
        account_id integer NOT NULL,
        address_id uuid NOT NULL,
        contact_id uuid NOT NULL,
        control text NOT NULL DEFAULT 'bot' CHECK (control IN ('bot', 'queued', 'agent')),
        epoch integer NOT NULL DEFAULT 0,
        handoff_id uuid,
        agent text NOT NULL DEFAULT '',
        next_seq bigint NOT NULL DEFAULT 1,
        read_seq bigint NOT NULL DEFAULT 0,
        next_position bigint NOT NULL DEFAULT 1,
        read_position bigint NOT NULL DEFAULT 1,
        turn_to_seq bigint,
        lease_owner integer,
        lease_token bigint NOT NULL DEFAULT 0,
        lease_until timestamptz,
        episode_id uuid,
        state_version integer NOT NULL DEFAULT 0,
        language text NOT NULL DEFAULT '',
        is_opted_out boolean NOT NULL DEFAULT false,
        CHECK ((handoff_id IS NULL) = (control = 'bot')),
        CHECK ((agent = '') = (control <> 'agent'))
    ) WITH (fillfactor = 60)
    """,
    # lease_until is null exactly when everything is read and nobody works: the index holds what is alive.
    "CREATE INDEX conversation_lease ON conversation (lease_until) WHERE lease_until IS NOT NULL",
    """
    CREATE TABLE dialogue_state (
        conversation_id uuid PRIMARY KEY,
        state bytea NOT NULL CHECK (octet_length(state) <= 65536),
        bot_version text NOT NULL,
        updated_at timestamptz NOT NULL DEFAULT now()
    ) WITH (fillfactor = 80)
    """,
    """
    CREATE TABLE episode (
        id uuid PRIMARY KEY,
        conversation_id uuid NOT NULL,
        opened_at timestamptz NOT NULL DEFAULT now(),
        closed_at timestamptz,
        outcome text NOT NULL DEFAULT ''
    )
    """,
    "CREATE INDEX episode_conversation ON episode (conversation_id)",
    """
    CREATE TABLE message (
        conversation_id uuid NOT NULL,
        position bigint NOT NULL,
        id uuid NOT NULL,
        seq bigint,
        episode_id uuid,
        author text NOT NULL,
        status text NOT NULL,
        parts jsonb NOT NULL,
        at timestamptz NOT NULL DEFAULT now(),
        provider_at timestamptz,
        provider_message_id text NOT NULL DEFAULT '',
        turn_id uuid,
        agent text NOT NULL DEFAULT '',
        reply_key text NOT NULL DEFAULT '',
        reply_to text NOT NULL DEFAULT '',
        referral text NOT NULL DEFAULT '',
        edited_at timestamptz,
        deleted_at timestamptz,
        reactions jsonb,
        PRIMARY KEY (conversation_id, position, id)
    ) PARTITION BY RANGE (id)
    """,
    "CREATE TABLE message_default PARTITION OF message DEFAULT WITH (fillfactor = 85)",
    """
    CREATE TABLE entry (
        conversation_id uuid NOT NULL,
        seq bigint NOT NULL,
        kind text NOT NULL,
        at timestamptz NOT NULL DEFAULT now(),
        data bytea NOT NULL,
        PRIMARY KEY (conversation_id, seq)
    )
    """,
    """
    CREATE TABLE seen (
        account_id integer NOT NULL,
        event_key text NOT NULL,
        at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (account_id, event_key)
    )
    """,
    "CREATE INDEX seen_at ON seen USING brin (at) WITH (pages_per_range = 32)",
    """
    CREATE TABLE provider_ref (
        account_id integer NOT NULL,
        provider_message_id text NOT NULL,
        conversation_id uuid NOT NULL,
        position bigint NOT NULL,
        message_id uuid NOT NULL,
        PRIMARY KEY (account_id, provider_message_id)
    )
    """,
    """
    CREATE TABLE parked (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        account_id integer NOT NULL,
        provider_message_id text NOT NULL,
        event bytea NOT NULL,
        at timestamptz NOT NULL DEFAULT now(),
        due_at timestamptz NOT NULL DEFAULT now(),
        tries integer NOT NULL DEFAULT 0
    )
    """,
    "CREATE INDEX parked_due ON parked (due_at)",
    """
    CREATE TABLE turn (
        conversation_id uuid NOT NULL,
        from_seq bigint NOT NULL,
        to_seq bigint NOT NULL,
        id uuid NOT NULL,
        episode_id uuid,
        at timestamptz NOT NULL DEFAULT now(),
        epoch integer NOT NULL,
        bot_version text NOT NULL,
        outcome text NOT NULL,
        link text NOT NULL,
        intent text NOT NULL DEFAULT '',
        confidence real NOT NULL DEFAULT 0,
        language text NOT NULL DEFAULT '',
        resolution jsonb,
        duration_us integer NOT NULL DEFAULT 0,
        PRIMARY KEY (conversation_id, from_seq)
    )
    """,
    """
    CREATE TABLE outbox (
        conversation_id uuid NOT NULL,
        position bigint NOT NULL,
        message_id uuid NOT NULL,
        account_id integer NOT NULL,
        author text NOT NULL,
        epoch integer NOT NULL,
        is_proactive boolean NOT NULL DEFAULT false,
        is_sending boolean NOT NULL DEFAULT false,
        owner integer,
        due_at timestamptz NOT NULL DEFAULT now(),
        claims integer NOT NULL DEFAULT 0,
        failures integer NOT NULL DEFAULT 0,
        ambiguities integer NOT NULL DEFAULT 0,
        calls_done integer NOT NULL DEFAULT 0,
        created_at timestamptz NOT NULL DEFAULT now(),
        trace text NOT NULL DEFAULT '',
        PRIMARY KEY (conversation_id, position)
    ) WITH (fillfactor = 80)
    """,
    # A row that is being sent is due when its lease ends, so one index finds what is ready and what was left behind.
    "CREATE INDEX outbox_due ON outbox (account_id, is_proactive, due_at)",
    """
    CREATE TABLE dead_letter (
        message_id uuid PRIMARY KEY,
        conversation_id uuid NOT NULL,
        position bigint NOT NULL,
        account_id integer NOT NULL,
        at timestamptz NOT NULL DEFAULT now(),
        reason text NOT NULL,
        detail text NOT NULL,
        code text NOT NULL DEFAULT '',
        failures integer NOT NULL,
        calls_done integer NOT NULL DEFAULT 0,
        author text NOT NULL,
        replayed_at timestamptz
    )
    """,
    "CREATE INDEX dead_letter_at ON dead_letter (at)",
    """
    CREATE TABLE timer (
        conversation_id uuid NOT NULL,
        kind text NOT NULL,
        due_at timestamptz NOT NULL,
        payload text NOT NULL DEFAULT '',
        PRIMARY KEY (conversation_id, kind)
    )
    """,
    "CREATE INDEX timer_due ON timer (due_at)",
    """
    CREATE TABLE handoff (
        id uuid PRIMARY KEY,
        conversation_id uuid NOT NULL REFERENCES conversation,
        desk text NOT NULL,
        reason text NOT NULL,
        asked_at timestamptz NOT NULL DEFAULT now(),
        acknowledged_at timestamptz,
        reference text NOT NULL DEFAULT '',
        agent text NOT NULL DEFAULT '',
        accepted_at timestamptz,
        ended_at timestamptz,
        end_reason text NOT NULL DEFAULT '',
        told_position bigint NOT NULL DEFAULT 0,
        told_end boolean NOT NULL DEFAULT false,
        due_at timestamptz NOT NULL DEFAULT now(),
        tries integer NOT NULL DEFAULT 0
    )
    """,
    "CREATE INDEX handoff_pending ON handoff (due_at) WHERE NOT told_end",
    "CREATE INDEX handoff_conversation ON handoff (conversation_id)",
    """
    CREATE TABLE agent_key (
        handoff_id uuid NOT NULL REFERENCES handoff,
        key text NOT NULL,
        message_id uuid NOT NULL,
        PRIMARY KEY (handoff_id, key)
    )
    """,
    """
    CREATE TABLE event (
        id uuid NOT NULL,
        kind text NOT NULL,
        at timestamptz NOT NULL DEFAULT now(),
        account_id integer,
        conversation_id uuid,
        episode_id uuid,
        subject uuid NOT NULL,
        xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
        data jsonb
    ) PARTITION BY RANGE (id)
    """,
    "CREATE INDEX event_cursor ON event (xid, id)",
    "CREATE TABLE event_default PARTITION OF event DEFAULT",
    """
    CREATE TABLE quarantine (
        id uuid PRIMARY KEY,
        channel text NOT NULL,
        endpoint text NOT NULL,
        at timestamptz NOT NULL DEFAULT now(),
        reason text NOT NULL,
        path text NOT NULL,
        raw bytea NOT NULL,
        replayed_at timestamptz
    )
    """,
    "CREATE INDEX quarantine_open ON quarantine (at) WHERE replayed_at IS NULL",
    """
    CREATE TABLE media_job (
        message_id uuid NOT NULL,
        part integer NOT NULL,
        conversation_id uuid NOT NULL,
        position bigint NOT NULL,
        account_id integer NOT NULL,
        provider_ref text NOT NULL,
        due_at timestamptz NOT NULL DEFAULT now(),
        attempts integer NOT NULL DEFAULT 0,
        failed_reason text NOT NULL DEFAULT '',
        PRIMARY KEY (message_id, part)
    )
    """,
    "CREATE INDEX media_job_due ON media_job (due_at) WHERE failed_reason = ''",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("the first version has nothing below it; restore a backup instead")
