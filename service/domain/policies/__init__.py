"""Policies as operators choose them. No I/O."""
