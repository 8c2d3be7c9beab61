"""A stateful stand-in for Vapi over HTTP, and sample data: for `--sandbox`, tests, benchmarks.

It imports nothing of `service.vapi`: its behaviour comes from Vapi's documentation and spec.
"""
