"""Use cases for policies: how they are asked, for all organizations and for one; reports on shadows."""
