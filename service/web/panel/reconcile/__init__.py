"""The panel's pages on reconciling: the state of all webhooks, dry runs, repairs, the pause."""
