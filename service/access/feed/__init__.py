"""Keeps the directory in step with PostgreSQL, and a copy of it on this machine's disk."""
