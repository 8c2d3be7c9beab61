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
)
