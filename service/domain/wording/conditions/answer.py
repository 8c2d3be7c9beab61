"""The words of conditions about allowed calls that nothing answers. Pure; see `domain/conditions.py`."""

from service.domain.condition_kinds import ConditionKind

ANSWER_KINDS = (
    ConditionKind(
        "numbers_unanswered",
        "warning",
        "Allowed calls are not answered: {numbers}.",
        "A number has no assistant, squad or workflow attached at Vapi, no answer and no forward URL; "
        "or what is to answer it does not exist at Vapi.",
        "Open the numbers and edit their answer, attach an assistant at Vapi, or set the organization's "
        "forward URL.",
        "numbers?unanswered=true",
    ),
    ConditionKind(
        "calls_unanswered",
        "warning",
        "The last allowed call of the last 24 hours was not answered: {numbers}.",
        "Vapi ended an allowed call without an answer, and no later call of the number was answered.",
        "Open the numbers and their last calls, which name Vapi's reason. Correct the number's answer "
        "or the organization's server.",
        "numbers?condition=calls_unanswered",
    ),
)
