"""Granted calls that ended without an answer: by Vapi's reason for their end."""

from service.domain.calls import UNANSWERED_ENDS

# The condition of the index calls_unanswered_ends_idx, word by word: else PostgreSQL does not use it.
IS_UNANSWERED = f"""(NOT blocked AND cut_at IS NULL AND organization_id IS NOT NULL
    AND ended_reason ~ '{UNANSWERED_ENDS}')"""

# A later granted call that was answered ends the problem.
LAST_UNANSWERED = f"""
SELECT failed.phone_number_id FROM (
    SELECT phone_number_id, max(created_at) AS at FROM callgate.calls
    WHERE {IS_UNANSWERED} AND created_at > now() - interval '24 hours'
    GROUP BY phone_number_id) AS failed
WHERE failed.phone_number_id IS NOT NULL AND NOT EXISTS (SELECT FROM callgate.calls
    WHERE phone_number_id = failed.phone_number_id AND created_at > failed.at AND NOT blocked
        AND ended_at IS NOT NULL AND organization_id IS NOT NULL
        AND NOT coalesce({IS_UNANSWERED}, false))
"""  # noqa: S608 - constants
"""Numbers whose last granted call of the last 24 hours ended without an answer."""
