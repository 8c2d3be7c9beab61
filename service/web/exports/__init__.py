"""Lists as files, for the API and the panel: CSV and JSON Lines, written page by page."""
