"""What the host and `policies.testing` share, so that a tested policy behaves alike in both: checks,
copies of facts, settings, and how a policy is run; and the kinds of pasted text that settings of
policies take as well as the service does. Not for plugins; no service, no I/O library."""
