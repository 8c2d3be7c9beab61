"""Tables of organizations and what entitles them, read for lists and for the access directory."""
