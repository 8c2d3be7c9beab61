"""The order of requests to Vapi when the budget does not allow all at once."""

from enum import Enum


class Priority(Enum):
    """Hang-ups come first, then updates after a change of access, then requests of admins, then
    repairs."""

    HANGUP = "hangup"
    ACCESS = "access"
    ADMIN = "admin"
    REPAIR = "repair"
