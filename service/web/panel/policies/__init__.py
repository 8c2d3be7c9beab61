"""The policies in the panel: what they decide, how they are asked, and reports on shadows."""
