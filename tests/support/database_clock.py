"""A database whose clock is wrong, or the only right one: it differs from this machine's.

PostgreSQL has the clock of its machine, and here both are one. So functions of the same names that add
some seconds come first in the search path of every later session.
"""

from service.store.pool import Pool

SHIFT = """
CREATE SCHEMA shifted;
GRANT USAGE ON SCHEMA shifted TO PUBLIC;
CREATE FUNCTION shifted.now() RETURNS timestamptz LANGUAGE sql STABLE
    AS $$ SELECT pg_catalog.now() + interval '{seconds} seconds' $$;
CREATE FUNCTION shifted.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
    AS $$ SELECT pg_catalog.clock_timestamp() + interval '{seconds} seconds' $$;
"""
FIRST_IN_PATH = "ALTER DATABASE {database} SET search_path = shifted, pg_catalog, public"


async def shift_clock(pool: Pool, seconds: float) -> None:
    """Set the database's clock ahead of this machine's, for all sessions that begin from now on."""
    database = await pool.fetchval("SELECT current_database()")
    await pool.execute(SHIFT.format(seconds=seconds))
    await pool.execute(FIRST_IN_PATH.format(database=database))
    await pool.expire_connections()
