"""Keys by which a POST that is sent again gets its first answer."""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # `claim` fences: only the run that holds the newest number may change anything. `applied_at` is
    # set in the transaction of the change itself, so that no later run can repeat it.
    op.execute(
        """
        CREATE TABLE callgate.idempotency_keys (
            owner text NOT NULL,
            key text NOT NULL,
            request bytea NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            claim bigint NOT NULL DEFAULT 0,
            claimed_until timestamptz NOT NULL,
            applied_at timestamptz,
            status smallint,
            headers jsonb,
            body text,
            CONSTRAINT idempotency_keys_pkey PRIMARY KEY (owner, key)
        )
        """
    )
    op.execute(
        "CREATE INDEX idempotency_keys_created_idx ON callgate.idempotency_keys (created_at)"
    )


def downgrade() -> None:
    op.execute("DROP TABLE callgate.idempotency_keys")
