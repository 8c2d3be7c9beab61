"""The usage of organizations in memory, for policies: what was read, and what this replica did since."""
