"""The admin API under /api/v1: shapes, roles and routes around the use cases of `service.admin`."""
