"""Encrypts what was stored in clear, or under an older key, in small bites; counts what is lost."""

import asyncio
from dataclasses import dataclass
from typing import Any

import structlog

from service.background import BackgroundLoop
from service.store.policies.choices import reseal
from service.store.pool import UNAVAILABLE, Pool
from service.store.vault import Vault

BITE = 100
EVERY_SECONDS = 86_400.0
"""Rows are written sealed; only an older version, or the loss of a key, leaves others."""
PAUSE_SECONDS = 0.05

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """One column with kept fields. `find` pages by key; `keep` writes only an unchanged value."""

    find: str
    keep: str


COLUMNS = (
    SealedColumn(
        """
        SELECT phone_number_id::text AS id, original AS kept FROM callgate.webhook_states
        WHERE ($1::text IS NULL OR phone_number_id > $1::uuid) AND original IS NOT NULL
        ORDER BY phone_number_id LIMIT $2
        """,
        """
        UPDATE callgate.webhook_states SET original = $2
        WHERE phone_number_id = $1::uuid AND original = $3
        """,
    ),
    SealedColumn(
        """
        SELECT vapi_assistant_id AS id, original AS kept FROM callgate.assistant_webhooks
        WHERE ($1::text IS NULL OR vapi_assistant_id > $1) AND original IS NOT NULL
        ORDER BY vapi_assistant_id LIMIT $2
        """,
        """
        UPDATE callgate.assistant_webhooks SET original = $2
        WHERE vapi_assistant_id = $1 AND original = $3
        """,
    ),
    SealedColumn(
        """
        SELECT id::text, before AS kept FROM callgate.webhook_changes
        WHERE ($1::text IS NULL OR id > $1::bigint) AND before IS NOT NULL
        ORDER BY webhook_changes.id LIMIT $2
        """,
        "UPDATE callgate.webhook_changes SET before = $2 WHERE id = $1::text::bigint AND before = $3",
    ),
    SealedColumn(
        """
        SELECT id::text, after AS kept FROM callgate.webhook_changes
        WHERE ($1::text IS NULL OR id > $1::bigint) AND after IS NOT NULL
        ORDER BY webhook_changes.id LIMIT $2
        """,
        "UPDATE callgate.webhook_changes SET after = $2 WHERE id = $1::text::bigint AND after = $3",
    ),
)

# The former webhooks that a release would restore without their secrets.
COUNT_LOST = """
SELECT count(*) FROM (
    SELECT original FROM callgate.webhook_states
    UNION ALL SELECT original FROM callgate.assistant_webhooks) AS kept
WHERE EXISTS (
    SELECT FROM regexp_matches(original::text, '"sealed\\.v1\\.([0-9a-f]{16})\\.', 'g') AS found
    WHERE found[1] <> ALL($1::text[]))
"""


async def count_lost(pool: Pool, vault: Vault) -> int:
    """Former webhooks with a secret whose key this installation does not have."""
    return int(await pool.fetchval(COUNT_LOST, vault.key_ids))


@dataclass(frozen=True, slots=True)
class Sealing:
    """Seals all kept fields at the start and daily."""

    pool: Pool
    vault: Vault

    def background(self) -> BackgroundLoop:
        """The loop that seals."""
        return BackgroundLoop("sealing", self.run, interval=EVERY_SECONDS, outages=UNAVAILABLE)

    async def run(self) -> None:
        """Seal all columns once."""
        sealed = 0
        for column in COLUMNS:
            sealed += await self.seal_column(column)
        sealed += await reseal(self.pool, self.vault)
        if sealed:
            log.info("vault.sealed", rows=sealed)

    async def seal_column(self, column: SealedColumn) -> int:
        """Seal one column; returns how many rows were changed."""
        sealed, last = 0, None
        while rows := await self.pool.fetch(column.find, last, BITE):
            for row in rows:
                sealed += await self.seal_row(column, row["id"], row["kept"])
            last = rows[-1]["id"]
            await asyncio.sleep(PAUSE_SECONDS)
        return sealed

    async def seal_row(self, column: SealedColumn, row_id: str, kept: dict[str, Any]) -> bool:
        """Seal one row, unless it is sealed already or has changed meanwhile."""
        sealed = self.vault.seal_kept(kept)
        if sealed == kept:
            return False
        return await self.pool.execute(column.keep, row_id, sealed, kept) == "UPDATE 1"
