"""One file a revision. One statement per `execute`; nothing here imports the service."""
