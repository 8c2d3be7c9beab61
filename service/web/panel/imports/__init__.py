"""The panel's pages on imports of numbers and organizations from CSV files."""
