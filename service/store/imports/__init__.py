"""Tables of imports: the imports, their rows, and how far their undoing has come."""
