"""The panel's pages on calls, and the live feed of their list."""
