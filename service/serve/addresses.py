"""Where a service listens on this machine, by its settings."""

from service.settings import Settings


def base_url(settings: Settings) -> str:
    """The webhook's address on this machine."""
    return url_of(settings.callgate_host, settings.callgate_port)


def admin_url(settings: Settings) -> str:
    """The address of panel, API, probes and metrics on this machine."""
    if settings.callgate_admin_port is None:
        return base_url(settings)
    host = settings.callgate_admin_host or settings.callgate_host
    return url_of(host, settings.callgate_admin_port)


def url_of(host: str, port: int) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{host}:{port}"
