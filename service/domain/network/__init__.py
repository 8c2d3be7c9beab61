"""Where Callgate may connect to on a client's word: addresses, ports, hosts. Pure."""
