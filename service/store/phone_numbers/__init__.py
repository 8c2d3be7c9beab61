"""Tables of phone numbers: registered ones, unknown ones, and imports."""
