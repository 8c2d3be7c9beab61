"""The use cases on a real database, with the built-in policies."""

import pytest

from service.access.directory import AccessDirectory
from service.access.policies.chain import AccessChain
from service.access.policies.plugins import load_policies
from service.access.policies.preview import ChainPreview
from service.admin.actor import Actor


@pytest.fixture
def preview() -> ChainPreview:
    return ChainPreview(AccessChain(load_policies().policies), AccessDirectory())


@pytest.fixture
def admin() -> Actor:
    return Actor("ada", "admin", "cli")
