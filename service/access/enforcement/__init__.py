"""Ends calls that must not go on: hang-ups, calls cut when access ends, calls no message reported."""
