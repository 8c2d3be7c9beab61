"""The words of conditions, one module for each part that has them. Pure."""
