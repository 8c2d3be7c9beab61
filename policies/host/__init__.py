"""What the host and `policies.testing` share, so that a tested policy behaves alike in both: checks,
copies of facts, settings, and how a policy is run. Not for plugins; no service, no I/O library."""
