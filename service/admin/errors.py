"""Errors of the use cases: a class per code."""

from collections.abc import Iterable

from service.domain.errors import (
    CallgateError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    UnavailableError,
)


class AuditEntryNotFoundError(NotFoundError):
    """No audit entry has this id."""

    code = "audit_not_found"
    sentence = "There is no such audit entry."


class NotUndoableError(InvalidError):
    """The audit entry does not hold enough to reverse the change."""

    code = "not_undoable"
    sentence = "A change of this kind cannot be undone."


class ChangedSinceError(ConflictError):
    """A later change replaced what the audit entry recorded."""

    code = "changed_since"
    sentence = "The object has changed since this entry, so the entry cannot be undone."


class CallNotFoundError(NotFoundError):
    """No call has this id."""

    code = "call_not_found"
    sentence = "There is no such call."


class PolicyNotFoundError(NotFoundError):
    """No policy of the chain has this name."""

    code = "policy_not_found"
    sentence = "There is no such policy. Its plugin may not be installed or loaded."


class PolicySettingsError(InvalidError):
    """The policy's model refuses the settings of an organization."""

    code = "policy_settings_invalid"
    sentence = "The policy refuses these settings."

    def __init__(self, faults: Iterable[tuple[str, str]]) -> None:
        found = [{"field": field, "message": message} for field, message in faults]
        text = "; ".join(f"{one['field']}: {one['message']}" for one in found)
        super().__init__(f"{self.sentence} {text}", errors=found)


class PolicyAlwaysEnforcedError(InvalidError):
    """The overrides of admins cannot be switched off."""

    code = "policy_always_enforced"
    sentence = "This policy carries the overrides of admins: it is always enforced."


class ShareWithoutShadowError(InvalidError):
    """A share of organizations is chosen for a policy that is not in shadow."""

    code = "share_without_shadow"
    sentence = "A share of organizations needs the mode shadow."


class RelayMessageNotFoundError(NotFoundError):
    """The relay keeps no message with this id for the organization."""

    code = "relay_message_not_found"
    sentence = "There is no such message. Messages are kept for 3 days."


class ReplayTooLargeError(InvalidError):
    """More messages would wait for a server than are kept, so the oldest would be dropped."""

    code = "replay_too_large"
    sentence = (
        "More messages would wait than Callgate keeps for one server, and the oldest would be dropped. "
        "Choose a shorter period, or wait until the server has taken what waits."
    )


class UnknownNumberNotFoundError(NotFoundError):
    """No unregistered number with this id has called."""

    code = "unknown_number_not_found"
    sentence = "No unregistered number with this id has called."


class WebhookChangeNotFoundError(NotFoundError):
    """The number's webhook has no change with this id."""

    code = "change_not_found"
    sentence = "There is no such change of this number."


class AdminNotFoundError(NotFoundError):
    """No admin has this id or name."""

    code = "admin_not_found"
    sentence = "There is no such admin."


class SessionNotFoundError(NotFoundError):
    """No live session has this id."""

    code = "session_not_found"
    sentence = "There is no such session."


class TokenNotFoundError(NotFoundError):
    """No API token has this id."""

    code = "token_not_found"
    sentence = "There is no such token."


class NameTakenError(ConflictError):
    """Names of admins are unique, letter case aside."""

    code = "name_taken"
    sentence = "An admin with this name exists already."


class LastAdminError(ConflictError):
    """One enabled admin with the role admin must remain."""

    code = "last_admin"
    sentence = "This is the last admin with the role admin. Give that role to another admin first."


class AlreadySetUpError(ConflictError):
    """The set-up page works only until the first admin exists."""

    code = "already_set_up"
    sentence = "The first admin exists already. Sign in."


class WrongPasswordError(InvalidError):
    """The current password does not match."""

    code = "wrong_password"
    sentence = "The current password is wrong."


class GrantEndedError(ForbiddenError):
    """The sign-in provider no longer knows the person, or ended their session there."""

    code = "grant_ended"
    sentence = "The sign-in provider ended this sign-in. Sign in again."


class ProviderUnavailableError(UnavailableError):
    """The sign-in provider (OIDC) cannot be used now."""

    code = "provider_unavailable"
    sentence = (
        "The sign-in provider does not answer as expected. Try again, or sign in with a password."
    )


class AmbiguousOrganizationError(InvalidError):
    """Several organizations have the name that a row of an import gives."""

    code = "organization_ambiguous"
    sentence = "Several organizations have this name. Give the id instead."


class AmbiguousPhoneNumberError(InvalidError):
    """Several phone numbers at Vapi have the E.164 number that a row of an import gives."""

    code = "vapi_phone_number_ambiguous"
    sentence = "Several phone numbers at Vapi have this number. Give the id instead."


class AddedSinceError(ConflictError):
    """Another organization got the names of an import's row after its file was checked."""

    code = "organization_added_since"
    sentence = (
        "Another organization got this name or external id after the file was checked. Import the "
        "file again."
    )


class DuplicateRowError(ConflictError):
    """An earlier line of the file names the same phone number."""

    code = "duplicate_row"
    sentence = "An earlier line names the same number. This line is not used."


class InvalidOrganizationNameError(InvalidError):
    """An organization is missing, too long or has invisible characters."""

    code = "invalid_organization"
    sentence = "The organization is missing or has characters that are not allowed."


class IdempotencyKeyReusedError(ConflictError):
    """An idempotency key came with another request within 24 hours."""

    code = "idempotency_key_reused"
    sentence = (
        "This Idempotency-Key was sent with another request. Use a new key for a new request."
    )


class IdempotencyInProgressError(ConflictError):
    """The first request with this key is still under way."""

    code = "idempotency_in_progress"
    sentence = "The first request with this Idempotency-Key is still under way. Retry in a second."


class IdempotencyAnswerLostError(ConflictError):
    """The first request with this key was carried out, at least in part, but its answer was lost."""

    code = "idempotency_answer_lost"
    sentence = (
        "The first request with this Idempotency-Key made its change, but its answer was lost. "
        "Read the object instead of sending the request again."
    )


class PreconditionFailedError(CallgateError):
    """The object is not in the version that the request expects."""

    code = "precondition_failed"
    status = 412
    sentence = "The object has changed since you read it. Read it again, and send its new ETag."
