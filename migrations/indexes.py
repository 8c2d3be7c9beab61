"""Indexes of large tables, built while the previous version goes on writing to them.

A plain CREATE INDEX keeps every writer waiting until it is built, and holds the locks of all other
statements of its revision that long. Each function here commits by itself: give it a revision of its
own that may be repeated.
"""

from alembic import op


def create_concurrently(name: str, definition: str, *, unique: bool = False) -> None:
    """Build an index; `definition` is all that follows its name.

    PostgreSQL refuses this for a partitioned table, which `calls` is since revision 0037c: there each
    partition's index is built by itself, before that of the whole table takes it over.

    An index that an interrupted build left is invalid: it is dropped first. The build waits for the
    transactions that are open, without a limit, because no other session waits for the build. The
    advisory lock of migrations is the session's: it is held throughout.
    """
    with op.get_context().autocommit_block():
        limit = op.get_bind().exec_driver_sql("SHOW lock_timeout").scalar()
        op.execute("SET lock_timeout = 0")
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS callgate.{name}")
        kind = "UNIQUE INDEX" if unique else "INDEX"
        op.execute(f"CREATE {kind} CONCURRENTLY {name} {definition}")
        op.execute(f"SET lock_timeout = '{limit}'")


def drop_concurrently(name: str) -> None:
    """Drop an index without keeping writers waiting behind its open readers."""
    with op.get_context().autocommit_block():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS callgate.{name}")
