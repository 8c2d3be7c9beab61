"""The panel's pages on organizations: their own fields, entitlements, handling of calls, export."""
