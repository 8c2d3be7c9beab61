"""Fingerprints of secrets."""

import hashlib


def fingerprint(secret: str) -> str:
    """A short, stable name of a secret: 16 hexadecimal digits of its SHA-256.

    For comparing and counting: it may be stored and shown where the secret must not be.
    """
    return hashlib.sha256(secret.encode()).hexdigest()[:16]
