"""The words of conditions of access policies. Pure."""

from service.domain.condition_kinds import ConditionKind

POLICY_KINDS = (
    ConditionKind(
        "plugin_not_loaded",
        "error",
        "The plugin {plugin} could not be loaded: {message}",
        "A policy is missing from the chain, so calls may be decided differently.",
        "Fix or remove the plugin and restart.",
        "policies",
        check="plugins",
    ),
    ConditionKind(
        "policy_missing",
        "error",
        "The policy {policy} is required by CALLGATE_POLICIES_REQUIRED and is not loaded.",
        "The service does not start without it.",
        "Install its plugin, or remove its name from CALLGATE_POLICIES_REQUIRED.",
        "policies",
        check="plugins",
    ),
    ConditionKind(
        "policy_suspended",
        "warning",
        "The policy {policy} keeps failing and is suspended.",
        "The policy is skipped, except for periodic probes.",
        "See its last failure, and fix the policy or the service that it asks.",
        "policies",
        check="policies",
    ),
    ConditionKind(
        "policy_stuck",
        "warning",
        "Evaluations of the policy {policy} that do not end: {evaluations}.",
        "Each keeps a thread or a task; with eight of them the policy counts as failed.",
        "Give the policy's requests time limits, then restart.",
        "policies",
        check="policies",
    ),
    ConditionKind(
        "policy_slow",
        "warning",
        "The policy {policy} is slow: 95 % of its answers take up to {p95} ms.",
        "Callers wait for it, and it is close to its time limit.",
        "Make it answer from memory, or raise its timeout_seconds.",
        "policies",
        check="policies",
    ),
    ConditionKind(
        "event_loop_blocked",
        "error",
        "The event loop was blocked for {seconds} s by {culprit}.",
        "Meanwhile no call was decided. A policy that blocks it is suspended for an hour.",
        "Make the policy await what it waits for, or make it a plain function, which runs in a thread.",
        "policies",
        check="event_loop",
    ),
)
