"""Tables of the reconciler: states, claims, changes, sweeps, secrets and the budget of requests."""
