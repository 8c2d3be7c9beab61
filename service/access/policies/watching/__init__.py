"""Finds policies that stop the event loop, or threads that compute without end."""
