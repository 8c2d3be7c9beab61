"""Vapi's names, shapes, URLs and rules, which live only here (and in the sandbox, which plays Vapi)."""
