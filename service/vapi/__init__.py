"""Vapi's names, shapes, URLs and rules; nobody else knows them (the sandbox plays Vapi itself)."""
