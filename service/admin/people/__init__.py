"""Use cases for people: sign-in, sessions, admins, API tokens."""
