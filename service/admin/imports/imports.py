"""Use case: import many phone numbers. A plan lists what each row would do; applying it does that.

Each row has its own transaction and its own error. Applying a plan again changes nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import structlog

from service.admin.actor import Actor
from service.admin.changes import leave_to_notifications
from service.admin.errors import InvalidOrganizationNameError
from service.admin.imports.applying import apply_rows, refused
from service.admin.imports.csv_file import CellError, RowFault
from service.admin.imports.known_numbers import KnownNumbers, VapiNumber
from service.admin.imports.number_rows import ImportRow, parse_label, parse_organization
from service.admin.imports.plan import ImportPlan, Judge, Naming, PlannedRow, taken
from service.admin.imports.vapi_numbers import WAIT_SECONDS, VapiNumbers
from service.admin.phone_numbers.phone_numbers import PhoneNumbers, Probed
from service.domain.errors import VapiAwayError
from service.domain.phone_numbers import Sync
from service.store.phone_numbers import lookups
from service.store.pool import Pool
from service.vapi.client import VapiClient
from service.vapi.errors import VapiError

log = structlog.get_logger()


class Later:
    """Leaves Vapi to the reconcile loop: a changed number is due at once, and a large file must neither
    wait for each number nor use up the budget of requests."""

    async def probe(self, vapi_phone_number_id: str) -> Probed | None:  # noqa: ARG002
        return None

    async def reconcile(self, phone_number_id: UUID) -> Sync | None:  # noqa: ARG002
        return None


@dataclass(frozen=True, slots=True)
class Imports:
    """Registers the numbers of a file, or those at Vapi that are not registered."""

    pool: Pool
    client: VapiClient
    numbers: PhoneNumbers
    wait_seconds: float = WAIT_SECONDS

    @classmethod
    def patient(cls, pool: Pool, client: VapiClient) -> "Imports":
        """Build one that waits neither for Vapi nor for directories, for imports of many numbers."""
        return cls(pool, client, PhoneNumbers(pool, leave_to_notifications, Later()))

    async def plan(self, rows: Sequence[ImportRow | RowFault]) -> ImportPlan:
        """Plan each row; nothing is changed.

        While Vapi does not answer, ids are accepted unchecked (their numbers stay `pending`), and
        E.164 numbers are errors.
        """
        usable = [row for row in rows if isinstance(row, ImportRow)]
        known = KnownNumbers()
        if usable:
            known = await VapiNumbers(self.client, self.wait_seconds).look_up(
                {row.phone_number for row in usable if not row.is_e164},
                {row.phone_number for row in usable if row.is_e164},
            )
        return await self.judge(rows, known)

    async def plan_unregistered(self, organization: str) -> ImportPlan:
        """Plan to register all unregistered numbers at Vapi for one organization.

        Raises `InvalidError` for the organization, `VapiAwayError` while Vapi does not answer.
        """
        try:
            organization = parse_organization(organization)
        except CellError as exc:
            raise InvalidOrganizationNameError(exc.message) from None
        found = await lookups.find_organizations(self.pool, [organization])
        Naming(found).find(organization)
        known, rows = KnownNumbers(), list[ImportRow]()
        async for page in self.unregistered():
            for number in page:
                known.by_id[number.id] = number
                label = label_of(number)
                rows.append(ImportRow(len(rows) + 1, number.id, organization, label))
        return await self.judge(rows, known)

    async def unregistered(self) -> AsyncIterator[list[VapiNumber]]:
        """Unregistered numbers at Vapi, page by page. Raises `VapiAwayError`."""
        try:
            async for page in VapiNumbers(self.client, self.wait_seconds).pages():
                here = await lookups.find_numbers(self.pool, [item.id for item in page])
                yield [item for item in page if item.id not in here]
        except VapiError as exc:
            raise VapiAwayError(str(exc)) from None

    async def judge(self, rows: Sequence[ImportRow | RowFault], known: KnownNumbers) -> ImportPlan:
        """The plan, from the numbers at Vapi and the registered ones."""
        usable = [row for row in rows if isinstance(row, ImportRow)]
        naming = Naming(
            await lookups.find_organizations(self.pool, {row.organization for row in usable})
        )
        here = await lookups.find_numbers(
            self.pool,
            {row.phone_number for row in usable} | known.by_id.keys(),
        )
        judge = Judge(known, naming, here)
        planned = await asyncio.to_thread(lambda: tuple(judge.judge(row) for row in rows))
        return ImportPlan(planned, warning_of(known))

    async def apply(
        self,
        actor: Actor,
        plan: ImportPlan,
        progress: Callable[[PlannedRow], None],
        name: str = "a plan",
    ) -> ImportPlan:
        """Apply the plan row by row; report and return the result of each.

        The numbers are then due: the loop of a running service configures them. Raises
        `ForbiddenError`.
        """
        applied = await apply_rows(
            self.pool,
            actor,
            plan,
            progress,
            name=name,
            kind="phone_numbers",
            apply_row=self.apply_row,
        )
        log.info("numbers.imported", **applied.figures)
        return applied

    async def apply_row(self, actor: Actor, row: PlannedRow) -> PlannedRow:
        """Apply one row in its own transaction; return it with its number's id, or with its error."""
        try:
            if row.action == "create":
                values = {
                    "organization_id": row.organization_id,
                    "vapi_phone_number_id": row.vapi_phone_number_id,
                    "number": row.number,
                    "label": row.label,
                    "gate": row.gate or "event",
                    "answer_with": None,
                }
                created = await self.numbers.register(actor, values)
                return replace(row, phone_number_id=created.id)
            assert row.phone_number_id is not None
            before = await self.numbers.get(row.phone_number_id)
            if before.organization_id != row.organization_id:
                raise taken()
            await self.numbers.change(actor, row.phone_number_id, row.changes)
        except Exception as exc:
            return refused(row, exc)
        return row


def warning_of(known: KnownNumbers) -> str | None:
    """The warning of a plan that was made without Vapi."""
    if known.problem is None:
        return None
    return (
        f"{known.problem} Not all ids could be checked: they are accepted as they are, and stay "
        "pending."
    )


def label_of(number: VapiNumber) -> str | None:
    """Vapi's name of a number as its label, if it is a valid one."""
    try:
        return parse_label((number.name or "").strip())
    except CellError:
        return None
