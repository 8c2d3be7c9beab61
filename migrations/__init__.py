"""The schema of Callgate's database as Alembic migrations in plain SQL, expand first, contract later."""
