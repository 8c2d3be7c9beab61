"""Deletes rows past their age, and keeps the partitions of the table of calls."""
