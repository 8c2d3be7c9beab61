"""Naming a secret without telling it."""

import hashlib


def fingerprint(secret: str) -> str:
    """A short name of a secret that is the same everywhere: 16 hexadecimal digits of its SHA-256.

    For comparing and counting only: it is stored and shown where the secret must not be.
    """
    return hashlib.sha256(secret.encode()).hexdigest()[:16]
