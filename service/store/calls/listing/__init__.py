"""Reading lists of calls, and calls as lists show them."""
