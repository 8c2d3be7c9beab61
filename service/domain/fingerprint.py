"""Fingerprints of secrets. Pure."""

import hashlib


def fingerprint(secret: str) -> str:
    """A short, stable name of a secret: 16 hexadecimal digits of its SHA-256.

    For comparing and counting: it may be stored and shown where the secret must not be.
    """
    return hashlib.sha256(secret.encode()).hexdigest()[:16]


DERIVED = "/cgo1"
"""What follows a master's fingerprint in the name of the secrets that derive from it."""


def derived_fingerprint(master: str) -> str:
    """The common name of all organizations' secrets that derive from this master."""
    return fingerprint(master) + DERIVED
