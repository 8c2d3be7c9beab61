"""Tables of the reconciler: pauses, changes, sweeps, assistants' webhooks, secrets in use."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STATEMENTS = (
    # `ordered_by` is the actor who ordered the next write; null for the reconciler itself. `problem`
    # is a slug for machines, `last_error` the sentence for people. `settled_at` is since when a
    # fight over the number counts, `assistant_ids` are assistants that carry its webhook. Sweeps
    # touch every row: `seen_sweep` has no index, so that they stay cheap (heap-only updates).
    """
    ALTER TABLE callgate.webhook_states
        ADD COLUMN problem text,
        ADD COLUMN ordered_by text,
        ADD COLUMN ordered_from text,
        ADD COLUMN settled_at timestamptz,
        ADD COLUMN seen_sweep bigint NOT NULL DEFAULT 0,
        ADD COLUMN vapi_org_id text,
        ADD COLUMN assistant_ids text[] NOT NULL DEFAULT '{}',
        ADD COLUMN paused_at timestamptz,
        ADD COLUMN paused_by text,
        ADD COLUMN paused_reason text,
        ADD COLUMN paused_until timestamptz
    """,
    # Where a number's webhook is put on its assistant instead: `original` as for numbers.
    """
    CREATE TABLE callgate.assistant_webhooks (
        vapi_assistant_id text CONSTRAINT assistant_webhooks_pkey PRIMARY KEY,
        original jsonb,
        claim bigint NOT NULL DEFAULT 0,
        claimed_until timestamptz,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    # No foreign key: the history outlives the number. It is written before Vapi is asked, so that
    # no crash can leave a change without a trace; `applied_at` is when Vapi was seen to have it.
    """
    CREATE TABLE callgate.webhook_changes (
        id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT webhook_changes_pkey PRIMARY KEY,
        phone_number_id uuid NOT NULL,
        at timestamptz NOT NULL DEFAULT now(),
        level text NOT NULL
            CONSTRAINT webhook_changes_level_check CHECK (level IN ('phone_number', 'assistant')),
        vapi_id text NOT NULL,
        cause text NOT NULL CONSTRAINT webhook_changes_cause_check CHECK (cause IN
            ('added', 'desired_changed', 'access_changed', 'drift', 'secret_rotated', 'released',
                'rolled_back')),
        actor text NOT NULL,
        source text NOT NULL,
        fields jsonb NOT NULL,
        before jsonb,
        after jsonb,
        applied_at timestamptz
    )
    """,
    """
    CREATE INDEX webhook_changes_number_idx
        ON callgate.webhook_changes (phone_number_id, id DESC)
    """,
    # One row for all replicas: the next sweep and who runs it, the pause of everything, a sweep
    # that asks, a key that Vapi refuses.
    """
    CREATE TABLE callgate.reconciliation (
        singleton boolean PRIMARY KEY DEFAULT true
            CONSTRAINT reconciliation_singleton_check CHECK (singleton),
        next_sweep_at timestamptz NOT NULL DEFAULT now(),
        claim bigint NOT NULL DEFAULT 0,
        claimed_until timestamptz,
        paused_at timestamptz,
        paused_by text,
        paused_reason text,
        paused_until timestamptz,
        held jsonb,
        key_refused_at timestamptz,
        key_fingerprint text,
        key_retry_at timestamptz
    )
    """,
    "INSERT INTO callgate.reconciliation DEFAULT VALUES",
    """
    CREATE TABLE callgate.sweeps (
        id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT sweeps_pkey PRIMARY KEY,
        started_at timestamptz NOT NULL DEFAULT now(),
        finished_at timestamptz,
        started_by text NOT NULL,
        dry_run boolean NOT NULL,
        outcome text NOT NULL DEFAULT 'running'
            CONSTRAINT sweeps_outcome_check CHECK (outcome IN ('running', 'done', 'held', 'failed')),
        registered integer NOT NULL DEFAULT 0,
        seen integer NOT NULL DEFAULT 0,
        figures jsonb NOT NULL DEFAULT '{}',
        error text
    )
    """,
    """
    CREATE INDEX sweeps_finished_idx ON callgate.sweeps (finished_at DESC)
        WHERE outcome = 'done'
    """,
    # Which of the accepted webhook secrets Vapi still uses; never the secret itself.
    """
    CREATE TABLE callgate.webhook_secrets (
        fingerprint text CONSTRAINT webhook_secrets_pkey PRIMARY KEY,
        first_used_at timestamptz NOT NULL DEFAULT now(),
        last_used_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    # The last call of a number.
    """
    CREATE INDEX calls_phone_number_idx ON callgate.calls (phone_number_id, created_at DESC)
    """,
)

COLUMNS = (
    "problem",
    "ordered_by",
    "ordered_from",
    "settled_at",
    "seen_sweep",
    "vapi_org_id",
    "assistant_ids",
    "paused_at",
    "paused_by",
    "paused_reason",
    "paused_until",
)

TABLES = ("webhook_secrets", "sweeps", "reconciliation", "webhook_changes", "assistant_webhooks")


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP INDEX callgate.calls_phone_number_idx")
    for table in TABLES:
        op.execute(f"DROP TABLE callgate.{table}")
    for column in COLUMNS:
        op.execute(f"ALTER TABLE callgate.webhook_states DROP COLUMN {column}")
