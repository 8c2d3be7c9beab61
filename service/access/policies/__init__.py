"""The chain of policies: found, checked, asked in isolation, combined."""
