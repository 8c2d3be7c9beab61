"""Plugins that observe calls: told after the decision, in threads of their own."""
