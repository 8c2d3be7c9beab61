"""The words of conditions of Vapi itself. Pure; see `domain/conditions.py`."""

from service.domain.condition_kinds import ConditionKind
from service.domain.wording.sweeps import UNLISTED_REMEDY

VAPI_KINDS = (
    ConditionKind(
        "vapi_unreachable",
        "error",
        "Vapi is unreachable since {since} ({age}): {error}",
        "Calls are decided, recorded and hung up by their control URLs; whose they are and whether they "
        "ended is not verified, and no webhook is repaired.",
        "Check VAPI_API_URL, outgoing connections, and Vapi's status page. It ends with the first "
        "answer.",
        "health",
        check="vapi",
        public=True,
    ),
    ConditionKind(
        "numbers_unlisted",
        "error",
        "Vapi's list lacks so many registered numbers that it is not believed, and no sweep repairs "
        "anything: {numbers}.",
        "Numbers were deleted at Vapi, or VAPI_API_KEY is the key of another Vapi organization, or "
        "Vapi's answer is broken. A sweep reads only ten of them by their ids.",
        "See the numbers. " + UNLISTED_REMEDY,
        "numbers?condition=numbers_unlisted",
        check="reconcile",
    ),
    ConditionKind(
        "numbers_moved",
        "error",
        "Missing at Vapi, which has them again under other ids: {numbers}.",
        "A number was removed and imported again at Vapi, so its calls are not those of a registered "
        "number.",
        "Open the number and link it to its new id, if it still belongs to the organization; or remove "
        "it here.",
        "numbers?condition=numbers_moved",
    ),
    ConditionKind(
        "former_secrets_hidden",
        "notice",
        "Former webhooks with a secret that Vapi does not show: {numbers}.",
        "A release restores such a webhook without its secret, so its server may refuse Vapi's "
        "messages.",
        "Keep copies of these secrets, and set them again at Vapi after a release.",
        "numbers?condition=former_secrets_hidden",
    ),
    ConditionKind(
        "transfers_in_circle",
        "warning",
        "Callers would ring in a circle while Callgate is unreachable: {organizations}.",
        "These organizations transfer callers to a registered number, whose calls ask Callgate again.",
        "Set another transfer_when_down for these organizations, or none.",
        "organizations",
    ),
    ConditionKind(
        "list_incomplete",
        "warning",
        "A list of Vapi could not be read to its end. {gap}",
        "Numbers and calls that an incomplete list does not show keep their state; what it shows is "
        "checked and repaired.",
        "Wait for the next sweep. If it stays, see the service's log, and report it to Vapi.",
        "repairs",
        check="reconcile",
    ),
    ConditionKind(
        "list_malformed",
        "warning",
        "Vapi's lists contain elements that cannot be read: {elements}.",
        "A malformed element is skipped; the number or call that it was is checked by its id, all "
        "others as usual.",
        "See vapi.list_malformed in the service's log, and report it to Vapi.",
        "repairs",
        check="reconcile",
    ),
)
