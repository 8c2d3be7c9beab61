"""Errors of sweeps: a class per code."""

from service.domain.errors import ConflictError, UnavailableError


class ImplausibleListError(UnavailableError):
    """Vapi lists so few of the registered numbers that the list is taken for a mistake."""

    code = "vapi_list_implausible"
    sentence = "Vapi lists only a few of the registered numbers. Nothing was changed."


class SweepLostError(UnavailableError):
    """Another replica took the sweep over."""

    code = "sweep_lost"
    sentence = "Another replica took over the sweep."


class KeyRefusedError(UnavailableError):
    """Vapi refuses VAPI_API_KEY."""

    code = "vapi_key_refused"
    sentence = "Vapi refuses VAPI_API_KEY. Copy the private key from Vapi's dashboard."


class PlanChangedError(ConflictError):
    """The repairs that are due are not those that were reviewed."""

    code = "plan_changed"
    sentence = "The repairs have changed since this plan was made. Review them again."


class TooManyChangesError(ConflictError):
    """The sweep would change more numbers than the brake allows without approval."""

    code = "too_many_changes"
    sentence = "The sweep would change more numbers than allowed without approval."
