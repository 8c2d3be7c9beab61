"""Tables of phone numbers: registered ones, unknown ones, and look-ups of many."""
