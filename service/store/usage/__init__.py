"""Usage in PostgreSQL: differences, hours and days, their folding, and their sums."""
