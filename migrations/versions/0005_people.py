"""Accounts of the panel: admins, sessions, failed sign-ins; scopes of API tokens."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    # `name_key` is the name without letter case: the same on every server, whatever its collation.
    # `subject` is who it is at the sign-in provider: its issuer and the name it has there.
    """
    CREATE TABLE callgate.admins (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        name text NOT NULL,
        name_key text NOT NULL CONSTRAINT admins_name_key UNIQUE,
        role text NOT NULL
            CONSTRAINT admins_role_check CHECK (role IN ('viewer', 'support', 'admin')),
        password_hash text,
        subject text CONSTRAINT admins_subject_key UNIQUE,
        created_by text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        disabled_at timestamptz,
        last_sign_in_at timestamptz
    )
    """,
    # Of the cookie's token only the hash is kept. `notice` is a word for the next page.
    """
    CREATE TABLE callgate.sessions (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        token_hash bytea NOT NULL CONSTRAINT sessions_token_hash_key UNIQUE,
        admin_id uuid NOT NULL REFERENCES callgate.admins (id) ON DELETE CASCADE,
        created_at timestamptz NOT NULL DEFAULT now(),
        last_seen_at timestamptz NOT NULL DEFAULT now(),
        user_agent text NOT NULL DEFAULT '',
        address text NOT NULL DEFAULT '',
        notice jsonb
    )
    """,
    "CREATE INDEX sessions_admin_idx ON callgate.sessions (admin_id, last_seen_at DESC)",
    "CREATE INDEX sessions_seen_idx ON callgate.sessions (last_seen_at)",
    # Names as hashes: an admin may type a password into the field for the name.
    """
    CREATE TABLE callgate.sign_in_failures (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        name_hash bytea NOT NULL,
        address text NOT NULL,
        at timestamptz NOT NULL DEFAULT clock_timestamp()
    )
    """,
    "CREATE INDEX sign_in_failures_name_idx ON callgate.sign_in_failures (name_hash, at)",
    "CREATE INDEX sign_in_failures_address_idx ON callgate.sign_in_failures (address, at)",
    "CREATE INDEX sign_in_failures_at_idx ON callgate.sign_in_failures (at)",
    # Codes that make the first admin; every replica that starts before there is one prints its own.
    """
    CREATE TABLE callgate.setup_codes (
        code_hash bytea CONSTRAINT setup_codes_pkey PRIMARY KEY,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    # Sign-ins on their way through the provider. Only the browser that began one knows its binding.
    """
    CREATE TABLE callgate.oidc_sign_ins (
        state_hash bytea CONSTRAINT oidc_sign_ins_pkey PRIMARY KEY,
        binding_hash bytea NOT NULL,
        nonce text NOT NULL,
        verifier text NOT NULL,
        return_to text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX oidc_sign_ins_created_idx ON callgate.oidc_sign_ins (created_at)",
    """
    ALTER TABLE callgate.api_tokens
        ADD COLUMN scopes text[] NOT NULL DEFAULT '{}',
        ADD COLUMN last_used_at timestamptz
    """,
)

UNDO: tuple[str, ...] = (
    "ALTER TABLE callgate.api_tokens DROP COLUMN last_used_at, DROP COLUMN scopes",
    "DROP TABLE callgate.oidc_sign_ins",
    "DROP TABLE callgate.setup_codes",
    "DROP TABLE callgate.sign_in_failures",
    "DROP TABLE callgate.sessions",
    "DROP TABLE callgate.admins",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for statement in UNDO:
        op.execute(statement)
