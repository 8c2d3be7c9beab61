"""What a call's record holds beside its decision, and how several records of one call merge. Pure."""
