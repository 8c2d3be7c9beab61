"""The page of usage, and the part of an organization's page about it."""
