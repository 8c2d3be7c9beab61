"""Odd and wrong values of settings: each is understood, or stops the start with its remedy. None lets
the service start so that nothing works."""

import os
from pathlib import Path

import pytest

from policies.caller_rules import CallerRulesSettings
from policies.host.settings import read_policy_settings
from service.settings import Settings, SettingsError, data_dir_of, load_settings
from tests.test_settings import GOOD


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but what makes a working service."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("blank", ["", " \n", '""', "''"])
def test_an_empty_variable_sets_nothing(monkeypatch: pytest.MonkeyPatch, blank: str) -> None:
    """As Compose and charts write one for a value that was left out."""
    usual = load_settings()
    for name in Settings.model_fields:
        if name.upper() not in GOOD and name not in ("sandbox", "embedded"):
            monkeypatch.setenv(name.upper(), blank)
    assert load_settings() == usual


@pytest.mark.parametrize(
    ("name", "value", "meant"),
    [
        ("CALLGATE_HOST", '"0.0.0.0"', "0.0.0.0"),
        ("CALLGATE_HOST", "[::]", "::"),
        ("CALLGATE_PORT", "'9090'", 9090),
        ("VAPI_API_URL", "HTTPS://API.vapi.ai\u200b", "https://api.vapi.ai"),
        (
            "VAPI_CONTROL_HOSTS",
            ".VAPI.ai,HTTPS://a.example:443/",
            (".vapi.ai", "https://a.example"),
        ),
        ("CALLGATE_RELAY_HOSTS", "LocalHost.,[0::1]:9000", ("localhost", "[::1]:9000")),
        ("VAPI_WEBHOOK_AUTH", " HMAC ", "hmac"),
        ("CALLGATE_LOG_FORMAT", "JSON", "json"),
        ("CALLGATE_LOG_LEVEL", " debug", "DEBUG"),
        ("CALLGATE_RECONCILE_MODE", "Observe", "observe"),
        ("CALLGATE_UNKNOWN_CALLS", "HANG_UP", "hang_up"),
        ("CALLGATE_HMAC_ALGORITHM", "SHA512", "sha512"),
        ("CALLGATE_RECONCILE_INTERVAL", "5m", 300),
        ("CALLGATE_MAX_CALL_SECONDS", "1h", 3600),
        ("CALLGATE_HMAC_TOLERANCE", "5m", 300),
        ("CALLGATE_DRAIN_SECONDS", "7s", 7),
        ("CALLGATE_DATA_DIR", "~/callgate", Path.home() / "callgate"),
        (
            "CALLGATE_OIDC_ISSUER",
            "https://Login.agency.net:443/realms/a/.well-known/openid-configuration",
            "https://login.agency.net/realms/a",
        ),
    ],
)
def test_an_odd_spelling_is_understood(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, meant: object
) -> None:
    monkeypatch.setenv("CALLGATE_OIDC_CLIENT_ID", "callgate")
    monkeypatch.setenv(name, value)
    assert getattr(load_settings(), name.lower()) == meant


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://gate.agency.net:443/", "https://gate.agency.net"),
        ("https://Gate.agency.net.", "https://gate.agency.net"),
        ("https://gäte.agency.net", "https://xn--gte-qla.agency.net"),
        ("https://gate.agency.net#\u200b", "https://gate.agency.net"),
        ("https://gate.agency.net:8443", "https://gate.agency.net:8443"),
    ],
)
def test_the_panels_address_is_compared_as_browsers_write_it(
    monkeypatch: pytest.MonkeyPatch, url: str, origin: str
) -> None:
    """Another spelling than that of `Origin` would refuse every form."""
    monkeypatch.setenv("CALLGATE_PUBLIC_URL", url)
    assert load_settings().public_origin == origin


@pytest.mark.parametrize(
    ("app", "webhook"),
    [
        ("https://app.agency.net/api/vapi/webhook", "https://app.agency.net/api/vapi/webhook"),
        ("https://app.agency.net/API/vapi/webhook/", "https://app.agency.net/api/vapi/webhook"),
        ("https://app.agency.net?ref=1", "https://app.agency.net/api/vapi/webhook"),
        ("https://app.agency.net/base/", "https://app.agency.net/base/api/vapi/webhook"),
    ],
)
def test_the_webhook_stands_below_the_applications_address_once(
    monkeypatch: pytest.MonkeyPatch, app: str, webhook: str
) -> None:
    monkeypatch.delenv("VAPI_WEBHOOK_URL")
    monkeypatch.setenv("NEXT_PUBLIC_APP_URL", app)
    assert load_settings().webhook_url == webhook


HMAC = {"VAPI_WEBHOOK_AUTH": "hmac"}
WRONG = [
    ({"CALLGATE_HOST": "*"}, "write an address or a name alone"),
    ({"CALLGATE_HOST": "0.0.0.0:8080"}, "the port has a setting of its own"),
    ({"CALLGATE_HOST": "http://0.0.0.0"}, "is no host"),
    ({"CALLGATE_ADMIN_PORT": "9", "CALLGATE_ADMIN_HOST": "300.1.1.1"}, "is no host"),
    ({"CALLGATE_PORT": "eighty"}, "is “eighty”: write a whole number"),
    ({"CALLGATE_PORT": "99999"}, "is “99999”: write 65535 or less"),
    ({"CALLGATE_RING_GATE": "ja"}, "is “ja”: write 1 or 0"),
    ({"CALLGATE_RECONCILE_MODE": "dry-run"}, "is “dry-run”: write 'enforce' or 'observe'"),
    ({"CALLGATE_RECONCILE_MAX_CHANGES": "30%"}, "write a number in digits"),
    ({"VAPI_API_URL": "https://api.vapi.ai/v1"}, "must end after the host"),
    ({"VAPI_API_URL": "https://api.vapi.ai?x=1"}, "must end after the host"),
    ({"VAPI_API_URL": "https://api.vapi .ai"}, "has a space"),
    ({"VAPI_API_URL": "https://u:p@api.vapi.ai"}, "must not carry a user name"),
    ({"VAPI_CONTROL_HOSTS": ","}, "no call could be hung up"),
    ({"VAPI_CONTROL_HOSTS": ".vapi.ai;.a.ai"}, "write it with its dot"),
    ({"VAPI_CONTROL_HOSTS": ".vapi.ai:443"}, "without a port"),
    ({"VAPI_CONTROL_HOSTS": "https://a.vapi.ai/call"}, "a scheme, a host and perhaps a port alone"),
    ({"CALLGATE_RELAY_HOSTS": "http://10.0.0.5:8000"}, "is no host"),
    ({"CALLGATE_RELAY_HOSTS": "10.0.0.0/8"}, "a network, a scheme or a path is none"),
    ({"CALLGATE_TRUSTED_PROXIES": "10.0.0.1:80"}, "without a port"),
    ({"CALLGATE_DATA_DIR": "$HOME/callgate"}, "has a variable that is not filled in"),
    ({"VAPI_WEBHOOK_URL": "https://localhost"}, "which Vapi cannot reach: write a public address"),
    ({"VAPI_WEBHOOK_URL": "https://10.0.0.1"}, "which Vapi cannot reach: write a public address"),
    ({**HMAC, "CALLGATE_HMAC_SIGNATURE_HEADER": "x-signature:"}, "is no name of a header"),
    ({**HMAC, "CALLGATE_HMAC_TIMESTAMP_HEADER": "x timestamp"}, "is no name of a header"),
    ({**HMAC, "CALLGATE_HMAC_PAYLOAD": "{webhook-id}.{timestamp}.{body}"}, "nothing fills in"),
    ({**HMAC, "CALLGATE_HMAC_PAYLOAD": "${timestamp}.${body}"}, "nothing fills in"),
    ({**HMAC, "CALLGATE_HMAC_PAYLOAD": "{timestamp}{body}}"}, "nothing fills in"),
    ({"DATABASE_URL": "postgresql://u:hidden@db/a?sslmode=on"}, "unknown sslmode: write one of"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "remedy"), WRONG, ids=str)
def test_a_value_with_which_nothing_works_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], remedy: str
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    [_, fault] = str(caught.value).splitlines()
    name = list(given)[-1]
    assert fault.startswith(f"  - {name}") or "VAPI_WEBHOOK_URL" in fault
    assert remedy in fault
    assert fault.count(".") == fault.rstrip(".").count(".") + 1
    assert "hidden" not in fault


def test_vapi_that_is_played_on_this_network_reaches_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAPI_API_URL", "http://127.0.0.1:9000")
    monkeypatch.setenv("VAPI_WEBHOOK_URL", "https://127.0.0.1:8443")
    assert load_settings().webhook_url == "https://127.0.0.1:8443/api/vapi/webhook"


def test_commands_read_the_data_folder_as_the_service_does(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("~/callgate", "'/tmp/callgate'", "", "callgate"):
        monkeypatch.setenv("CALLGATE_DATA_DIR", value)
        assert data_dir_of(os.environ) == load_settings().callgate_data_dir


def test_a_list_of_a_policy_is_written_with_commas_or_as_json() -> None:
    for value in ("+1900*, +15550100100", '["+1900*", "+15550100100"]'):
        found = read_policy_settings(
            "caller_rules",
            CallerRulesSettings,
            {
                "CALLGATE_POLICY_CALLER_RULES_BLOCK": value,
                "CALLGATE_POLICY_CALLER_RULES_MESSAGE": "",
            },
        )
        assert isinstance(found.default, CallerRulesSettings)
        assert found.default.block == {"+1900*", "+15550100100"}
