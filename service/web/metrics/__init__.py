"""Metrics for Prometheus, one module a subject."""
