"""The API's operations on reconciling: sweeps, routes, changes at Vapi, pauses."""

from dataclasses import asdict, dataclass

from pydantic import BaseModel

from service.admin.reconcile.numbers import NumberWebhooks
from service.admin.reconcile.sweeps import ReconcileCases
from service.web.api.operations import ApiRequest, Operation
from service.web.shapes import reconcile as shapes
from service.web.shapes.paging import (
    ListPage,
    PageQuery,
    place_in_log,
    read_cursor,
    write_cursor,
)
from service.web.shapes.phone_numbers import PhoneNumber, phone_number_shape
from service.web.shapes.reconcile import change_shape, standing_shape

SWEEP_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class ReconcileOperations:
    """Read requests, call the use cases, shape responses."""

    cases: ReconcileCases
    webhooks: NumberWebhooks

    async def reconcile(self, request: ApiRequest) -> BaseModel:
        """Compare every number with Vapi and repair drift; with `dry_run` only report it.

        More changes than the brake allows need the `plan` that a dry run names.
        """
        body: shapes.ReconcileBody = request.body
        report = await self.cases.reconcile(request.actor, dry_run=body.dry_run, plan=body.plan)
        fields = shapes.SweepReport.model_fields
        values = {name: value for name, value in asdict(report).items() if name in fields}
        return shapes.SweepReport.model_validate(values)

    async def get_reconcile_status(self, _request: ApiRequest) -> BaseModel:
        """The last sweep, the brake, and whether repairs are paused."""
        return standing_shape(await self.cases.status())

    async def pause_reconcile(self, request: ApiRequest) -> BaseModel:
        """Write nothing to Vapi until an instant, or until it is resumed."""
        body: shapes.PauseBody = request.body
        found = await self.cases.pause(request.actor, reason=body.reason, until=body.until)
        return standing_shape(found)

    async def resume_reconcile(self, request: ApiRequest) -> BaseModel:
        """Write to Vapi again."""
        return standing_shape(await self.cases.resume(request.actor))

    async def get_route(self, request: ApiRequest) -> BaseModel:
        """The object of Vapi that a number’s events go to, level by level."""
        route = await self.webhooks.route(request.ids["phone_number_id"])
        return shapes.Route.model_validate(route)

    async def list_changes(self, request: ApiRequest) -> BaseModel:
        """What Callgate changed at Vapi for this number, why, and on whose order."""
        query: PageQuery = request.query
        after = read_cursor(query.cursor, place_in_log)
        found = await self.webhooks.changes(
            request.ids["phone_number_id"],
            before_id=after[0] if after else None,
            limit=query.limit + 1,
        )
        items = [change_shape(change) for change in found[: query.limit]]
        return ListPage[shapes.WebhookChange](
            items=items,
            next_cursor=write_cursor(items[-1].id) if len(found) > query.limit else None,
        )

    async def pause_phone_number(self, request: ApiRequest) -> BaseModel:
        """Write nothing for this number until an instant, or until it is resumed."""
        body: shapes.PauseBody = request.body
        number = await self.webhooks.pause(
            request.actor, request.ids["phone_number_id"], reason=body.reason, until=body.until
        )
        return phone_number_shape(number)

    async def resume_phone_number(self, request: ApiRequest) -> BaseModel:
        """Write to Vapi for this number again."""
        return phone_number_shape(
            await self.webhooks.resume(request.actor, request.ids["phone_number_id"])
        )

    async def roll_back_change(self, request: ApiRequest) -> BaseModel:
        """Put the webhook back as it was before a change, and pause the number."""
        body: shapes.RollbackBody = request.body
        number = await self.webhooks.roll_back(
            request.actor, request.ids["phone_number_id"], change_id=body.change_id
        )
        return phone_number_shape(number)

    def operations(self) -> list[Operation]:
        return [*self.of_all(), *self.of_one()]

    def of_all(self) -> list[Operation]:
        """Operations on all numbers together."""
        return [
            Operation(
                "POST",
                "/reconcile",
                "Check all numbers now and repair drift",
                self.reconcile,
                shapes.SweepReport,
                body=shapes.ReconcileBody,
                problems=(409,),
                body_optional=True,
                seconds=SWEEP_SECONDS,
                is_long=True,
            ),
            Operation(
                "GET",
                "/reconcile",
                "Get the status of reconciling",
                self.get_reconcile_status,
                shapes.Standing,
            ),
            Operation(
                "PUT",
                "/reconcile/pause",
                "Pause all repairs at Vapi",
                self.pause_reconcile,
                shapes.Standing,
                body=shapes.PauseBody,
            ),
            Operation(
                "DELETE",
                "/reconcile/pause",
                "Resume all repairs at Vapi",
                self.resume_reconcile,
                shapes.Standing,
            ),
        ]

    def of_one(self) -> list[Operation]:
        """Operations on one number's webhook."""
        one, number = "/phone-numbers/{phone_number_id}", PhoneNumber
        return [
            Operation(
                "GET",
                f"{one}/route",
                "Describe where Vapi sends a number's events, and why",
                self.get_route,
                shapes.Route,
            ),
            Operation(
                "GET",
                f"{one}/changes",
                "List a number's changes at Vapi, newest first",
                self.list_changes,
                ListPage[shapes.WebhookChange],
                query=PageQuery,
            ),
            Operation(
                "PUT",
                f"{one}/pause",
                "Pause a number's repairs",
                self.pause_phone_number,
                number,
                body=shapes.PauseBody,
            ),
            Operation(
                "DELETE",
                f"{one}/pause",
                "Resume a number's repairs",
                self.resume_phone_number,
                number,
            ),
            Operation(
                "POST",
                f"{one}/rollback",
                "Roll back a change at Vapi and pause the number",
                self.roll_back_change,
                number,
                body=shapes.RollbackBody,
            ),
        ]
