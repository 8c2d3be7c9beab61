"""All use cases, built once: the API, the panel and the command line take this one object.

A new use case is one property here; what it needs of another room is one property of `Rooms`.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Protocol

from service.admin.calls.callers import Callers
from service.admin.calls.feed import CallFeed
from service.admin.calls.story import CallStories
from service.admin.conditions import ConditionWatch, StoredConditions
from service.admin.doctor.doctor import Doctor
from service.admin.doctor.report import Examinations
from service.admin.imports.imports import Imports, leave_to_notifications
from service.admin.imports.jobs import ImportJobs
from service.admin.imports.kinds import ImportKind, NumberImportKind, OrganizationImportKind
from service.admin.imports.organization_imports import OrganizationImports
from service.admin.organizations.access import ExplainChain, OrganizationAccess
from service.admin.organizations.organizations import Organizations
from service.admin.organizations.search import ListPreview, OrganizationList
from service.admin.overview import Overview
from service.admin.people.known_browsers import KnownBrowsers
from service.admin.people.oidc import Oidc, oidc_from
from service.admin.people.oidc_sessions import OidcSessions
from service.admin.people.passwords import Passwords
from service.admin.people.people import People
from service.admin.people.reach import PanelReach
from service.admin.people.sessions import Sessions
from service.admin.people.sign_in import SignIn
from service.admin.people.tokens import Tokens
from service.admin.phone_numbers.coverage import CoverageReader, Coverages
from service.admin.phone_numbers.phone_numbers import NumberReconciler, PhoneNumbers
from service.admin.phone_numbers.unknown_numbers import UnknownNumbers
from service.admin.phone_numbers.unregistered import Unregistered
from service.admin.policies.policies import PolicyCases, PolicyRooms
from service.admin.reconcile.numbers import NumberWebhooks, WebhookReconciler
from service.admin.reconcile.secrets import SecretRotation
from service.admin.reconcile.sweeps import ReconcileCases, Sweeps
from service.admin.relay import RelayCases
from service.admin.requests.idempotency import Idempotency
from service.admin.timeline import Timeline
from service.admin.undo import Undo
from service.admin.usage.usage import UsageReports
from service.background import BackgroundLoop
from service.core import Core
from service.domain.conditions import Condition
from service.domain.fingerprint import fingerprint
from service.store.imports.imports import Kind
from service.store.retention.kept_rows import kept_rows
from service.store.retention.retention import Retention
from service.store.usage.folding import UsageFolding
from service.store.vault import open_vault


class Preview(ExplainChain, ListPreview, Protocol):
    """The chain of policies, asked without a call."""


class AdminReconciler(NumberReconciler, WebhookReconciler, CoverageReader, Protocol):
    """Reconciling of one number."""


class Rooms(PolicyRooms, Protocol):
    """What the use cases need of the rooms beside this one."""

    @property
    def preview(self) -> Preview: ...

    @property
    def reconciler(self) -> AdminReconciler: ...

    @property
    def sweeper(self) -> Sweeps: ...

    def read_conditions(self) -> Sequence[Condition]:
        """The conditions of the rooms that run in this process."""


class UseCases:
    """Each use case is built when it is first used, so that a command builds only what it needs."""

    def __init__(self, core: Core, rooms: Rooms) -> None:
        self.core = core
        self.rooms = rooms

    def background(self) -> list[BackgroundLoop]:
        """The loops of the use cases."""
        return [
            self.import_jobs.background(),
            self.call_feed.background(),
            self.conditions.background(),
            self.retention.background(),
            self.usage_folding.background(),
        ]

    @cached_property
    def organizations(self) -> Organizations:
        return Organizations(self.core.pool, self.rooms.refresh)

    @cached_property
    def organization_list(self) -> OrganizationList:
        return OrganizationList(self.core.pool, self.rooms.preview)

    @cached_property
    def organization_access(self) -> OrganizationAccess:
        return OrganizationAccess(self.organizations, self.rooms.preview)

    @cached_property
    def phone_numbers(self) -> PhoneNumbers:
        return PhoneNumbers(self.core.pool, self.rooms.refresh, self.rooms.reconciler)

    @cached_property
    def unknown_numbers(self) -> UnknownNumbers:
        return UnknownNumbers(self.core.pool, self.phone_numbers)

    @cached_property
    def unregistered(self) -> Unregistered:
        return Unregistered(Imports(self.core.pool, self.core.client, self.phone_numbers))

    @cached_property
    def coverages(self) -> Coverages:
        settings = self.core.settings
        return Coverages(
            self.core.pool,
            self.rooms.reconciler,
            settings.callgate_ring_gate,
            settings.callgate_call_watch_interval,
        )

    @cached_property
    def webhooks(self) -> NumberWebhooks:
        return NumberWebhooks(self.core.pool, self.rooms.reconciler)

    @cached_property
    def reconcile(self) -> ReconcileCases:
        mode = self.core.settings.callgate_reconcile_mode
        return ReconcileCases(self.core.pool, self.rooms.sweeper, mode)

    @cached_property
    def idempotency(self) -> Idempotency:
        return Idempotency(self.core.pool, open_vault(self.core.settings))

    @cached_property
    def secrets(self) -> SecretRotation:
        return SecretRotation(self.core.pool, self.core.settings.webhook_secrets)

    @cached_property
    def relay(self) -> RelayCases:
        settings = self.core.settings
        masters = settings.webhook_secrets
        return RelayCases(
            self.core.pool,
            self.rooms.refresh,
            open_vault(settings),
            masters[0] if masters else "",
            settings.callgate_relay_kept_messages,
            settings.callgate_relay_kept_bytes,
        )

    @cached_property
    def imports(self) -> Imports:
        return Imports.patient(self.core.pool, self.core.client)

    @cached_property
    def organization_imports(self) -> OrganizationImports:
        patient = replace(self.organizations, freshen=leave_to_notifications)
        return OrganizationImports(self.core.pool, patient)

    @cached_property
    def import_jobs(self) -> ImportJobs:
        kinds: dict[Kind, ImportKind] = {
            "phone_numbers": NumberImportKind(self.imports),
            "organizations": OrganizationImportKind(self.organization_imports),
        }
        return ImportJobs(self.core.pool, kinds)

    @cached_property
    def passwords(self) -> Passwords:
        return Passwords()

    @cached_property
    def people(self) -> People:
        token = self.core.settings.callgate_admin_token.get_secret_value()
        return People(self.core.pool, token, self.passwords)

    @cached_property
    def sign_in(self) -> SignIn:
        return SignIn(self.core.pool, self.passwords)

    @cached_property
    def oidc(self) -> Oidc | None:
        return oidc_from(self.core.settings, self.core.pool, self.core.session)

    @cached_property
    def sessions(self) -> Sessions:
        if self.oidc is None:
            return Sessions(self.core.pool)
        return Sessions(self.core.pool, OidcSessions(self.core.pool, self.oidc.provider).check)

    @cached_property
    def tokens(self) -> Tokens:
        return Tokens(self.core.pool, self.core.settings.callgate_admin_token.get_secret_value())

    @cached_property
    def callers(self) -> Callers:
        settings = self.core.settings
        folder = settings.callgate_data_dir
        key = open_vault(settings).keys[0]
        return Callers(self.core.pool, key, folder / "spool", folder / "relay-spool")

    @cached_property
    def policies(self) -> PolicyCases:
        rooms, vault = self.rooms, open_vault(self.core.settings)
        return PolicyCases(self.core.pool, rooms, vault)

    @cached_property
    def timeline(self) -> Timeline:
        return Timeline(self.core.pool)

    @cached_property
    def undo(self) -> Undo:
        return Undo(
            self.core.pool,
            self.organizations,
            self.phone_numbers,
            self.webhooks,
            self.unknown_numbers,
            self.reconcile,
            self.policies,
        )

    @cached_property
    def overview(self) -> Overview:
        return Overview(self.core.pool, self.conditions)

    @cached_property
    def conditions(self) -> ConditionWatch:
        settings = self.core.settings
        stored = StoredConditions(
            self.core.pool,
            fingerprint(settings.vapi_api_key.get_secret_value()),
            settings.callgate_ring_gate,
            settings.callgate_call_watch_interval,
            expects_proxy=not settings.callgate_trusted_proxies,
            expects_loopback=not settings.public_origin,
            vault=open_vault(settings),
        )
        return ConditionWatch(stored, lambda: [*self.rooms.read_conditions(), *self.reach.read()])

    @cached_property
    def retention(self) -> Retention:
        settings = self.core.settings
        kept = kept_rows(
            settings.callgate_keep_calls,
            settings.callgate_keep_steps,
            settings.callgate_keep_history,
        )
        return Retention(self.core.pool, kept, on_deleted=self.callers.record_expired)

    @cached_property
    def usage_folding(self) -> UsageFolding:
        return UsageFolding(self.core.pool)

    @cached_property
    def usage(self) -> UsageReports:
        return UsageReports(self.core.pool)

    @cached_property
    def reach(self) -> PanelReach:
        return PanelReach()

    @cached_property
    def known_browsers(self) -> KnownBrowsers:
        return KnownBrowsers(self.core.pool)

    @cached_property
    def call_feed(self) -> CallFeed:
        return CallFeed(self.core.pool)

    @cached_property
    def call_stories(self) -> CallStories:
        return CallStories(self.core.pool)

    @cached_property
    def examinations(self) -> Examinations:
        core = self.core

        async def read_policies() -> list[Condition]:
            return [one for one in self.rooms.read_conditions() if one.link == "policies"]

        doctor = Doctor(core.settings, core.pool, core.client, core.session)
        return Examinations(replace(doctor, read_policies=read_policies))
