"""What a failure of Vapi's means for a number: its state, a slug, and when to look again. Pure."""

import random

from service.domain.phone_numbers import FieldDrift, SyncState
from service.reconcile import brakes
from service.reconcile.schedule import retry_after
from service.store.reconcile.claims import PassResult, WebhookClaim
from service.vapi.errors import (
    VapiError,
    VapiNotFoundError,
    VapiRejectedError,
    VapiThrottledError,
    VapiUnauthorizedError,
    VapiUnavailableError,
    VapiUnsureError,
)

UNSURE = "unsure"
"""The problem of a number that was seen to hold nothing of ours, once: the next look decides."""

MISSING = "Vapi no longer has this phone number: remove it here, or import it again."


def finding_of(exc: VapiError, held: WebhookClaim) -> PassResult:
    """Permanent failures are looked at now and then, the others with growing pauses."""
    failures = held.failures + 1
    if isinstance(exc, VapiNotFoundError):
        return PassResult(
            SyncState.MISSING,
            error=MISSING,
            problem="missing",
            failures=failures,
            retry_in=retry_in(held, permanent=True),
        )
    if isinstance(exc, VapiUnauthorizedError | VapiRejectedError):
        refused = isinstance(exc, VapiUnauthorizedError)
        return PassResult(
            SyncState.FAILED,
            error=str(exc),
            problem="unauthorized" if refused else "rejected",
            failures=failures,
            retry_in=retry_in(held, permanent=True),
            checked=False,
        )
    problem = "throttled" if isinstance(exc, VapiThrottledError) else "unavailable"
    if isinstance(exc, VapiUnsureError):
        problem = UNSURE
    asked = exc.retry_after if isinstance(exc, VapiUnavailableError) else None
    return PassResult(
        SyncState.PENDING,
        error=str(exc),
        problem=problem,
        failures=failures,
        retry_in=retry_in(held, asked=asked),
        checked=False,
    )


def fight_over(drift: tuple[FieldDrift, ...], held: WebhookClaim) -> PassResult:
    """What others keep changing back is left alone for a while, and somebody is told."""
    fields = ", ".join(entry.field for entry in drift)
    return PassResult(
        SyncState.DRIFTED,
        drift,
        f"Somebody else keeps changing {fields} back ({brakes.REVERTS_AN_HOUR} times within an "
        "hour): left alone for now. Find what writes it (another tool, another Callgate with the "
        "same key), then sync the number.",
        "fight",
        held.failures + 1,
        held.fight_left,
    )


def retry_in(held: WebhookClaim, *, permanent: bool = False, asked: float | None = None) -> float:
    """Seconds until the next look after one more failure."""
    return retry_after(held.failures + 1, random.random(), permanent=permanent, asked=asked)  # noqa: S311
