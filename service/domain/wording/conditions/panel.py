"""The words of conditions of the panel: how browsers reach it. Pure; see `domain/conditions.py`."""

from service.domain.condition_kinds import ConditionKind

PANEL_KINDS = (
    ConditionKind(
        "proxy_not_trusted",
        "warning",
        "{address} sends forwarding headers, and is not in CALLGATE_TRUSTED_PROXIES.",
        "All browsers seem to have the proxy's address, so failed sign-ins of one slow down all.",
        "Add the proxy's address to CALLGATE_TRUSTED_PROXIES and restart; if it is no proxy of "
        "yours, find who sends these headers.",
        "health",
    ),
    ConditionKind(
        "sign_ins_one_address",
        "notice",
        "All sign-ins of the last 30 days came from {address}, a private address.",
        "A proxy seems to hide the browsers' addresses.",
        "If it is a proxy, let it set X-Forwarded-For, add it to CALLGATE_TRUSTED_PROXIES and "
        "restart.",
        "health",
    ),
    ConditionKind(
        "public_url_missing",
        "warning",
        "Browsers reach the panel as {host}, and CALLGATE_PUBLIC_URL is not set.",
        "Cookies and addresses for the sign-in provider are derived from the request's Host.",
        "Set CALLGATE_PUBLIC_URL to the panel's https address and restart.",
        "health",
    ),
)
