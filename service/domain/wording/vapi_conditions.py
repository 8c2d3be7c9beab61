"""The words of conditions of Vapi itself. Pure; see `domain/conditions.py`."""

from service.domain.condition_kinds import ConditionKind

VAPI_KINDS = (
    ConditionKind(
        "list_incomplete",
        "warning",
        "A list of Vapi could not be read to its end. {gap} Not judged: {numbers}.",
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
