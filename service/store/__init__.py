"""PostgreSQL, and the only place that speaks SQL: one module a table family, statements on top."""
