"""PostgreSQL, and the only room with SQL: one module a table family, statements on top."""
