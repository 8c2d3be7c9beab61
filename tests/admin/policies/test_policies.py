"""Choices about policies as use cases: undone like any other change, resealed under a new key."""

from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import pytest
from pydantic import AliasChoices, AliasPath, BaseModel, ConfigDict, Field, SecretStr

from policies import AccessRequest, Verdict, abstain
from service.access.policies.chain import AccessChain
from service.access.policies.plugins import load_policies
from service.admin.actor import Actor
from service.admin.errors import ChangedSinceError, PolicyNotFoundError
from service.admin.organizations.organizations import Organizations
from service.admin.policies.policies import PolicyCases
from service.admin.undo import Undo
from service.domain.audit import can_undo
from service.domain.errors import ForbiddenError
from service.domain.policies.choices import GeneralChoice, OwnChoice
from service.domain.wording.audit import describe_change
from service.store.audit import list_audit
from service.store.organizations import history
from service.store.policies.choices import reseal
from service.store.pool import Pool
from service.store.vault import Vault
from tests.support.chains import put_policy

ADD = "INSERT INTO callgate.organizations (name) VALUES ('Acme') RETURNING id"
ABSENT: Any = cast("Any", None)


class Login(BaseModel):
    user: str
    key: SecretStr


class Guarded:
    """A policy with a secret in its settings."""

    name = "guarded"
    order = 50
    settings = Login

    def evaluate(self, _request: AccessRequest) -> Verdict:
        return abstain()


async def freshen(_: UUID) -> None:
    """No listener."""


class Rooms:
    """What the use cases need of others, without a service."""

    refresh = staticmethod(freshen)

    def __init__(self) -> None:
        self.chain = AccessChain(load_policies().policies)
        put_policy(self.chain, Guarded())

    async def refresh_policies(self) -> None:
        """Nothing listens."""


@pytest.fixture
def cases(pool: Pool) -> PolicyCases:
    return PolicyCases(pool, Rooms(), Vault(["key"]))


async def undo_last(cases: PolicyCases, actor: Actor) -> None:
    """Undo the last change of all."""
    (entry,) = await list_audit(cases.pool, limit=1)
    assert can_undo(entry)
    organizations = Organizations(cases.pool, freshen)
    undo = Undo(cases.pool, organizations, ABSENT, ABSENT, ABSENT, ABSENT, cases)
    await undo.undo(actor, entry.id)


async def test_choices_go_back_and_forth(cases: PolicyCases, admin: Actor, pool: Pool) -> None:
    await cases.change(admin, "plan", {"mode": "shadow", "share": 0.5, "order": 7})
    await cases.change(admin, "plan", {"mode": "off"})
    await undo_last(cases, admin)
    assert await cases.get("plan") == GeneralChoice("shadow", 0.5, 7)
    await undo_last(cases, admin)
    assert await cases.get("plan") == GeneralChoice("off", None, 7)
    owner = await pool.fetchval(ADD)
    await cases.change_own(admin, owner, "plan", {"mode": "enforce"})
    await undo_last(cases, admin)
    assert (await cases.get_own(owner, "plan")).choice == OwnChoice()
    await undo_last(cases, admin)
    assert (await cases.get_own(owner, "plan")).choice == OwnChoice("enforce")


async def test_a_removed_secret_comes_back_by_an_undo(
    cases: PolicyCases, admin: Actor, pool: Pool
) -> None:
    owner = await pool.fetchval(ADD)
    await cases.change_own(admin, owner, "guarded", {"settings": {"user": "ada", "key": "hush"}})
    sealed = (await cases.get_own(owner, "guarded")).choice
    await cases.delete_own(admin, owner, "guarded")
    await undo_last(cases, admin)
    assert (await cases.get_own(owner, "guarded")).choice == sealed


class ByAlias(BaseModel):
    key: SecretStr = Field(alias="token")


class ByValidationAlias(BaseModel):
    key: SecretStr = Field(validation_alias="token")


class ByChoices(BaseModel):
    key: SecretStr = Field(validation_alias=AliasChoices("api_key", "token"))


class ByPath(BaseModel):
    key: SecretStr = Field(validation_alias=AliasChoices("api_key", AliasPath("token", 0)))


class ByExtra(BaseModel):
    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, SecretStr] = Field(init=False)


KEPT = """
SELECT string_agg(found.line, ' ') FROM (
    SELECT one::text AS line FROM callgate.organization_policies AS one
    UNION ALL SELECT one::text FROM callgate.entitlement_history AS one
    UNION ALL SELECT one::text FROM callgate.audit AS one
) AS found
"""


@pytest.mark.parametrize("model", [ByAlias, ByValidationAlias, ByChoices, ByPath, ByExtra])
async def test_a_secret_is_stored_in_clear_under_none_of_its_names(
    model: type[BaseModel], cases: PolicyCases, admin: Actor, pool: Pool
) -> None:
    hidden = type("Hidden", (Guarded,), {"name": "hidden", "settings": model})
    put_policy(cast("Any", cases).rooms.chain, hidden())
    owner = await pool.fetchval(ADD)
    given = ["hush-hush"] if model is ByPath else "hush-hush"
    await cases.change_own(admin, owner, "hidden", {"settings": {"token": given}})
    kept = await pool.fetchval(KEPT)
    assert "sealed.v1." in kept
    assert "hush-hush" not in kept
    shown = await cases.get_own(owner, "hidden")
    assert "hush-hush" not in repr(shown)


async def test_an_undo_after_a_later_change_is_refused(cases: PolicyCases, admin: Actor) -> None:
    await cases.change(admin, "plan", {"order": 1})
    (entry,) = await list_audit(cases.pool, limit=1)
    await cases.change(admin, "plan", {"order": 2})
    undo = Undo(cases.pool, ABSENT, ABSENT, ABSENT, ABSENT, ABSENT, cases)
    with pytest.raises(ChangedSinceError):
        await undo.undo(admin, entry.id)
    assert (await cases.get("plan")).order == 2


async def test_changes_read_as_sentences(cases: PolicyCases, admin: Actor, pool: Pool) -> None:
    owner = await pool.fetchval(ADD)
    await cases.change(admin, "plan", {"mode": "shadow"})
    await cases.change_own(admin, owner, "plan", {"mode": "off"})
    await cases.change_own(admin, owner, "guarded", {"settings": {"user": "a", "key": "b"}})
    await cases.delete_own(admin, owner, "plan")
    names = {str(owner): "Acme"}
    found = [describe_change(one, names).sentence for one in await list_audit(pool, limit=4)]
    assert found == [
        "Removed the choices for the policy plan of Acme.",
        "Changed the settings of the policy guarded of Acme.",
        "Set the policy plan of Acme to off.",
        "Changed the mode of the policy plan from “enforce” to “shadow”.",
    ]


async def test_only_admins_choose(cases: PolicyCases, pool: Pool) -> None:
    owner = await pool.fetchval(ADD)
    for role in ("viewer", "support"):
        actor = Actor("eve", cast("Any", role), "cli")
        with pytest.raises(ForbiddenError):
            await cases.change(actor, "plan", {"mode": "off"})
        with pytest.raises(ForbiddenError):
            await cases.change_own(actor, owner, "plan", {"mode": "off"})
        with pytest.raises(ForbiddenError):
            await cases.delete_own(actor, owner, "plan")


async def test_secrets_are_sealed_anew_under_a_new_key(
    cases: PolicyCases, admin: Actor, pool: Pool
) -> None:
    owner = await pool.fetchval(ADD)
    await cases.change_own(admin, owner, "guarded", {"settings": {"user": "ada", "key": "hush"}})
    vault = Vault(["new", "key"])
    assert await reseal(pool, vault) == 1
    assert await reseal(pool, vault) == 0
    stored = await pool.fetchval("SELECT settings FROM callgate.organization_policies")
    assert Vault(["new"]).open(stored["key"]) == "hush"


async def test_choices_of_the_past_are_known(cases: PolicyCases, admin: Actor, pool: Pool) -> None:
    owner = await pool.fetchval(ADD)
    await cases.change_own(admin, owner, "plan", {"mode": "shadow"})
    at = await pool.fetchval("SELECT clock_timestamp()")
    await cases.change_own(admin, owner, "plan", {"mode": "off"})
    await cases.change_own(admin, owner, "trial", {"mode": "off"})
    now = datetime.now(UTC)
    present = (await Organizations(pool, freshen).get(owner)).policies
    assert set(present) == {"plan", "trial"}
    past = await history.find_policies_at(pool, owner, present, at)
    assert past == {"plan": OwnChoice("shadow")}
    assert await history.find_policies_at(pool, owner, present, now) == present


async def test_a_name_that_no_policy_has_is_not_found(cases: PolicyCases, admin: Actor) -> None:
    with pytest.raises(PolicyNotFoundError):
        await cases.change(admin, "gone", {"mode": "off"})
    with pytest.raises(PolicyNotFoundError):
        await cases.report("gone", None, None)
