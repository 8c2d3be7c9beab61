"""Limits on calls under way: their slots in memory, and how calls that want one are recorded."""
