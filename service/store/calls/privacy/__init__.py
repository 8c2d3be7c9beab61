"""What is kept of the people on the line, for how long, and how it is removed."""
