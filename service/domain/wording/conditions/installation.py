"""The words of conditions that only the doctor finds. Pure; see `domain/conditions.py`."""

from service.domain.condition_kinds import ConditionKind, Severity

ELSEWHERE = "Point VAPI_WEBHOOK_URL (or the proxy before it) at this service."


def found_by_doctor(
    slug: str, severity: Severity, sentence: str, meaning: str, remedy: str
) -> ConditionKind:
    return ConditionKind(slug, severity, sentence, meaning, remedy, "health", doctor_only=True)


INSTALLATION_KINDS = (
    found_by_doctor(
        "settings_invalid",
        "error",
        "{fault}",
        "A setting cannot be used.",
        "Correct it in the environment of every replica and restart them; see deploy/README.md.",
    ),
    found_by_doctor(
        "disk_low",
        "warning",
        "{mebibytes} MiB are free in CALLGATE_DATA_DIR.",
        "The disk of CALLGATE_DATA_DIR is almost full.",
        "Free some space: records of calls wait there while PostgreSQL does not answer.",
    ),
    found_by_doctor(
        "database_unusable",
        "error",
        "{problem}",
        "There is no usable connection to PostgreSQL.",
        "{remedy}",
    ),
    found_by_doctor(
        "schema_outdated",
        "error",
        "{problem}",
        "The tables are not those of this version.",
        "callgate migrate",
    ),
    found_by_doctor(
        "key_invalid",
        "error",
        "Vapi refuses VAPI_API_KEY.",
        "Vapi refused the doctor's request.",
        "Copy the private key from Vapi's dashboard.",
    ),
    found_by_doctor(
        "vapi_away",
        "error",
        "Vapi cannot be asked: {problem}",
        "Vapi does not answer, or answers with an error.",
        "Check VAPI_API_URL, outgoing connections, and Vapi's status page.",
    ),
)

MODE_KINDS = (
    found_by_doctor(
        "database_of_sandbox",
        "error",
        "The database belongs to the sandbox, and VAPI_API_KEY to a real Vapi account.",
        "A database that the sandbox made is used with a real account.",
        "Set another CALLGATE_DATA_DIR or DATABASE_URL.",
    ),
)

WEBHOOK_KINDS = (
    found_by_doctor(
        "webhook_slow",
        "error",
        "The webhook URL is too slow: no answer within {seconds} s.",
        "Vapi stops waiting for answers.",
        "Check that the service behind it is not overloaded, and that no firewall drops packets.",
    ),
    found_by_doctor(
        "webhook_unreachable",
        "error",
        "The webhook URL does not answer from here ({error}).",
        "The webhook URL cannot be reached.",
        "Check DNS, TLS and incoming connections: Vapi reaches it from the internet.",
    ),
    found_by_doctor(
        "webhook_redirects",
        "error",
        "The webhook URL redirects (status {status}), which Vapi does not follow.",
        "Vapi's messages end at a redirect.",
        "Set VAPI_WEBHOOK_URL to the URL that it redirects to.",
    ),
    found_by_doctor(
        "webhook_open",
        "error",
        "The webhook URL accepts messages without a secret (status {status}).",
        "Another server answers at the webhook URL.",
        ELSEWHERE,
    ),
    found_by_doctor(
        "webhook_failing",
        "error",
        "The server at the webhook URL fails (status {status}).",
        "A proxy answers, but not the service behind it.",
        "Check that the service runs behind the proxy.",
    ),
    found_by_doctor(
        "webhook_foreign",
        "error",
        "Another server than Callgate answers at the webhook URL (status {status}).",
        "Vapi's messages reach another server.",
        ELSEWHERE,
    ),
    found_by_doctor(
        "webhook_other_secret",
        "error",
        "The Callgate at the webhook URL does not accept our webhook secret.",
        "Another installation, or a replica with another secret, answers.",
        "Give every replica the same VAPI_WEBHOOK_SECRET.",
    ),
    found_by_doctor(
        "webhook_unexpected",
        "error",
        "The webhook URL answers an authenticated message with status {status}.",
        "Another server, or an incompatible version, answers.",
        ELSEWHERE,
    ),
)

CHECK_KINDS = (
    found_by_doctor(
        "check_slow",
        "error",
        "{target} is too slow: no answer within {seconds} s.",
        "A check of the doctor reached its deadline.",
        "{remedy}",
    ),
    found_by_doctor(
        "check_unavailable",
        "error",
        "{target} cannot be asked ({error}).",
        "A check of the doctor lost its connection.",
        "{remedy}",
    ),
    found_by_doctor(
        "check_denied",
        "error",
        "PostgreSQL denied the query: {error}.",
        "The role in DATABASE_URL lacks a privilege, or the schema differs.",
        "Grant the role in DATABASE_URL the missing privileges, or run callgate migrate.",
    ),
    found_by_doctor(
        "check_broken",
        "error",
        "This check failed unexpectedly ({error}).",
        "A check of the doctor has a bug.",
        "Report it, with the version of Callgate.",
    ),
    found_by_doctor(
        "checks_skipped",
        "warning",
        "Not examined because of the errors above: {checks}.",
        "A check needs a part that failed.",
        "Fix those errors, then examine again.",
    ),
)
