"""What the panel is made of: its families of pages over the use cases that they are given."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import aiohttp
from aiohttp import web

from service.access.policies.chain import AccessChain
from service.access.policies.plugins import PluginProblem
from service.access.policies.preview import ChainPreview
from service.admin.calls.feed import CallFeed
from service.admin.calls.story import CallStories
from service.admin.doctor.doctor import Doctor
from service.admin.doctor.report import Examinations
from service.admin.imports.imports import Imports
from service.admin.imports.jobs import ImportJobs
from service.admin.organizations.access import OrganizationAccess
from service.admin.organizations.organizations import Organizations
from service.admin.organizations.search import OrganizationList
from service.admin.overview import Overview
from service.admin.people.oidc import oidc_from
from service.admin.people.passwords import Passwords
from service.admin.people.people import People
from service.admin.people.sessions import Sessions
from service.admin.people.sign_in import SignIn
from service.admin.people.tokens import Tokens
from service.admin.phone_numbers.coverage import Coverages
from service.admin.phone_numbers.phone_numbers import PhoneNumbers
from service.admin.phone_numbers.unknown_numbers import UnknownNumbers
from service.admin.phone_numbers.unregistered import Unregistered
from service.admin.reconcile.sweeps import ReconciliationCases
from service.admin.reconcile.webhooks import Webhooks
from service.admin.timeline import Timeline
from service.admin.undo import Undo
from service.domain.fingerprint import fingerprint
from service.reconcile.reconciler import Reconciler
from service.settings import Settings
from service.store.pool import Pool
from service.vapi.client import VapiClient
from service.web.panel.application import build_panel
from service.web.panel.audit.pages import AuditPages
from service.web.panel.audit.undo import UndoPages
from service.web.panel.calls.feed import CallFeedPages
from service.web.panel.calls.pages import CallPages
from service.web.panel.doctor import DoctorPages
from service.web.panel.imports.pages import ImportPages
from service.web.panel.kit.pages import PageGroup
from service.web.panel.kit.proxies import behind
from service.web.panel.organizations.entitlements import EntitlementPages
from service.web.panel.organizations.export import OrganizationExportPages
from service.web.panel.organizations.handling import HandlingPages
from service.web.panel.organizations.pages import OrganizationPages
from service.web.panel.overview import OverviewPages
from service.web.panel.people.account import AccountPages
from service.web.panel.people.pages import PeoplePages
from service.web.panel.people.sign_in import SignInPages
from service.web.panel.phone_numbers.adding import PhoneNumberAddingPages
from service.web.panel.phone_numbers.pages import PhoneNumberPages
from service.web.panel.policies import PolicyPages
from service.web.panel.reconcile import ReconcilePages
from service.web.panel.tokens import TokenPages
from service.web.panel.unknown_numbers import UnknownNumberPages


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything of a replica that pages speak to."""

    settings: Settings
    pool: Pool
    session: aiohttp.ClientSession
    client: VapiClient
    chain: AccessChain
    preview: ChainPreview
    plugin_problems: Sequence[PluginProblem]
    organizations: Organizations
    numbers: PhoneNumbers
    webhooks: Webhooks
    unknown: UnknownNumbers
    reconciliation: ReconciliationCases
    reconciler: Reconciler
    coverages: Coverages
    tokens: Tokens
    imports: ImportJobs


def people_pages(parts: Parts, sessions: Sessions) -> Iterable[PageGroup]:
    """Signing in, and who may."""
    pool, settings = parts.pool, parts.settings
    passwords = Passwords()
    people = People(pool, settings.callgate_admin_token.get_secret_value(), passwords)
    oidc = oidc_from(settings, pool, parts.session)
    yield SignInPages(SignIn(pool, passwords), people, sessions, oidc)
    yield AccountPages(people, sessions)
    yield PeoplePages(people, sessions)
    yield TokenPages(parts.tokens)


def organization_pages(parts: Parts) -> Iterable[PageGroup]:
    """Organizations, what entitles them, and what was done to them."""
    listed = OrganizationList(parts.pool, parts.preview)
    message = parts.settings.callgate_blocked_message
    yield OrganizationPages(
        parts.pool,
        parts.organizations,
        listed,
        OrganizationAccess(parts.organizations, parts.preview),
        Timeline(parts.pool),
        parts.numbers,
        message,
        parts.settings.callgate_relay_hosts,
    )
    yield OrganizationExportPages(listed)
    yield EntitlementPages(parts.organizations)
    yield HandlingPages(parts.organizations, message)
    yield AuditPages(parts.pool)
    yield UndoPages(
        Undo(
            parts.pool,
            parts.organizations,
            parts.numbers,
            parts.webhooks,
            parts.unknown,
            parts.reconciliation,
        )
    )


def number_pages(parts: Parts) -> Iterable[PageGroup]:
    """Numbers and their webhooks at Vapi."""
    pool, numbers = parts.pool, parts.numbers
    yield PhoneNumberPages(pool, numbers, parts.webhooks, parts.coverages)
    yield PhoneNumberAddingPages(
        parts.organizations,
        OrganizationList(pool, parts.preview),
        numbers,
        Unregistered(Imports(pool, parts.client, numbers)),
        parts.reconciler,
    )
    yield ReconcilePages(pool, parts.reconciliation)
    yield UnknownNumberPages(parts.unknown)
    yield ImportPages(parts.imports)


def call_pages(parts: Parts, sessions: Sessions, feed: CallFeed) -> Iterable[PageGroup]:
    """How things stand, calls, and what changes as one looks."""
    key = fingerprint(parts.settings.vapi_api_key.get_secret_value())
    yield OverviewPages(Overview(parts.pool, key, parts.plugin_problems))
    yield CallPages(parts.pool, CallStories(parts.pool), feed)
    yield CallFeedPages(feed, sessions)


def operation_pages(parts: Parts) -> Iterable[PageGroup]:
    """What operators look at."""
    doctor = Doctor(parts.settings, parts.pool, parts.client, parts.session)
    yield PolicyPages(parts.chain.describe, parts.plugin_problems)
    yield DoctorPages(Examinations(doctor))


def panel_of(parts: Parts) -> web.Application:
    """The panel, to be mounted at /admin."""
    sessions = Sessions(parts.pool)
    feed = CallFeed(parts.pool)
    families = [
        *people_pages(parts, sessions),
        *organization_pages(parts),
        *number_pages(parts),
        *call_pages(parts, sessions, feed),
        *operation_pages(parts),
    ]
    panel = build_panel(families, sessions)
    panel.on_shutdown.append(feed.stop)
    panel.middlewares.append(behind(parts.settings.callgate_trusted_proxies))
    return panel
