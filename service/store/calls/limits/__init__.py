"""Limits on calls under way: counting, and the calls that hold slots of them."""
