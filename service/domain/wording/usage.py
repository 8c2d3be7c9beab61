"""Figures of usage as people read them. Pure."""

from decimal import Decimal


def format_minutes(seconds: Decimal | float) -> str:
    """Minutes with one decimal: `1,024.7`."""
    return f"{float(seconds) / 60:,.1f}"


def format_cost(cost: Decimal | float) -> str:
    """A cost in US dollars, in which Vapi bills: `$12.50`."""
    return f"${float(cost):,.2f}"
