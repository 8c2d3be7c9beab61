"""Deciding: who may call, out of memory, by the chain of policies. No SQL and no HTTP of its own."""
