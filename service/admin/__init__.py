"""The use cases of admins, shared by API, panel and command line: rows and audit in one transaction."""
