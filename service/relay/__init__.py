"""Passing a granted call's messages on to the organization's own server. It knows no decision."""
