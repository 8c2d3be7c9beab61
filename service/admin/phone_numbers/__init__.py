"""Use cases for phone numbers: registered, unknown, and unregistered at Vapi."""
