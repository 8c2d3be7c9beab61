"""What retention deletes: rows of each kind past their age, and how long each kind is kept."""

from dataclasses import dataclass
from datetime import timedelta

from service.store.idempotency_keys import KEPT
from service.store.relay import bounds
from service.store.retention import months

JOBS_KEPT = timedelta(days=1)
AT_THEIR_END = timedelta(seconds=1)

# No call lasts for a day. A row without an end that was touched lately may still get one, and a
# hang-up that waits needs its row.
DELETE_CALLS = """
WITH old AS MATERIALIZED (
    SELECT c.id, c.month, c.vapi_call_id FROM callgate.calls c
    WHERE c.created_at < date_trunc('month', now() - make_interval(secs => $1), 'UTC')
        AND (c.ended_at IS NOT NULL OR c.updated_at < now() - interval '3 days')
        AND NOT EXISTS (SELECT FROM callgate.pgqueuer q
            WHERE q.dedupe_key = 'hangup:' || c.vapi_call_id AND q.status IN ('queued', 'picked'))
    ORDER BY c.created_at, c.id LIMIT $2 FOR UPDATE OF c SKIP LOCKED),
claims AS (
    DELETE FROM callgate.call_claims k USING old WHERE k.vapi_call_id = old.vapi_call_id),
transcripts AS (
    DELETE FROM callgate.call_transcripts t USING old WHERE t.vapi_call_id = old.vapi_call_id),
steps AS (
    DELETE FROM callgate.call_events e USING old WHERE e.vapi_call_id = old.vapi_call_id)
DELETE FROM callgate.calls c USING old WHERE c.id = old.id AND c.month = old.month
"""

# A claim whose call was never recorded, or is gone.
DELETE_CLAIMS = """
WITH old AS (
    SELECT k.vapi_call_id, k.organization_id FROM callgate.call_claims k
    WHERE k.created_at < now() - make_interval(secs => $1)
        AND NOT EXISTS (SELECT FROM callgate.calls c WHERE c.vapi_call_id = k.vapi_call_id)
    ORDER BY k.created_at LIMIT $2)
DELETE FROM callgate.call_claims k USING old
WHERE k.vapi_call_id = old.vapi_call_id AND k.organization_id = old.organization_id
"""

# What a dropped month leaves behind. Ids are in the order of time, and no index on instants of steps is
# needed, which would slow the writing: only the oldest are looked at.
DELETE_STEPS_OF_CALLS = """
DELETE FROM callgate.call_events WHERE id IN (
    SELECT e.id FROM (SELECT * FROM callgate.call_events ORDER BY id LIMIT 20 * $2::int) e
    WHERE e.at < date_trunc('month', now() - make_interval(secs => $1), 'UTC')
        AND NOT EXISTS (SELECT FROM callgate.calls c WHERE c.vapi_call_id = e.vapi_call_id)
    ORDER BY e.id LIMIT $2)
"""
DELETE_TRANSCRIPTS_OF_CALLS = """
DELETE FROM callgate.call_transcripts WHERE vapi_call_id IN (
    SELECT t.vapi_call_id FROM callgate.call_transcripts t
    WHERE t.created_at < date_trunc('month', now() - make_interval(secs => $1), 'UTC')
        AND NOT EXISTS (SELECT FROM callgate.calls c WHERE c.vapi_call_id = t.vapi_call_id)
    LIMIT $2)
"""

# Ids are in the order of time, so no index on instants is needed, which would slow the writing.
DELETE_STEPS = """
DELETE FROM callgate.call_events WHERE at < now() - make_interval(secs => $1) AND id IN (
    SELECT id FROM callgate.call_events ORDER BY id LIMIT $2)
"""

# Each has its own end, by its organization's wish; $1 is no part of it.
DELETE_TRANSCRIPTS = """
DELETE FROM callgate.call_transcripts WHERE $1::float8 IS NOT NULL AND vapi_call_id IN (
    SELECT vapi_call_id FROM callgate.call_transcripts WHERE expires_at <= now()
    ORDER BY expires_at LIMIT $2)
"""

DELETE_JOBS = """
DELETE FROM callgate.pgqueuer_log WHERE id IN (
    SELECT id FROM callgate.pgqueuer_log WHERE created < now() - make_interval(secs => $1)
    ORDER BY created LIMIT $2)
"""

# What held at the beginning of the kept time stays known.
DELETE_ENTITLEMENTS = """
WITH old AS (
    SELECT e.id FROM callgate.entitlement_history e
    WHERE e.at < now() - make_interval(secs => $1)
        AND EXISTS (SELECT FROM callgate.entitlement_history later
            WHERE later.organization_id = e.organization_id AND later.kind = e.kind
                AND (later.at, later.id) > (e.at, e.id)
                AND later.at < now() - make_interval(secs => $1))
    ORDER BY e.id LIMIT $2)
DELETE FROM callgate.entitlement_history e USING old WHERE e.id = old.id
"""

DELETE_CHANGES = """
DELETE FROM callgate.webhook_changes WHERE at < now() - make_interval(secs => $1) AND id IN (
    SELECT id FROM callgate.webhook_changes ORDER BY id LIMIT $2)
"""

DELETE_SHADOW_VERDICTS = """
DELETE FROM callgate.shadow_verdicts s USING (
    SELECT policy, vapi_call_id, organization_id FROM callgate.shadow_verdicts
    WHERE at < now() - make_interval(secs => $1) ORDER BY at LIMIT $2) old
WHERE s.policy = old.policy AND s.vapi_call_id = old.vapi_call_id
    AND s.organization_id = old.organization_id
"""

DELETE_KEYS = """
DELETE FROM callgate.idempotency_keys k USING (
    SELECT owner, key FROM callgate.idempotency_keys
    WHERE created_at < now() - make_interval(secs => $1) ORDER BY created_at LIMIT $2) old
WHERE k.owner = old.owner AND k.key = old.key
"""

# A rebuild of usage must not take deleted calls for calls that never were.
MARK_CALLS = """
UPDATE callgate.retention SET calls_deleted_before =
    greatest(calls_deleted_before, date_trunc('month', now() - make_interval(secs => $1), 'UTC'))
"""


@dataclass(frozen=True, slots=True)
class KeptRows:
    """Rows of one kind and how long they are kept; `delete` takes seconds and the size of a bite.

    `mark` notes beforehand how far rows are deleted; it takes the seconds alone. With `by_month` the
    partitions of months that are past their age are dropped first.
    """

    kind: str
    delete: str
    keep: timedelta
    mark: str = ""
    by_month: bool = False


def kept_rows(calls: timedelta, steps: timedelta, history: timedelta) -> list[KeptRows]:
    """What is deleted by age; a duration of zero keeps its rows permanently."""
    rows = [
        KeptRows("calls", DELETE_CALLS, calls, MARK_CALLS, by_month=True),
        KeptRows("call_claims", DELETE_CLAIMS, calls),
        KeptRows("transcripts", DELETE_TRANSCRIPTS_OF_CALLS, calls),
        KeptRows("call_keys", months.DELETE_KEYS, months.KEYS_KEPT),
        KeptRows("transcripts", DELETE_TRANSCRIPTS, AT_THEIR_END),
        KeptRows("call_steps", DELETE_STEPS, steps),
        KeptRows("call_steps", DELETE_STEPS_OF_CALLS, calls),
        KeptRows("shadow_verdicts", DELETE_SHADOW_VERDICTS, steps),
        KeptRows("finished_jobs", DELETE_JOBS, JOBS_KEPT),
        KeptRows("entitlement_history", DELETE_ENTITLEMENTS, history),
        KeptRows("webhook_changes", DELETE_CHANGES, history),
        KeptRows("idempotency_keys", DELETE_KEYS, KEPT),
        KeptRows("relay_messages", bounds.DELETE, bounds.KEPT),
    ]
    return [one for one in rows if one.keep]
