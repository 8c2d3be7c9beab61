"""The order in which requests to Vapi go out when there is not room for all."""

from enum import Enum


class Priority(Enum):
    """Ending a call comes before what a change of access calls for, that before answering an admin,
    and all before repairs."""

    HANGUP = "hangup"
    ACCESS = "access"
    ADMIN = "admin"
    REPAIR = "repair"
