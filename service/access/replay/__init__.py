"""Decisions on recorded calls by another chain: the facts of then, and what is not stored of them."""
