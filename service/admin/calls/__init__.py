"""Use cases for calls: the live feed, and one call with its steps."""
