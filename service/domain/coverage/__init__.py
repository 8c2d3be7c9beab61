"""For each kind of call: where a blocked one is stopped, the holes, what an outage does. Pure."""
