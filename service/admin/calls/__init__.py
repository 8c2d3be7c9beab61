"""Use cases around calls: the live feed and one call's story."""
