"""Who orders a sweep."""

from service.domain.phone_numbers import Order

ADMIN = Order("ada", "api")
