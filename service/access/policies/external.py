"""The plugin of the external policy, which enters the chain like any other once a variable of it is set.

Only then is it imported, with aiohttp: most installations have none.
"""

import os

from policies import AccessPolicy, hookimpl

VARIABLES = "CALLGATE_POLICY_EXTERNAL_"


@hookimpl
def register_access_policies() -> list[AccessPolicy]:
    """The policy, if it is configured. Without a variable no trace and no list shows it."""
    if not any(name.startswith(VARIABLES) for name in os.environ):
        return []
    from service.access.policies.external_server import ExternalPolicy  # noqa: PLC0415

    return [ExternalPolicy()]
