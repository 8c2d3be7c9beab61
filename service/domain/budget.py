"""The order in which requests to Vapi go out when there is not room for all."""

from enum import Enum


class Priority(Enum):
    """Ending a call comes before answering an admin, and both before repairs."""

    HANGUP = "hangup"
    ADMIN = "admin"
    REPAIR = "repair"
