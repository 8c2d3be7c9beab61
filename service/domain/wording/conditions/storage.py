"""The words of conditions of what PostgreSQL stores, and as whom. Pure; see `domain/conditions.py`."""

from service.domain.condition_kinds import ConditionKind

STORAGE_KINDS = (
    ConditionKind(
        "database_role_too_powerful",
        "warning",
        "Callgate works in PostgreSQL as a superuser or as the owner of its tables.",
        "An attacker who takes over the service could alter the tables, the audit among them.",
        "Give DATABASE_URL a role of its own, and CALLGATE_MIGRATION_DATABASE_URL the owner's.",
        "health",
    ),
    ConditionKind(
        "kept_secrets_lost",
        "warning",
        "The encryption key is lost for the secrets of {webhooks} that a release restores.",
        "Such a release restores the former webhook without its secret headers.",
        "Put the former key back: CALLGATE_ENCRYPTION_KEY, the file encryption.key in "
        "CALLGATE_DATA_DIR, or the old secret in VAPI_WEBHOOK_SECRET.",
        "health",
    ),
)
