"""Tables of the relay: lasting messages, the workers that deliver them, and failing servers."""
