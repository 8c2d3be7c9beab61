"""`callgate policies set` and `callgate policies shadow`: what the API's operations on policies do."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import orjson
import typer
from pydantic import ValidationError

from service.cli.given import NULL, json_of, time_of
from service.cli.running import ACTOR, print_json, run_deciding, settings_for
from service.domain.errors import OrganizationNotFoundError
from service.domain.wording.labels import format_count
from service.store.organizations import organizations

if TYPE_CHECKING:
    from service.admin.deciding_cases import DecidingCases
    from service.web.shapes.policies import OwnPolicyBody, PolicyBody

SHOWN = 20
"""How many calls a report lists."""

Name = Annotated[str, typer.Argument(help="The name of the policy.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def set_policy(
    name: Name,
    *,
    mode: Annotated[str, typer.Option(help="enforce, shadow or off.")] = "",
    share: Annotated[
        float | None, typer.Option(help="With shadow: only this part of the organizations.")
    ] = None,
    order: Annotated[int | None, typer.Option(help="Its place in the chain.")] = None,
    on_failure: Annotated[
        str, typer.Option(help="What a failure counts as: abstain, allow or deny.")
    ] = "",
    timeout: Annotated[
        float | None, typer.Option("--timeout", help="Its time in seconds, at most 2.")
    ] = None,
    organization: Annotated[
        str, typer.Option(help="Choose for this one: its id, external id or name.")
    ] = "",
    settings: Annotated[
        Any,
        typer.Option(
            parser=json_of, metavar="JSON", help="The organization's settings; null: none."
        ),
    ] = None,
    reset: Annotated[
        bool, typer.Option("--reset", help="Remove the choices first: as declared, or as for all.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Choose how a policy is asked, for all organizations or for one; what is not given stays.

    Every replica of a running service follows within a second.
    """
    from service.web.shapes.policies import OwnPolicyBody, PolicyBody, own_policy_shape  # noqa: PLC0415

    general = {"share": share, "order": order, "on_failure": on_failure, "timeout_seconds": timeout}
    own = {"settings": settings}
    given = {
        name: None if value is NULL else value
        for name, value in {"mode": mode, **general, **own}.items()
        if value not in (None, "")
    }
    kind: type[PolicyBody] | type[OwnPolicyBody] = OwnPolicyBody if organization else PolicyBody
    if foreign := given.keys() - kind.model_fields.keys():
        whom = "for all organizations" if organization else "with --organization"
        raise typer.BadParameter(f"{', '.join(sorted(foreign))}: choose this {whom} only")
    if reset:
        given = {**dict.fromkeys(kind.model_fields), **given}
    if not given:
        raise typer.BadParameter("give at least one choice, or --reset")
    body = judge(kind, given)

    async def work(cases: "DecidingCases") -> dict[str, Any]:
        if not organization:
            chosen = await cases.policies.change(ACTOR, name, body.changes)
            return {"name": name, **{one: getattr(chosen, one) for one in PolicyBody.model_fields}}
        owner = await find_owner(cases, organization)
        found = await cases.policies.change_own(ACTOR, owner, name, body.changes)
        return own_policy_shape(found).model_dump(mode="json")

    show(run_deciding(settings_for(), work), as_json=as_json)


def report(
    name: Name,
    *,
    since: Annotated[
        datetime | None, typer.Option(parser=time_of, metavar="INSTANT", help="From then on.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(parser=time_of, metavar="INSTANT", help="Before then.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Report what a policy in shadow would have done, with the latest calls behind it."""

    async def work(cases: "DecidingCases") -> dict[str, Any]:
        found = await cases.policies.report(name, since, until)
        calls = await cases.policies.list_differing(name, since, until, limit=SHOWN)
        names = ("asked", "would_have_blocked", "would_have_allowed", "organizations", "failed")
        return {
            **{one: getattr(found, one) for one in names},
            "items": [
                {
                    "vapi_call_id": call.vapi_call_id,
                    "organization_id": call.organization_id,
                    "reason": call.reason,
                    "decided": call.decided,
                }
                for call in calls
            ],
        }

    found = run_deciding(settings_for(), work)
    if as_json:
        print_json(found)
        return
    blocked = format_count(found["would_have_blocked"], "call", "calls")
    owners = format_count(found["organizations"], "organization", "organizations")
    typer.echo(
        f"{name}: would have blocked {blocked} of {owners} and allowed "
        f"{found['would_have_allowed']}, of {found['asked']} asked ({found['failed']} failed)"
    )
    for call in found["items"]:
        was = "allowed" if call["decided"] == "allow" else "blocked"
        typer.echo(f"  {call['vapi_call_id']}  {was}, {name}: {call['reason'] or '-'}")


def judge(
    kind: "type[PolicyBody] | type[OwnPolicyBody]", given: dict[str, Any]
) -> "PolicyBody | OwnPolicyBody":
    """The choices, checked as the API checks them. Raises `typer.BadParameter`."""
    from service.web.shapes.errors import faults  # noqa: PLC0415

    try:
        return kind.model_validate_json(orjson.dumps(given))
    except ValidationError as exc:
        first = faults(exc)[0]
        raise typer.BadParameter(f"{first['field']}: {first['message']}") from None


async def find_owner(cases: "DecidingCases", text: str) -> UUID:
    """The organization with an id, external id or exact name. Raises `OrganizationNotFoundError`."""
    found = await organizations.find_named(cases.pool, text)
    if found is None:
        raise OrganizationNotFoundError
    return found.id


def show(found: dict[str, Any], *, as_json: bool) -> None:
    """A choice in a line, or as JSON."""
    if as_json:
        print_json(found)
        return
    own = found.get("in_force")
    mode = own["mode"] if own else found["mode"]
    rest = {
        one: value
        for one, value in found.items()
        if one not in ("name", "mode", "in_force", "organization_id") and value is not None
    }
    asleep = " (asleep: its settings are missing)" if own and not own["awake"] else ""
    details = "".join(f", {one} {value}" for one, value in rest.items())
    typer.echo(f"{found['name']}: {mode}{asleep}{details}")
