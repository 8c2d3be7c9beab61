"""Use cases for usage: sums by period, the limits of plans, and the rebuild."""
