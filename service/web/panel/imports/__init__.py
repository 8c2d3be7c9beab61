"""The panel's pages on imports of phone numbers from CSV files."""
