"""What people paste, one module a kind: each text is understood, or refused in one sentence. Pure."""
