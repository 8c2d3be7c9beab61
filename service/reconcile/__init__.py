"""Numbers' webhooks at Vapi: observe, compare with the desired state, repair, read back, record."""
