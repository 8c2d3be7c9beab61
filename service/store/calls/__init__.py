"""Tables of calls and their steps, and the spool that holds records while PostgreSQL is away."""
