"""The panel's pages on the audit log, and undoing its changes."""
