"""What holds for a whole request of an admin: its idempotency key, and the version that it expects."""
