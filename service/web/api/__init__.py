"""The admin API under /api/v1: routes and roles around the use cases of `service.admin`."""
