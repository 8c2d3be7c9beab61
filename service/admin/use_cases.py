"""All use cases, built once: the API, the panel and the command line take this one object.

A new use case is one property here; what it needs of another room is one property of `Rooms`. Those
that a command takes are in `deciding_cases` and `stored_cases`, by what they need.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from service.admin.calls.feed import CallFeed
from service.admin.calls.story import CallStories
from service.admin.conditions import ConditionWatch, StoredConditions
from service.admin.deciding_cases import DecidingCases, DecidingRooms
from service.admin.doctor.doctor import Doctor
from service.admin.doctor.report import Examinations
from service.admin.imports.imports import Imports
from service.admin.imports.jobs import ImportJobs
from service.admin.imports.kinds import ImportKind, NumberImportKind, OrganizationImportKind
from service.admin.overview import Overview
from service.admin.people.known_browsers import KnownBrowsers
from service.admin.people.reach import PanelReach
from service.admin.people.sessions import Sessions
from service.admin.people.sign_in import SignIn
from service.admin.phone_numbers.coverage import CoverageReader, Coverages
from service.admin.phone_numbers.phone_numbers import NumberReconciler, PhoneNumbers
from service.admin.phone_numbers.unknown_numbers import UnknownNumbers
from service.admin.phone_numbers.unregistered import Unregistered
from service.admin.reconcile.numbers import NumberWebhooks, WebhookReconciler
from service.admin.reconcile.sweeps import ReconcileCases, Sweeps
from service.admin.relay import RelayCases
from service.admin.requests.idempotency import Idempotency
from service.admin.timeline import Timeline
from service.admin.undo import Undo
from service.background import BackgroundLoop
from service.core import Core
from service.domain.conditions import Condition
from service.domain.fingerprint import fingerprint
from service.store.imports.imports import Kind
from service.store.retention.kept_rows import kept_rows
from service.store.retention.retention import Retention
from service.store.usage.folding import UsageFolding
from service.store.vault import open_vault

if TYPE_CHECKING:
    from service.admin.people.oidc import Oidc


class AdminReconciler(NumberReconciler, WebhookReconciler, CoverageReader, Protocol):
    """Reconciling of one number."""


class Rooms(DecidingRooms, Protocol):
    """What the use cases need of the rooms beside this one."""

    @property
    def reconciler(self) -> AdminReconciler: ...

    @property
    def sweeper(self) -> Sweeps: ...

    def read_conditions(self) -> Sequence[Condition]:
        """The conditions of the rooms that run in this process."""


class UseCases(DecidingCases):
    """Those of commands that ask no other service, and these."""

    rooms: Rooms

    def __init__(self, core: Core, rooms: Rooms) -> None:
        super().__init__(core.settings, core.pool, rooms)
        self.core = core

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
    def phone_numbers(self) -> PhoneNumbers:
        return PhoneNumbers(self.pool, self.rooms.refresh, self.rooms.reconciler)

    @cached_property
    def unknown_numbers(self) -> UnknownNumbers:
        return UnknownNumbers(self.pool, self.phone_numbers)

    @cached_property
    def unregistered(self) -> Unregistered:
        return Unregistered(Imports(self.pool, self.core.client, self.phone_numbers))

    @cached_property
    def coverages(self) -> Coverages:
        settings = self.settings
        return Coverages(
            self.pool,
            self.rooms.reconciler,
            settings.callgate_ring_gate,
            settings.callgate_call_watch_interval,
        )

    @cached_property
    def webhooks(self) -> NumberWebhooks:
        return NumberWebhooks(self.pool, self.rooms.reconciler)

    @cached_property
    def reconcile(self) -> ReconcileCases:
        mode = self.settings.callgate_reconcile_mode
        return ReconcileCases(self.pool, self.rooms.sweeper, mode)

    @cached_property
    def idempotency(self) -> Idempotency:
        return Idempotency(self.pool, open_vault(self.settings))

    @cached_property
    def relay(self) -> RelayCases:
        settings = self.settings
        masters = settings.webhook_secrets
        return RelayCases(
            self.pool,
            self.rooms.refresh,
            open_vault(settings),
            masters[0] if masters else "",
            settings.callgate_relay_kept_messages,
            settings.callgate_relay_kept_bytes,
        )

    @cached_property
    def imports(self) -> Imports:
        return Imports.patient(self.pool, self.core.client)

    @cached_property
    def import_jobs(self) -> ImportJobs:
        kinds: dict[Kind, ImportKind] = {
            "phone_numbers": NumberImportKind(self.imports),
            "organizations": OrganizationImportKind(self.organization_imports),
        }
        return ImportJobs(self.pool, kinds)

    @cached_property
    def sign_in(self) -> SignIn:
        return SignIn(self.pool, self.passwords)

    @cached_property
    def oidc(self) -> "Oidc | None":
        """Sign-in through a provider, whose library is only imported where one is set."""
        if not self.settings.callgate_oidc_issuer:
            return None
        from service.admin.people.oidc import build_oidc  # noqa: PLC0415

        return build_oidc(self.settings, self.pool, self.core.session)

    @cached_property
    def sessions(self) -> Sessions:
        return Sessions(self.pool, None if self.oidc is None else self.oidc.check)

    @cached_property
    def timeline(self) -> Timeline:
        return Timeline(self.pool)

    @cached_property
    def undo(self) -> Undo:
        return Undo(
            self.pool,
            self.organizations,
            self.phone_numbers,
            self.webhooks,
            self.unknown_numbers,
            self.reconcile,
            self.policies,
        )

    @cached_property
    def overview(self) -> Overview:
        return Overview(self.pool, self.conditions)

    @cached_property
    def conditions(self) -> ConditionWatch:
        settings = self.settings
        stored = StoredConditions(
            self.pool,
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
        settings = self.settings
        kept = kept_rows(
            settings.callgate_keep_calls,
            settings.callgate_keep_steps,
            settings.callgate_keep_history,
        )
        return Retention(self.pool, kept, on_deleted=self.callers.record_expired)

    @cached_property
    def usage_folding(self) -> UsageFolding:
        return UsageFolding(self.pool)

    @cached_property
    def reach(self) -> PanelReach:
        return PanelReach()

    @cached_property
    def known_browsers(self) -> KnownBrowsers:
        return KnownBrowsers(self.pool)

    @cached_property
    def call_feed(self) -> CallFeed:
        return CallFeed(self.pool)

    @cached_property
    def call_stories(self) -> CallStories:
        return CallStories(self.pool)

    @cached_property
    def examinations(self) -> Examinations:
        core = self.core

        async def read_policies() -> list[Condition]:
            return [one for one in self.rooms.read_conditions() if one.link == "policies"]

        doctor = Doctor(core.settings, core.pool, core.client, core.session)
        return Examinations(replace(doctor, read_policies=read_policies))
