"""Secrets in the settings: those that can be guessed stop the start, and no message repeats one."""

import secrets
from uuid import uuid4

import pytest

from service.domain.organization_secret import derive_organization_secret
from service.settings import Settings, SettingsError, load_settings

GOOD = {
    "VAPI_API_KEY": "private-key-1",
    "VAPI_WEBHOOK_SECRET": "one-secret-of-the-tests-0,another-secret-of-the-tests",
    "VAPI_WEBHOOK_URL": "https://calls.agency.net/api/vapi/webhook",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A usable environment, and nothing but it."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)


WEAK = {
    "a-secret-of-23-chars-01": "has 23 characters",
    "short": "has 5 characters",
    "changeme-changeme-changeme": "is a placeholder",
    "your-webhook-secret-goes-here": "is a placeholder",
    "${VAPI_WEBHOOK_SECRET_OF_PRODUCTION}": "is a placeholder",
    "<paste the secret of production here>": "is a placeholder",
    "secret": "is a placeholder",
    "x" * 64: "repeats the same characters",
    "abcdefghijkl" * 3: "repeats the same characters",
}


@pytest.mark.parametrize(("value", "why"), WEAK.items())
@pytest.mark.parametrize(
    "name", ["VAPI_WEBHOOK_SECRET", "CALLGATE_ADMIN_TOKEN", "CALLGATE_METRICS_TOKEN"]
)
def test_a_secret_that_can_be_guessed_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, why: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert f"{name} {why}" in str(caught.value)
    assert "openssl rand -hex 32" in str(caught.value)
    assert value == "secret" or value not in str(caught.value)


def test_each_of_several_secrets_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAPI_WEBHOOK_SECRET", GOOD["VAPI_WEBHOOK_SECRET"] + ",third")
    with pytest.raises(SettingsError, match="VAPI_WEBHOOK_SECRET, secret 3 of 3, has 5 characters"):
        load_settings()
    own = derive_organization_secret("any-master-of-the-tests", uuid4())
    monkeypatch.setenv("VAPI_WEBHOOK_SECRET", own)
    with pytest.raises(SettingsError, match="set the master"):
        load_settings()


def test_keys_that_others_issue_may_be_short_and_are_no_placeholders(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VAPI_API_KEY", " short-key\n")
    assert load_settings().vapi_api_key.get_secret_value() == "short-key"
    monkeypatch.setenv("VAPI_API_KEY", "your-vapi-private-key")
    with pytest.raises(SettingsError, match="VAPI_API_KEY is a placeholder"):
        load_settings()


@pytest.mark.parametrize("command", ["openssl rand -hex 32", "openssl rand -hex 24"])
def test_what_the_message_proposes_is_accepted(
    monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    made = secrets.token_hex(int(command.rpartition(" ")[2]))
    for name in ("VAPI_WEBHOOK_SECRET", "CALLGATE_ADMIN_TOKEN", "CALLGATE_METRICS_TOKEN"):
        monkeypatch.setenv(name, f" {made}\n")
    assert load_settings().webhook_secrets == (made,)
    assert load_settings().callgate_admin_token.get_secret_value() == made
