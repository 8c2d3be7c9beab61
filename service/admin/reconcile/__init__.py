"""Use cases around the reconciler: sweeps, one number at Vapi, the secret's rotation."""
