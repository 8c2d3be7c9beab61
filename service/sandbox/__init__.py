"""A stateful stand-in for Vapi over HTTP, and sample data: for `--sandbox`, tests, benchmarks.

It plays the other side: it knows nothing of `service.vapi` or of anything else in the service.
"""
