"""Relayed messages: what is kept of them, how servers stand, and how messages are signed. Pure."""
