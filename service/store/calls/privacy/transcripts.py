"""`callgate.call_transcripts`: what was said in calls whose organizations keep it, until its end."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from service.domain.calls import CallEnd, NewCall
from service.store.pool import Pool

# A call of a forgotten caller, or of a deleted organization, keeps nothing; nor does one that another
# organization only claims. What a former owner said of a call gives way to its true owner's words. The
# lock takes turns with an admin who forgets the caller: what comes meanwhile waits, and is not kept.
KEEP = """
INSERT INTO callgate.call_transcripts AS t (
    vapi_call_id, organization_id, transcript, recording_url, expires_at)
SELECT $1, o.id, $3, $4, now() + make_interval(days => $5) FROM callgate.organizations o
    JOIN callgate.calls c ON c.organization_id = o.id
WHERE o.id = $2 AND c.vapi_call_id = $1 AND c.customer_number IS DISTINCT FROM ''
FOR KEY SHARE OF c
ON CONFLICT (vapi_call_id) DO UPDATE SET
    organization_id = excluded.organization_id,
    transcript = CASE WHEN t.organization_id = excluded.organization_id
        THEN coalesce(excluded.transcript, t.transcript) ELSE excluded.transcript END,
    recording_url = CASE WHEN t.organization_id = excluded.organization_id
        THEN coalesce(excluded.recording_url, t.recording_url) ELSE excluded.recording_url END,
    expires_at = CASE WHEN t.organization_id = excluded.organization_id
        THEN t.expires_at ELSE excluded.expires_at END
"""

FIND = """
SELECT transcript, recording_url FROM callgate.call_transcripts
WHERE vapi_call_id = $1 AND organization_id = $2 AND expires_at > now()
"""


@dataclass(frozen=True, slots=True)
class KeptTranscript:
    """What was said in a call, and where its recording is."""

    text: str | None
    recording_url: str | None


async def keep_transcripts(pool: Pool, records: Sequence[NewCall | CallEnd]) -> None:
    """Keep what was said in these calls, as far as their organizations want it; safe to repeat. A
    claim on another organization's call keeps nothing."""
    for one in records:
        said = one.transcript
        if said is not None and one.organization_id is not None:
            await pool.execute(KEEP, *one.key, said.text, said.recording_url, said.keep_days)


async def find_transcript(
    pool: Pool, vapi_call_id: str, organization_id: UUID | None
) -> KeptTranscript | None:
    """What was said in a call, and where its recording is; None if nothing is kept."""
    row = await pool.fetchrow(FIND, vapi_call_id, organization_id)
    return None if row is None else KeptTranscript(row["transcript"], row["recording_url"])
