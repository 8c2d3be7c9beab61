"""Sentences and labels that a person reads about access, calls and changes. Pure."""
