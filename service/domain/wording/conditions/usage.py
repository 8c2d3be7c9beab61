"""The words of conditions about the limits of plans. Pure; see `domain/conditions.py`."""

from service.domain.condition_kinds import ConditionKind

USAGE_KINDS = (
    ConditionKind(
        "plan_limit_reached",
        "warning",
        "A limit of the plan is reached: {organizations}.",
        "The included minutes or the cost of the period are used up, or as many calls are under way as "
        "the plan allows.",
        "Talk to the customers about a larger plan, or raise the limits.",
        "usage?limit=reached",
    ),
    ConditionKind(
        "plan_limit_near",
        "notice",
        "80 per cent of a limit of the plan are used: {organizations}.",
        "The included minutes or the cost of the period will soon be used up.",
        "Talk to the customers about a larger plan, or raise the limits.",
        "usage?limit=near",
    ),
)
