"""Use cases around people: signing in, sessions, admins, API tokens."""
