"""The panel's pages on the relay: what an organization's own server gets, and when."""
