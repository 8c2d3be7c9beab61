"""Known browsers, checks at the sign-in provider, the makers of tokens, and the days of support."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    # Who made a token: the token, or the admin in the panel. Neither: the command line or the
    # bootstrap token. Names of tokens repeat, so of those before only clear cases are filled in.
    """
    ALTER TABLE callgate.api_tokens
        ADD COLUMN parent_id uuid
            CONSTRAINT api_tokens_parent_id_fkey REFERENCES callgate.api_tokens,
        ADD COLUMN admin_id uuid
            CONSTRAINT api_tokens_admin_id_fkey REFERENCES callgate.admins ON DELETE SET NULL
    """,
    """
    UPDATE callgate.api_tokens t SET admin_id = a.id
    FROM callgate.admins a WHERE a.name = t.created_by
    """,
    """
    UPDATE callgate.api_tokens t SET parent_id = p.id
    FROM callgate.api_tokens p
    WHERE t.created_by = 'token:' || p.name AND p.id <> t.id AND p.created_at <= t.created_at
        AND (SELECT count(*) FROM callgate.api_tokens o WHERE o.name = p.name) = 1
    """,
    """
    CREATE INDEX api_tokens_parent_idx ON callgate.api_tokens (parent_id)
        WHERE parent_id IS NOT NULL
    """,
    """
    CREATE INDEX api_tokens_admin_idx ON callgate.api_tokens (admin_id)
        WHERE admin_id IS NOT NULL
    """,
    # NULL: set before this was recorded; it counts as an admin's.
    "ALTER TABLE callgate.overrides ADD COLUMN author_role text",
    # When overrides of support were in force, so that their total can be bounded.
    """
    CREATE TABLE callgate.support_overrides (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        organization_id uuid NOT NULL
            CONSTRAINT support_overrides_organization_id_fkey
            REFERENCES callgate.organizations ON DELETE CASCADE,
        starts_at timestamptz NOT NULL,
        ends_at timestamptz NOT NULL
    )
    """,
    """
    CREATE INDEX support_overrides_organization_idx
        ON callgate.support_overrides (organization_id, ends_at)
    """,
    # Browsers that signed in before. Of the cookie's token only the hash is kept.
    """
    CREATE TABLE callgate.known_browsers (
        token_hash bytea CONSTRAINT known_browsers_pkey PRIMARY KEY,
        admin_id uuid NOT NULL
            CONSTRAINT known_browsers_admin_id_fkey
            REFERENCES callgate.admins ON DELETE CASCADE,
        last_seen_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX known_browsers_admin_idx ON callgate.known_browsers (admin_id, last_seen_at)",
    """
    ALTER TABLE callgate.oidc_sign_ins
        ADD COLUMN network text NOT NULL DEFAULT '',
        ADD COLUMN is_known boolean NOT NULL DEFAULT false
    """,
    "CREATE INDEX oidc_sign_ins_network_idx ON callgate.oidc_sign_ins (network, created_at)",
    # Sessions that the provider is asked about. The refresh token is encrypted with a key from the
    # session's cookie, which is stored nowhere.
    """
    CREATE TABLE callgate.oidc_sessions (
        session_id uuid CONSTRAINT oidc_sessions_pkey PRIMARY KEY
            CONSTRAINT oidc_sessions_session_id_fkey
            REFERENCES callgate.sessions ON DELETE CASCADE,
        refresh_token bytea NOT NULL,
        asked_at timestamptz NOT NULL DEFAULT now(),
        confirmed_at timestamptz NOT NULL DEFAULT now()
    )
    """,
)

UNDO: tuple[str, ...] = (
    "DROP TABLE callgate.oidc_sessions",
    "DROP INDEX callgate.oidc_sign_ins_network_idx",
    "ALTER TABLE callgate.oidc_sign_ins DROP COLUMN is_known, DROP COLUMN network",
    "DROP TABLE callgate.known_browsers",
    "DROP TABLE callgate.support_overrides",
    "ALTER TABLE callgate.overrides DROP COLUMN author_role",
    "ALTER TABLE callgate.api_tokens DROP COLUMN admin_id, DROP COLUMN parent_id",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for statement in UNDO:
        op.execute(statement)
