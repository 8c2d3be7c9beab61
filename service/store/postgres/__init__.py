"""The embedded PostgreSQL: programs, data folder and process."""
