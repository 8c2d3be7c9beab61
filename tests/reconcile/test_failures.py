"""What a failed pass means for its number."""

from uuid import UUID

from service.domain.phone_numbers import SyncState
from service.domain.reconcile import WebhookClaim
from service.reconcile.failures import SECOND_LOOK_SECONDS, UNSURE, failed_result
from service.vapi.errors import VapiUnavailableError, VapiUnsureError


def test_a_second_look_is_not_delayed_for_long_by_what_failed_before() -> None:
    claim = WebhookClaim(UUID(int=1), "number-1", failures=7)
    away = failed_result(VapiUnavailableError("away"), claim, 1.0)
    unsure = failed_result(VapiUnsureError("once more"), claim, 1.0)
    assert (away.failures, unsure.failures) == (8, 8)
    assert (unsure.state, unsure.problem) == (SyncState.PENDING, UNSURE)
    assert unsure.retry_in is not None
    assert away.retry_in is not None
    assert unsure.retry_in == SECOND_LOOK_SECONDS < away.retry_in
