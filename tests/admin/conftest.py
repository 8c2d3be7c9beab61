"""The use cases on a real database, with the built-in policies."""

import pytest

from service.access.chain import AccessChain
from service.access.directory import AccessDirectory
from service.access.plugins import load_policies
from service.access.preview import ChainPreview
from service.admin.actor import Actor


@pytest.fixture
def preview() -> ChainPreview:
    return ChainPreview(AccessChain(load_policies().policies), AccessDirectory())


@pytest.fixture
def admin() -> Actor:
    return Actor("ada", "admin", "cli")
