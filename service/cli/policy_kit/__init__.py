"""Commands for authors of policies: a new project, and cases in a file against the chain."""
