"""How long PostgreSQL itself lets our statements run, by kind of work: the one place for its time-outs.

They hold when our own waits ended already, or when we are gone: no statement, lock or transaction of
ours outlives them. A pooler that refuses such parameters is used without them.
"""

from dataclasses import dataclass

ANSWER_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds; 0: no limit. `statement_seconds` for one statement, `lock_seconds` for one lock,
    `idle_seconds` for an open transaction that does nothing."""

    statement_seconds: float
    lock_seconds: float
    idle_seconds: float

    @property
    def command_seconds(self) -> float:
        """How long we wait for an answer: a little longer than the statement may run. PostgreSQL's
        time-outs do not reach us over a half-open connection."""
        return self.statement_seconds + ANSWER_SECONDS

    def server_settings(self) -> dict[str, str]:
        """As parameters of a session."""
        return {
            "statement_timeout": milliseconds(self.statement_seconds),
            "lock_timeout": milliseconds(self.lock_seconds),
            "idle_in_transaction_session_timeout": milliseconds(self.idle_seconds),
        }


CALLS = Limits(statement_seconds=3.0, lock_seconds=1.5, idle_seconds=5.0)
"""Records of calls and their hang-ups: a message waits for them for two seconds at most."""
REQUESTS = Limits(statement_seconds=10.0, lock_seconds=3.0, idle_seconds=15.0)
"""The API, the panel, loops, imports and exports, which read page by page."""
SESSIONS = Limits(statement_seconds=10.0, lock_seconds=0.0, idle_seconds=15.0)
"""Connections outside the pool: for notifications, and for locks that a session waits for."""
MIGRATIONS = Limits(statement_seconds=0.0, lock_seconds=15.0, idle_seconds=0.0)
"""Changes of tables may take long, but must not keep every call waiting behind their lock."""


def milliseconds(seconds: float) -> str:
    return str(round(seconds * 1000))
