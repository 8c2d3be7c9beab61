"""Tables of people and tokens: admins, sessions, sign-ins, API tokens."""
