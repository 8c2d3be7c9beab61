"""Serving: the process, its workers, and one replica put together. Nothing below imports from here."""
