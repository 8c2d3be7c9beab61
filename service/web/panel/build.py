"""Builds the panel: its groups of pages over the use cases."""

from collections.abc import Iterable

from aiohttp import web

from service.access.build import Access
from service.admin.use_cases import UseCases
from service.background import Background
from service.domain.network.forward_urls import ForwardUrls
from service.reconcile.build import Reconciling
from service.web.panel.application import build_application
from service.web.panel.audit.pages import AuditPages
from service.web.panel.audit.undo import UndoPages
from service.web.panel.audit.updates import ObjectUpdates
from service.web.panel.calls.feed import CallFeedPages
from service.web.panel.calls.forgetting import CallerForgettingPages
from service.web.panel.calls.pages import CallPages
from service.web.panel.doctor import DoctorPages
from service.web.panel.imports.kinds import NUMBERS, ORGANIZATIONS
from service.web.panel.imports.pages import ImportPages
from service.web.panel.kit.pages import PageGroup
from service.web.panel.kit.proxies import behind
from service.web.panel.kit.public import PUBLIC, PublicAddress, noting_host
from service.web.panel.kit.versions import UPDATES, UpdateReader
from service.web.panel.organizations.editing import OrganizationEditPages
from service.web.panel.organizations.entitlements import EntitlementPages
from service.web.panel.organizations.export import OrganizationExportPages
from service.web.panel.organizations.handling import HandlingPages
from service.web.panel.organizations.pages import OrganizationPages
from service.web.panel.organizations.policies import OrganizationPolicyPages
from service.web.panel.organizations.what_if import WhatIfPages
from service.web.panel.overview import OverviewPages
from service.web.panel.people.account import AccountPages
from service.web.panel.people.pages import PeoplePages
from service.web.panel.people.sign_in import SignInPages
from service.web.panel.phone_numbers.adding import PhoneNumberAddingPages
from service.web.panel.phone_numbers.listing import PhoneNumberListPages
from service.web.panel.phone_numbers.pages import PhoneNumberPages
from service.web.panel.policies.choosing import PolicyChoicePages
from service.web.panel.policies.pages import PolicyPages
from service.web.panel.reconcile.pages import ReconcilePages
from service.web.panel.relay.changes import RelayChangePages
from service.web.panel.relay.pages import RelayPages
from service.web.panel.tokens import TokenPages
from service.web.panel.unknown_numbers import UnknownNumberPages
from service.web.panel.usage.pages import UsagePages


def build_panel(
    cases: UseCases,
    access: Access,
    reconciling: Reconciling,
    background: Background,
) -> web.Application:
    """The panel, to be mounted at /admin."""
    groups = [
        *people_pages(cases),
        *organization_pages(cases),
        *number_pages(cases, reconciling),
        *call_pages(cases),
        *operation_pages(cases, access, background),
    ]
    panel = build_application(groups, cases.sessions, cases.conditions.read_last)
    panel.on_shutdown.append(cases.call_feed.stop)
    panel[UPDATES] = UpdateReader(ObjectUpdates(cases.timeline).find)
    settings = cases.core.settings
    panel[PUBLIC] = PublicAddress(settings.public_origin)
    panel.middlewares.append(behind(settings.callgate_trusted_proxies, cases.reach))
    panel.middlewares.append(noting_host(cases.reach))
    return panel


def people_pages(cases: UseCases) -> Iterable[PageGroup]:
    """Signing in, and the admins."""
    yield SignInPages(cases.sign_in, cases.people, cases.sessions, cases.oidc, cases.known_browsers)
    yield AccountPages(cases.people, cases.sessions)
    yield PeoplePages(cases.people, cases.sessions)
    yield TokenPages(cases.tokens)


def organization_pages(cases: UseCases) -> Iterable[PageGroup]:
    """Organizations, their entitlements, and the changes to them."""
    pool, settings = cases.core.pool, cases.core.settings
    message = settings.callgate_blocked_message
    yield OrganizationPages(
        pool,
        cases.organizations,
        cases.organization_list,
        cases.organization_access,
        cases.timeline,
        cases.phone_numbers,
        message,
        cases.relay,
        cases.usage,
    )
    yield OrganizationEditPages(
        cases.organizations, ForwardUrls(settings.callgate_relay_hosts, settings.own_urls)
    )
    yield WhatIfPages(cases.organizations, cases.organization_access, cases.phone_numbers)
    yield OrganizationExportPages(cases.organization_list)
    yield ImportPages(cases.import_jobs, ORGANIZATIONS)
    yield EntitlementPages(cases.organizations, settings.callgate_renewal_grace)
    yield HandlingPages(cases.organizations, message)
    yield OrganizationPolicyPages(cases.organizations, cases.policies)
    yield RelayPages(pool, cases.organizations, cases.relay)
    yield RelayChangePages(pool, cases.organizations, cases.relay)
    yield AuditPages(pool)
    yield UndoPages(cases.undo)


def number_pages(cases: UseCases, reconciling: Reconciling) -> Iterable[PageGroup]:
    """Phone numbers and their webhooks at Vapi."""
    pool, numbers = cases.core.pool, cases.phone_numbers
    yield PhoneNumberListPages(pool, numbers)
    yield PhoneNumberPages(pool, numbers, cases.webhooks, cases.coverages)
    yield PhoneNumberAddingPages(
        cases.organizations,
        cases.organization_list,
        numbers,
        cases.unregistered,
        reconciling.reconciler,
    )
    yield ReconcilePages(pool, cases.reconcile)
    yield UnknownNumberPages(cases.unknown_numbers)
    yield ImportPages(cases.import_jobs, NUMBERS)


def call_pages(cases: UseCases) -> Iterable[PageGroup]:
    """The overview, the calls, and their live feed."""
    yield OverviewPages(cases.overview)
    yield CallPages(cases.core.pool, cases.call_stories, cases.call_feed)
    yield UsagePages(cases.usage, cases.conditions.stored.limits)
    yield CallerForgettingPages(cases.call_stories, cases.callers)
    yield CallFeedPages(cases.call_feed, cases.sessions)


def operation_pages(cases: UseCases, access: Access, background: Background) -> Iterable[PageGroup]:
    """The pages for operators."""
    policies = access.policies
    observers = access.observers.describe
    yield PolicyPages(
        cases.core.pool, policies.chain.describe, lambda: policies.problems, observers
    )
    yield PolicyChoicePages(cases.policies, policies.chain.describe)
    yield DoctorPages(cases.examinations, background.states)
