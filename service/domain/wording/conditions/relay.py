"""The words of conditions of the relay to organizations' servers. Pure; see `domain/conditions.py`."""

from service.domain.condition_kinds import ConditionKind

RELAY_KINDS = (
    ConditionKind(
        "relay_parked",
        "warning",
        "The relay is parked for {names}, with {messages} waiting. Parked organizations: "
        "{organizations}.",
        "Servers of organizations failed repeatedly. One message at a time probes each of them; the "
        "others wait for up to 3 days.",
        "Check the server behind the organization's forward_url. It resumes by itself once it takes a "
        "message; the organization's page can resume it at once.",
        "organizations?relay=parked",
    ),
    ConditionKind(
        "relay_spool_waiting",
        "warning",
        "Relayed messages that wait on disk for PostgreSQL: {messages}.",
        "Messages for organizations' servers were kept on disk while PostgreSQL did not answer.",
        "Check PostgreSQL; the messages are delivered when it answers. Keep CALLGATE_DATA_DIR.",
        "health",
        check="spool",
    ),
)
