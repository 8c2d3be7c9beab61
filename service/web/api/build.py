"""Builds the admin API: its groups of operations over the use cases."""

from collections.abc import Iterator

from aiohttp import web

from service.access.build import Access
from service.admin.use_cases import UseCases
from service.domain.network.forward_urls import ForwardUrls
from service.web.api.access import AccessOperations
from service.web.api.application import build_application
from service.web.api.audit import AuditOperations
from service.web.api.calls import CallOperations
from service.web.api.coverage import CoverageOperations
from service.web.api.imports import ImportOperations
from service.web.api.operations import Operation
from service.web.api.organizations import OrganizationOperations
from service.web.api.phone_numbers import PhoneNumberOperations
from service.web.api.policies import PolicyOperations
from service.web.api.reconcile import ReconcileOperations
from service.web.api.relay import RelayOperations
from service.web.api.tokens import TokenOperations
from service.web.api.unknown_numbers import UnknownNumberOperations
from service.web.api.usage import UsageOperations


def build_api(cases: UseCases, access: Access) -> web.Application:
    """The API, to be mounted at /api."""
    return build_application(
        list(operations(cases, access)),
        cases.tokens,
        cases.organizations.find_id,
        cases.idempotency,
    )


def operations(cases: UseCases, access: Access) -> Iterator[Operation]:
    """Every operation. A new noun is one line here."""
    pool, settings = cases.core.pool, cases.core.settings
    forward_urls = ForwardUrls(settings.callgate_relay_hosts, settings.own_urls)
    policies = access.policies
    yield from OrganizationOperations(
        cases.organizations, cases.organization_list, access.preview, forward_urls
    ).operations()
    yield from RelayOperations(cases.relay).operations()
    yield from AccessOperations(cases.organizations, cases.organization_access).operations()
    yield from PhoneNumberOperations(cases.phone_numbers).operations()
    yield from UnknownNumberOperations(cases.unknown_numbers).operations()
    yield from CoverageOperations(cases.coverages).operations()
    yield from ImportOperations(cases.import_jobs, cases.undo).operations()
    yield from ReconcileOperations(cases.reconcile, cases.webhooks).operations()
    yield from UsageOperations(cases.usage).operations()
    yield from CallOperations(pool, cases.call_stories, cases.callers).operations()
    yield from PolicyOperations(
        cases.policies, policies.chain.describe, lambda: policies.problems
    ).operations()
    yield from AuditOperations(pool).operations()
    yield from TokenOperations(cases.tokens).operations()
