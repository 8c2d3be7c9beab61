"""The panel's pages on phone numbers: the list, one number, adding one."""
