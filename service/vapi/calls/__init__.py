"""Calls as Vapi tells of them: in messages, and in its own records."""
