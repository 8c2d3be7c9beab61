"""Usage of organizations: periods, their sums, and the limits of plans. Pure."""
