"""Indexes of large tables, built while the previous version goes on writing to them.

A plain CREATE INDEX keeps every writer waiting until it is built, and holds the locks of all other
statements of its revision that long. Each function here commits by itself: give it a revision of its
own that may be repeated.
"""

from alembic import op


def create_concurrently(name: str, definition: str, *, unique: bool = False) -> None:
    """Build an index; `definition` is all that follows its name.

    PostgreSQL refuses this for a partitioned table, which `calls` is since revision 0037c: there each
    partition's index is built by itself, see `create_by_partition`.

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


CHILDREN = """
SELECT c.relname AS partition, EXISTS (
    SELECT FROM pg_inherits i JOIN pg_index x ON x.indexrelid = i.inhrelid
    WHERE i.inhparent = 'callgate.{name}'::regclass AND x.indrelid = c.oid) AS attached
FROM pg_inherits p JOIN pg_class c ON c.oid = p.inhrelid
WHERE p.inhparent = 'callgate.{table}'::regclass ORDER BY c.relname
"""


def create_by_partition(name: str, table: str, definition: str) -> None:
    """Build an index of a partitioned table; `definition` is all that follows the table's name.

    That of each partition is built by itself, as in `create_concurrently`, and then belongs to that of
    the table. A partition that is attached meanwhile gets one with it.
    """
    with op.get_context().autocommit_block():
        connection = op.get_bind()
        limit = connection.exec_driver_sql("SHOW lock_timeout").scalar()
        op.execute(f"CREATE INDEX IF NOT EXISTS {name} ON ONLY callgate.{table} {definition}")
        op.execute("SET lock_timeout = 0")
        for row in connection.exec_driver_sql(CHILDREN.format(name=name, table=table)).all():
            if not row.attached:
                child = name.replace(table, row.partition, 1)
                op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS callgate.{child}")
                op.execute(
                    f"CREATE INDEX CONCURRENTLY {child} ON callgate.{row.partition} {definition}"
                )
                op.execute(f"ALTER INDEX callgate.{name} ATTACH PARTITION callgate.{child}")
        op.execute(f"SET lock_timeout = '{limit}'")
