"""Shared parts of all pages: visits, the guard, forms, badges, filters, rendering, charts."""
