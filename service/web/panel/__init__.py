"""The admin panel: pages rendered here over the same use cases as the API. No rule lives in a page."""
