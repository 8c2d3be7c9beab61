"""Use cases for the relay: its state, its secrets, and messages that are delivered again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from service.admin.actor import Actor
from service.admin.changes import FRESHEN_SECONDS, Freshen, freshen_all, record, transaction
from service.admin.errors import RelayMessageNotFoundError, ReplayTooLargeError
from service.admin.organizations.organizations import organization_version
from service.admin.requests.versions import check_version
from service.domain.conditions import Condition, condition
from service.domain.errors import BadPeriodError, OrganizationNotFoundError
from service.domain.organizations import Organization
from service.domain.relay.messages import RelayedMessage, RelayStatus
from service.domain.relay.signing import create_secret, default_secret
from service.domain.wording.labels import format_count
from service.store.organizations import organizations
from service.store.pool import Connection, Pool
from service.store.relay import replays, search, secrets, states
from service.store.vault import Vault

SHOWN_PARKED = 5
MOST_FORMER = 3
"""Former secrets that sign beside the newest one."""


@dataclass(frozen=True, slots=True)
class RelayCases:
    """Use cases of admins. `master` derives the secret of organizations that have none.

    `most_messages` and `most_bytes` may wait for one server: a sweep drops the oldest beyond them.
    """

    pool: Pool
    freshen: Freshen
    vault: Vault
    master: str
    most_messages: int
    most_bytes: int
    freshen_seconds: float = FRESHEN_SECONDS

    async def status(self, organization_id: UUID) -> RelayStatus:
        """How the organization's server takes its messages. Raises `NotFoundError`."""
        organization = await organizations.find(self.pool, organization_id)
        if organization is None:
            raise OrganizationNotFoundError
        return await self.status_of(organization)

    async def status_of(self, organization: Organization) -> RelayStatus:
        """How an organization's server takes its messages."""
        found = await states.find(self.pool, organization.id)
        return found if organization.forward_url else replace(found, state="off")

    async def create_secret(self, actor: Actor, organization_id: UUID) -> str:
        """Set a new signing secret and return it: it is shown nowhere else.

        The former one signs beside it for a day, and so do those that sign now, the newest ones.
        Raises `NotFoundError`.
        """
        actor.require_admin()
        secret = create_secret()
        async with self.changing(organization_id) as (connection, organization):
            check_version(organization_version(organization))
            former = await self.list_signing(connection, organization)
            await secrets.put(
                connection,
                organization_id,
                secret=self.vault.seal(secret),
                former=self.vault.seal(" ".join(former[:MOST_FORMER])),
            )
            await organizations.mark_updated(connection, organization_id)
            await record(connection, actor, "relay.secret_created", organization_id)
        await freshen_all(self.freshen, [organization_id], self.freshen_seconds)
        return secret

    async def list_signing(self, connection: Connection, organization: Organization) -> list[str]:
        """The secrets that sign now, the newest first; the derived one, which no client knows, only
        if there is no other."""
        derived = default_secret(self.master, organization.id)
        former = self.vault.open(await secrets.find_former(connection, organization.id)) or ""
        signing = [self.vault.open(organization.relay_secret) or derived, *former.split()]
        return [one for one in signing if one != derived] or [derived]

    async def resume(self, actor: Actor, organization_id: UUID) -> RelayStatus:
        """Try a parked server again at once, with all that waits. Raises `NotFoundError`."""
        actor.require_support()
        async with self.changing(organization_id) as (connection, organization):
            await replays.resume(connection, organization_id)
            await record(connection, actor, "relay.resumed", organization_id)
        return await self.status_of(organization)

    async def replay(
        self, actor: Actor, organization_id: UUID, since: datetime, until: datetime | None
    ) -> int:
        """Deliver the kept messages again that were received from `since` to before `until` (None:
        now); how many. Raises `NotFoundError`, `BadPeriodError`, or `ReplayTooLargeError` if some
        would be dropped."""
        actor.require_support()
        check_period(since, until)
        async with self.changing(organization_id) as (connection, _):
            self.check_room(*await search.measure_replay(connection, organization_id, since, until))
            count = await replays.replay(connection, organization_id, since, until)
            asked = {"since": since, "until": until, "messages": count}
            await record(connection, actor, "relay.replayed", organization_id, after=asked)
        return count

    async def find_message(self, organization_id: UUID, message_id: int) -> RelayedMessage:
        """A kept message of an organization. Raises `NotFoundError`."""
        found = await search.find(self.pool, organization_id, message_id)
        if found is None:
            raise RelayMessageNotFoundError
        return found

    async def replay_one(self, actor: Actor, organization_id: UUID, message_id: int) -> bool:
        """Deliver one kept message again; False if it waits already, or has no body any more.

        Raises `NotFoundError` and `ReplayTooLargeError`.
        """
        actor.require_support()
        found = await self.find_message(organization_id, message_id)
        async with self.changing(organization_id) as (connection, _):
            messages, size = await search.measure_waiting(connection, organization_id)
            self.check_room(messages + 1, size + found.size)
            done = await replays.replay_one(connection, organization_id, message_id)
            if done:
                asked = {"webhook_id": found.webhook_id, "type": found.type, "messages": 1}
                await record(connection, actor, "relay.replayed", organization_id, after=asked)
        return done

    def check_room(self, messages: int, size: int) -> None:
        """Raises `ReplayTooLargeError` for more than may wait."""
        if messages > self.most_messages or size > self.most_bytes:
            raise ReplayTooLargeError

    @asynccontextmanager
    async def changing(
        self, organization_id: UUID
    ) -> AsyncIterator[tuple[Connection, Organization]]:
        """One transaction around a change of an organization's relay."""
        async with transaction(self.pool) as connection:
            await organizations.lock(connection, organization_id)
            organization = await organizations.find(connection, organization_id)
            if organization is None:
                raise OrganizationNotFoundError
            yield connection, organization


def check_period(since: datetime, until: datetime | None) -> None:
    """Raises `BadPeriodError` for a replay that would end before it begins."""
    if until is not None and until < since:
        raise BadPeriodError("The period must not end before it begins.", field="until")


async def read_parked(pool: Pool) -> list[Condition]:
    """Servers of organizations that are parked, the one with most messages first."""
    parked = await states.list_parked_organizations(pool, SHOWN_PARKED + 1)
    if not parked:
        return []
    names = [one.name for one in parked[:SHOWN_PARKED]]
    more = ", …" if len(parked) > SHOWN_PARKED else ""
    organizations, messages = await search.count_parked(pool)
    return [
        condition(
            "relay_parked",
            names=", ".join(names) + more,
            messages=format_count(messages, "message", "messages"),
            organizations=organizations,
        )
    ]
