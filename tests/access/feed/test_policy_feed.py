"""The choices about policies reach every replica: by notifications, by beats, by the snapshot."""

import asyncio
from pathlib import Path
from uuid import UUID

import asyncpg

from service.access.directory import AccessDirectory
from service.access.feed.directory_feed import DirectoryFeed
from service.access.feed.snapshot import SnapshotKeeper
from service.access.policies.choices import ChoicesInForce
from service.domain.policies.choices import GeneralChoice, OwnChoice
from service.store.organizations.feed_source import LISTENER, FeedSource
from service.store.organizations.snapshot import SnapshotFile
from service.store.pool import Pool
from tests.access.feed.test_directory_feed import ADD, following
from tests.support.service import eventually
from tests.support.tcp_proxy import named, proxied

CHOOSE = """
INSERT INTO callgate.policy_choices (name, mode, "order", timeout_seconds)
VALUES ('quota', $1, 7, 0.25)
ON CONFLICT (name) DO UPDATE SET mode = $1
"""
OWN = """
INSERT INTO callgate.organization_policies (organization_id, name, mode, settings)
VALUES ($1, 'quota', 'shadow', '{"minutes": 5}')
"""
QUIET = "ALTER TABLE callgate.policy_choices DISABLE TRIGGER USER"


async def knows(feed: DirectoryFeed, mode: str, seconds: float = 5.0) -> None:
    async def known() -> bool:
        chosen = feed.choices.value.get("quota")
        return chosen is not None and chosen.mode == mode

    await eventually(known, seconds)


async def test_a_choice_for_all_arrives_and_wakes_those_who_act_on_it(dsn: str, pool: Pool) -> None:
    async with following(FeedSource(dsn), pool) as feed:
        woken = asyncio.Event()
        feed.followers.append(woken.set)
        await pool.execute(CHOOSE, "shadow")
        await knows(feed, "shadow")
        assert feed.choices.value["quota"] == GeneralChoice("shadow", None, 7, None, 0.25)
        assert woken.is_set()
        await pool.execute("DELETE FROM callgate.policy_choices")

        async def gone() -> bool:
            return not feed.choices.value

        await eventually(gone)


async def test_a_beat_brings_a_choice_whose_notification_is_missing(dsn: str, pool: Pool) -> None:
    owner = await asyncpg.connect(dsn)
    await owner.execute(QUIET)
    await owner.close()
    async with following(FeedSource(dsn), pool) as feed:
        await pool.execute(CHOOSE, "off")
        await knows(feed, "off", 1.5)


async def test_a_choice_made_while_the_listener_is_cut_is_found(dsn: str, pool: Pool) -> None:
    async with proxied(dsn) as proxy, following(FeedSource(proxy.dsn), pool) as feed:
        with proxy.fault("black_hole", named(LISTENER)):
            await pool.execute(CHOOSE, "off")
        await knows(feed, "off")


async def test_an_organizations_choices_are_part_of_its_entry(dsn: str, pool: Pool) -> None:
    owner: UUID = await pool.fetchval(ADD)
    async with following(FeedSource(dsn), pool) as feed:
        await pool.execute(OWN, owner)

        async def known() -> bool:
            own = feed.directory.entries[owner].organization.policies
            return own == {"quota": OwnChoice("shadow", {"minutes": 5})}

        await eventually(known)
        await pool.execute("DELETE FROM callgate.organization_policies")

        async def gone() -> bool:
            return not feed.directory.entries[owner].organization.policies

        await eventually(gone)


async def test_a_replica_starts_from_a_snapshot_with_the_choices(
    dsn: str, pool: Pool, tmp_path: Path
) -> None:
    file = SnapshotFile(tmp_path / "snapshot", ["key"], "here")
    owner: UUID = await pool.fetchval(ADD)
    await pool.execute(OWN, owner)
    await pool.execute(CHOOSE, "shadow")
    async with following(FeedSource(dsn), pool) as feed:
        await SnapshotKeeper(feed.directory, file, choices=feed.choices).write()
    found = file.read()
    assert found is not None
    directory, choices = AccessDirectory(), ChoicesInForce()
    SnapshotKeeper(directory, file, choices=choices).restore(found)
    assert choices.value["quota"].mode == "shadow"
    assert directory.entries[owner].organization.policies["quota"].settings == {"minutes": 5}
