"""What a failure means for a number: its state, its problem slug, and when to retry. Pure."""

from service.domain.phone_numbers import FieldDrift, SyncState
from service.domain.reconcile import PassResult, WebhookClaim
from service.reconcile import brakes
from service.vapi.errors import (
    VapiError,
    VapiNotFoundError,
    VapiRejectedError,
    VapiThrottledError,
    VapiUnauthorizedError,
    VapiUnavailableError,
    VapiUnsureError,
)

FIRST_SECONDS = 2.0
LONGEST_SECONDS = 300.0
PERMANENT_SECONDS = 900.0
"""Pause after a failure that only an admin can fix, such as a refused key or a rejected change."""

SECOND_LOOK_SECONDS = 30.0
"""The longest pause before a second look at a number that holds nothing of ours."""

UNSURE = "unsure"
"""The problem of a number that was once seen to hold nothing of ours: the next pass decides."""

MISSING = "Vapi no longer has this phone number. Remove it here, or import it again at Vapi."
UNREADABLE = "Vapi's answer about this number cannot be read. See the service's log, and report it."
UNKEPT = "Vapi accepted the change but does not show it. Another tool may be reverting it."


def failed_result(exc: VapiError, claim: WebhookClaim, jitter: float) -> PassResult:
    """The result of a pass that failed with `exc`; `jitter` as in `retry_after`."""
    failures = claim.failures + 1
    permanent = retry_after(failures, jitter, permanent=True)
    if isinstance(exc, VapiNotFoundError):
        return PassResult(SyncState.MISSING, (), MISSING, "missing", failures, permanent)
    if isinstance(exc, VapiUnauthorizedError | VapiRejectedError):
        problem = "unauthorized" if isinstance(exc, VapiUnauthorizedError) else "rejected"
        return PassResult(
            SyncState.FAILED, (), str(exc), problem, failures, permanent, checked=False
        )
    if isinstance(exc, VapiUnsureError):
        # Vapi answers, so what failed before does not delay the second look for long. It comes after
        # the end of any request that is still under way.
        pause = min(retry_after(failures, jitter), SECOND_LOOK_SECONDS)
        return PassResult(SyncState.PENDING, (), str(exc), UNSURE, failures, pause, checked=False)
    problem = "throttled" if isinstance(exc, VapiThrottledError) else "unavailable"
    asked = exc.retry_after if isinstance(exc, VapiUnavailableError) else None
    pause = retry_after(failures, jitter, asked=asked)
    return PassResult(SyncState.PENDING, (), str(exc), problem, failures, pause, checked=False)


def unreadable_result(claim: WebhookClaim, jitter: float) -> PassResult:
    """The result where Vapi's answer has a shape that cannot be read: it slows down this number only."""
    failures = claim.failures + 1
    pause = retry_after(failures, jitter, permanent=True)
    return PassResult(
        SyncState.FAILED, (), UNREADABLE, "unreadable", failures, pause, checked=False
    )


def fight_result(
    fields: tuple[FieldDrift, ...], drift: tuple[FieldDrift, ...], claim: WebhookClaim
) -> PassResult:
    """The result where another tool keeps reverting `fields`: repairs stop for a while."""
    names = ", ".join(entry.field for entry in fields)
    error = (
        f"Another tool keeps reverting {names} ({brakes.REVERTS_AN_HOUR} times within an hour). "
        "Repairs of this number are stopped for now. Find what writes it (another tool, or another "
        "Callgate with the same key), then sync the number."
    )
    failures = claim.failures + 1
    return PassResult(SyncState.DRIFTED, drift, error, "fight", failures, claim.fight_left)


def unkept_result(drift: tuple[FieldDrift, ...], claim: WebhookClaim, jitter: float) -> PassResult:
    """The result where drift remains although Vapi accepted the change."""
    failures = claim.failures + 1
    pause = retry_after(failures, jitter)
    return PassResult(SyncState.DRIFTED, drift, UNKEPT, "unkept", failures, pause)


def retry_after(
    failures: int, jitter: float, *, permanent: bool = False, asked: float | None = None
) -> float:
    """Seconds until the next attempt after `failures` in a row (1 or more).

    `jitter` is in 0…1 and spreads attempts over ±20 %, so that a thousand numbers that failed
    together do not retry together. `asked` is Vapi's Retry-After, which is a minimum.
    """
    base = min(FIRST_SECONDS * 2.0 ** min(failures - 1, 20), LONGEST_SECONDS)
    if permanent:
        base = PERMANENT_SECONDS
    return max(base * (0.8 + 0.4 * jitter), asked or 0.0)
