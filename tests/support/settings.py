"""Settings of a service on trial: it speaks to a stand-in for Vapi and never waits for its budget."""

from pathlib import Path
from uuid import UUID

from service.domain.organization_secret import derive_organization_secret
from service.settings import Settings, load_settings

SECRET = "the-webhook-secret-of-the-tests"
TOKEN = "cg_the-admin-token-of-the-tests"
UNSET_URL = "http://127.0.0.1:9/unset/api/vapi/webhook"
"""The webhook URL of a service whose port is not known yet."""


def secret_of(organization_id: str | UUID, master: str = SECRET) -> str:
    """What the numbers and assistants of an organization carry."""
    return derive_organization_secret(master, UUID(str(organization_id)))


def settings_for(data_dir: Path, vapi_url: str, **given: object) -> Settings:
    """The settings; `given` are fields of `Settings` that a test is about."""
    values: dict[str, object] = {
        "vapi_api_key": "sandbox-private-key",
        "vapi_api_url": vapi_url,
        "vapi_control_hosts": vapi_url,
        "vapi_webhook_url": UNSET_URL,
        "vapi_webhook_secret": SECRET,
        "callgate_admin_token": TOKEN,
        "callgate_data_dir": data_dir,
        # Replicas of one database have data folders, and so key files, of their own.
        "callgate_encryption_key": "the-encryption-key-of-all-tests",
        "callgate_allow_insecure_webhook_url": True,
        "callgate_vapi_requests_per_second": 1000,
    }
    return load_settings(sandbox=False, serving=True, **{**values, **given})
