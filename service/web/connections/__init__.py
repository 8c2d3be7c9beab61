"""Who may connect, how long a request may take to arrive, and who waits when there are too many."""
