"""Errors with a code, an HTTP status and a sentence each. A class per code; rooms add their own.

The web layer only translates: it looks neither codes nor statuses up anywhere else.
"""


class CallgateError(Exception):
    """The root. `code` is the stable slug that the API, the log and the documents use.

    `sentence` is the message where a case has none of its own: what is wrong, and what to do.
    `facts` are for programs that read the error.
    """

    code = "internal_error"
    status = 500
    sentence = "An unexpected error occurred. See the service's log."

    def __init__(self, message: str = "", **facts: object) -> None:
        self.message = message or self.sentence
        self.facts = facts
        super().__init__(self.message)


class NotFoundError(CallgateError):
    """The object does not exist, or was removed."""

    code = "not_found"
    status = 404
    sentence = "There is nothing at this address."


class ConflictError(CallgateError):
    """The request conflicts with existing data."""

    code = "conflict"
    status = 409
    sentence = "The request conflicts with existing data."


class InvalidError(CallgateError):
    """The request is well-formed but cannot be carried out."""

    code = "invalid"
    status = 422
    sentence = "The request cannot be carried out. Correct it and send it again."


class ForbiddenError(CallgateError):
    """The sender is known but lacks the permission."""

    code = "forbidden"
    status = 403
    sentence = "You lack the permission for this."


class UnavailableError(CallgateError):
    """A required part (PostgreSQL, Vapi) does not answer; try again later."""

    code = "unavailable"
    status = 503
    sentence = "A required service does not answer. Try again."


class BadPeriodError(InvalidError):
    """A period ends before it begins, or in the past."""

    code = "bad_period"
    sentence = "A period must end after it begins."


class StaleChangeError(ConflictError):
    """The billing system has reported a newer state already."""

    code = "stale_change"
    sentence = "A newer state of the plan is stored. This change is older and was not applied."


class OrganizationNotFoundError(NotFoundError):
    """The organization that the request is about does not exist."""

    code = "organization_not_found"
    sentence = "There is no such organization."


class UnknownOrganizationError(InvalidError):
    """A value in the request names an organization that does not exist."""

    code = "organization_not_found"
    sentence = "There is no such organization."


class ExternalIdTakenError(ConflictError):
    """An organization's `external_id` is unique."""

    code = "external_id_taken"
    sentence = "Another organization has this external_id."


class AssistantTakenError(ConflictError):
    """An assistant belongs to at most one organization."""

    code = "assistant_taken"
    sentence = "Another organization has registered one of these assistants."


class OrganizationHasPhoneNumbersError(ConflictError):
    """Removing the organization would leave its webhooks at Vapi behind."""

    code = "organization_has_phone_numbers"
    sentence = (
        "The organization still has phone numbers. Remove them first, so that their previous "
        "configuration at Vapi is restored."
    )


class InvalidForwardUrlError(InvalidError):
    """A `forward_url` that events may not be relayed to."""

    code = "invalid_forward_url"
    sentence = "The forward_url must be a public https URL."


class TransferInCircleError(InvalidError):
    """A `transfer_when_down` that is a registered number, of any organization."""

    code = "transfer_in_circle"
    sentence = "Calls cannot be transferred to a registered number: they would ring in a circle."


class PhoneNumberNotFoundError(NotFoundError):
    """The phone number that the request is about is not registered."""

    code = "phone_number_not_found"
    sentence = "There is no such phone number."


class PhoneNumberTakenError(ConflictError):
    """A phone number belongs to at most one organization."""

    code = "phone_number_taken"
    sentence = "This phone number is already registered."


class NoSuccessorError(ConflictError):
    """There is no other id to which the number could be linked."""

    code = "no_successor"
    sentence = "Vapi does not have this phone number under another id. Sweep, then look again."


class VapiPhoneNumberNotFoundError(InvalidError):
    """Vapi does not have the phone number, or has it in another Vapi organization."""

    code = "vapi_phone_number_not_found"
    sentence = (
        "Vapi has no phone number with this id. Copy the id from Vapi's dashboard, and check that "
        "VAPI_API_KEY belongs to the same Vapi organization."
    )


class VapiAwayError(UnavailableError):
    """Vapi does not answer, or answers with an error."""

    code = "vapi_unavailable"
    sentence = "Vapi does not answer. Try again later."
