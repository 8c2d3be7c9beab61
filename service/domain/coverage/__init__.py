"""Where each kind of blocked call is stopped, the holes, and the effect of an outage. Pure."""
