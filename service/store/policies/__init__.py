"""Rows about policies: what is chosen for all organizations and for one, and shadow verdicts."""
