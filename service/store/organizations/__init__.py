"""Tables of organizations and their entitlements, read for lists and the access directory."""
