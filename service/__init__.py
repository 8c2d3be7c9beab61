"""The Callgate service: everything that runs. The public surface for plugins is `policies`."""
