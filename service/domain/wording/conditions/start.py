"""The words of conditions of a replica's start, and of what starts with it. Pure."""

from service.domain.condition_kinds import ConditionKind

START_KINDS = (
    ConditionKind(
        "started_from_snapshot",
        "error",
        "Started while PostgreSQL was away, from a snapshot that is {age} old.",
        "Calls are decided by the snapshot and recorded on disk. Changes, the API, the panel and "
        "repairs need PostgreSQL.",
        "Check the server, and DATABASE_URL if it is set; nothing has to be restarted.",
        "health",
        check="directory",
        public=True,
    ),
    ConditionKind(
        "embedded_postgres_restarting",
        "warning",
        "The embedded PostgreSQL does not run and is being started.",
        "Calls are decided from the last known state until it answers.",
        "Wait a few seconds; if it happens again, read postgres.log in CALLGATE_DATA_DIR.",
        "health",
        check="database",
    ),
    ConditionKind(
        "embedded_postgres_broken",
        "error",
        "The embedded PostgreSQL does not start: {attempts} attempts failed. Last output: {error}",
        "Calls are decided from the last known state; nothing can be changed or repaired.",
        "Read postgres.log in CALLGATE_DATA_DIR: free space on its disk, or restore a backup.",
        "health",
        check="database",
    ),
)
