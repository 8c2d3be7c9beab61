"""Use cases around phone numbers: registered, unknown, and at Vapi but not registered here."""
