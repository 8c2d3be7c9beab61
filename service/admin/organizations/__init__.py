"""Use cases for organizations and their entitlements."""
