"""Forwards a granted call's messages to the organization's own server. It knows no decision."""
