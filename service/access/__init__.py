"""Deciding from memory, by the chain of policies, who may call. No SQL and no HTTP of its own."""
