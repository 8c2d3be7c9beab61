"""A stateful stand-in for Vapi over HTTP, and sample data: for `--sandbox`, tests and benchmarks."""
