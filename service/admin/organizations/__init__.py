"""Use cases around organizations and what entitles them."""
