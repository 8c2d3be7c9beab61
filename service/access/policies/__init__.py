"""The chain of policies: loaded, checked, evaluated in isolation, combined."""
