"""The panel's pages on people: signing in, the own account, admins."""
