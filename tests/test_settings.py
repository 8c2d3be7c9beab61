"""Settings: every fault in one message, no secret in it."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from service.settings import Settings, SettingsError, load_settings, read_settings

GOOD = {
    "VAPI_API_KEY": "private-key-1",
    "VAPI_WEBHOOK_SECRET": "one-secret-of-the-tests-0,another-secret-of-the-tests",
    "VAPI_WEBHOOK_URL": "https://calls.agency.net/api/vapi/webhook",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but what a test sets."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_a_usable_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.webhook_secrets == ("one-secret-of-the-tests-0", "another-secret-of-the-tests")
    assert settings.webhook_url == GOOD["VAPI_WEBHOOK_URL"]


@pytest.mark.parametrize("name", ["fair_use", "call-log", "Call.Log2"])
def test_an_observer_is_named_as_its_entry_point(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for given, value in {**GOOD, "CALLGATE_POLICIES_OFF": f"trial, {name}"}.items():
        monkeypatch.setenv(given, value)
    assert load_settings().callgate_policies_off == ("trial", name)


def test_the_app_url_makes_the_webhook_url(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("VAPI_WEBHOOK_URL")
    monkeypatch.setenv("NEXT_PUBLIC_APP_URL", "https://app.agency.net/")
    assert load_settings().webhook_url == "https://app.agency.net/api/vapi/webhook"


def test_all_faults_come_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLGATE_PORT", "eighty")
    monkeypatch.setenv("CALLGATE_RECONCILE_INTERVALL", "5")
    monkeypatch.setenv("VAPI_CONTROL_HOSTS", "vapi.ai")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    text = str(caught.value)
    for name in (
        "VAPI_API_KEY",
        "VAPI_WEBHOOK_SECRET",
        "VAPI_WEBHOOK_URL",
        "NEXT_PUBLIC_APP_URL",
        "CALLGATE_PORT",
        "CALLGATE_RECONCILE_INTERVALL",
        "VAPI_CONTROL_HOSTS",
    ):
        assert name in text


@pytest.mark.parametrize(
    "url",
    [
        "http://calls.agency.net/api/vapi/webhook",
        "https://your-domain.com/api/vapi/webhook",
        "https://app.your-domain.com/hook",
        "not a url",
        "https://user:pw@calls.agency.net/",
        "https://[::1",
        "ftp://calls.agency.net/",
    ],
)
def test_a_webhook_url_that_vapi_cannot_use(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    for name, value in {**GOOD, "VAPI_WEBHOOK_URL": url}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=r"VAPI_WEBHOOK_URL.*NEXT_PUBLIC_APP_URL"):
        load_settings()


def test_http_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**GOOD, "VAPI_WEBHOOK_URL": "http://10.0.0.1/hook"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CALLGATE_ALLOW_INSECURE_WEBHOOK_URL", "1")
    assert load_settings().webhook_url == "http://10.0.0.1/hook"


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"CALLGATE_OIDC_ISSUER": "http://login.agency.net"}, "CALLGATE_OIDC_ISSUER"),
        ({"CALLGATE_OIDC_ISSUER": "login.agency.net"}, "CALLGATE_OIDC_ISSUER"),
        ({"CALLGATE_OIDC_ISSUER": "https://[::1"}, "CALLGATE_OIDC_ISSUER"),
        ({"CALLGATE_OIDC_CLIENT_ID": ""}, "CALLGATE_OIDC_CLIENT_ID"),
        ({"CALLGATE_OIDC_SCOPES": "profile"}, "CALLGATE_OIDC_SCOPES"),
        ({"CALLGATE_TRUSTED_PROXIES": "10.0.0.0/8, proxy"}, "CALLGATE_TRUSTED_PROXIES"),
        ({"CALLGATE_OIDC_DEFAULT_ROLE": "owner"}, "CALLGATE_OIDC_DEFAULT_ROLE"),
    ],
    ids=str,
)
def test_a_sign_in_that_cannot_work_is_refused(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], name: str
) -> None:
    provider = {
        "CALLGATE_OIDC_ISSUER": "https://login.agency.net",
        "CALLGATE_OIDC_CLIENT_ID": "callgate",
    }
    for variable, value in {**GOOD, **provider}.items():
        monkeypatch.setenv(variable, value)
    assert load_settings().callgate_oidc_default_role == ""
    for variable, value in given.items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=name):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VAPI_API_URL", "http://[nowhere"),
        ("VAPI_API_URL", "https://api.vapi.ai:port"),
        ("VAPI_CONTROL_HOSTS", "http://[nowhere"),
        ("CALLGATE_NAME_SERVERS", "10.0.0.2,dns.internal"),
        ("CALLGATE_NAME_SERVERS", "10.0.0.2:dns"),
        ("CALLGATE_NAME_SERVERS", "[::1"),
        ("DATABASE_URL", "postgresql://callgate:hid[den@db:port/callgate"),
        ("DATABASE_URL", "callgate:hid[den@db"),
    ],
)
def test_an_address_that_cannot_be_read_is_a_fault_like_others(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    for good, given in GOOD.items():
        monkeypatch.setenv(good, given)
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert name in str(caught.value)
    assert "hid[den" not in str(caught.value)


def test_a_database_of_several_hosts_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    for good, given in GOOD.items():
        monkeypatch.setenv(good, given)
    monkeypatch.setenv("DATABASE_URL", "postgresql://callgate:x@one:5432,two:5433/callgate")
    assert load_settings().faults() == []


def test_what_can_be_read_is_read_and_every_fault_begins_with_its_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CALLGATE_PORT", "eighty")
    monkeypatch.setenv("CALLGATE_RECONCILE_INTERVALL", "5")
    monkeypatch.setenv("VAPI_API_URL", "https://vapi.example.net")
    settings, unread = read_settings()
    assert (settings.callgate_port, settings.vapi_api_url) == (8080, "https://vapi.example.net")
    for fault in (*unread, *settings.faults()):
        assert re.match(r"(VAPI|CALLGATE|DATABASE|NEXT)_[A-Z_]+\b", fault), fault


def test_no_secret_in_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("VAPI_WEBHOOK_SECRET", "schlüssel-wort")
    monkeypatch.setenv("DATABASE_URL", "mysql://root:hunter2@db/x")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "wort" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_the_sandbox_needs_nothing() -> None:
    settings = load_settings(sandbox=True)
    assert settings.webhook_url == "http://127.0.0.1:8080/api/vapi/webhook"
    assert settings.callgate_admin_token.get_secret_value().startswith("cg_")


def test_a_secret_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("VAPI_WEBHOOK_SECRET")
    secret = tmp_path / "secret"
    secret.write_text(" \n one-secret-from-a-file-of-24\n")
    monkeypatch.setenv("VAPI_WEBHOOK_SECRET_FILE", str(secret))
    monkeypatch.setenv("CALLGATE_METRICS_TOKEN_FILE", str(secret))
    settings = load_settings()
    assert settings.webhook_secrets == ("one-secret-from-a-file-of-24",)
    assert settings.callgate_metrics_token.get_secret_value() == "one-secret-from-a-file-of-24"


def test_secret_files_that_are_of_no_use_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    monkeypatch.setenv("VAPI_API_KEY_FILE", str(tmp_path / "binary"))
    monkeypatch.setenv("CALLGATE_METRICS_TOKEN_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("CALLGATE_ADMIN_TOKEN_FILE", str(tmp_path / "binary"))
    monkeypatch.setenv("CALLGATE_HOST_FILE", str(tmp_path / "binary"))
    with pytest.raises(SettingsError) as caught:
        load_settings()
    text = str(caught.value)
    assert "VAPI_API_KEY and VAPI_API_KEY_FILE are both set" in text
    assert "CALLGATE_METRICS_TOKEN_FILE names a file that cannot be read" in text
    assert "CALLGATE_ADMIN_TOKEN_FILE names a file that is not UTF-8" in text
    assert "CALLGATE_HOST_FILE is not a setting" in text
    assert GOOD["VAPI_WEBHOOK_SECRET"] not in text


def test_the_panel_needs_a_port_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CALLGATE_ADMIN_HOST", "127.0.0.1")
    with pytest.raises(SettingsError, match="CALLGATE_ADMIN_HOST needs CALLGATE_ADMIN_PORT"):
        load_settings()
    monkeypatch.setenv("CALLGATE_ADMIN_PORT", "8080")
    with pytest.raises(SettingsError, match="CALLGATE_ADMIN_PORT is 8080"):
        load_settings()
    monkeypatch.setenv("CALLGATE_ADMIN_PORT", "8081")
    assert load_settings().callgate_admin_port == 8081


def test_a_payload_without_timestamp_needs_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CALLGATE_HMAC_PAYLOAD", "{body}")
    assert load_settings().vapi_webhook_auth == "secret"
    monkeypatch.setenv("VAPI_WEBHOOK_AUTH", "hmac")
    with pytest.raises(SettingsError, match="CALLGATE_HMAC_ALLOW_UNTIMED=1"):
        load_settings()
    monkeypatch.setenv("CALLGATE_HMAC_ALLOW_UNTIMED", "1")
    assert load_settings().callgate_hmac_payload == "{body}"


@pytest.mark.parametrize("payload", ["{timestamp}", "{body}{body}"])
def test_the_signed_payload_names_the_body_once(
    monkeypatch: pytest.MonkeyPatch, payload: str
) -> None:
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("VAPI_WEBHOOK_AUTH", "hmac")
    monkeypatch.setenv("CALLGATE_HMAC_PAYLOAD", payload)
    with pytest.raises(SettingsError, match="exactly once"):
        load_settings()


def test_name_servers_are_addresses_with_or_without_a_port(monkeypatch: pytest.MonkeyPatch) -> None:
    given = "10.0.0.2, 10.0.0.2:5353, ::1, [::1]:53, [fd00::2]"
    for name, value in {**GOOD, "CALLGATE_NAME_SERVERS": given}.items():
        monkeypatch.setenv(name, value)
    assert len(load_settings().callgate_name_servers) == 5


@pytest.mark.parametrize(
    ("text", "hours"), [("72h", 72), ("3d", 72), ("90m", 1.5), ("5400", 1.5), ("0", 0)]
)
def test_durations_have_a_unit_or_are_seconds(
    monkeypatch: pytest.MonkeyPatch, text: str, hours: float
) -> None:
    monkeypatch.setenv("CALLGATE_RENEWAL_GRACE", text)
    settings, faults = read_settings()
    assert (settings.callgate_renewal_grace, faults) == (timedelta(hours=hours), [])


@pytest.mark.parametrize("text", ["three days", "-1h", "1.5h", "9999d", "h"])
def test_other_durations_are_named_with_their_remedy(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("CALLGATE_RENEWAL_GRACE", text)
    [fault] = read_settings()[1]
    assert fault.startswith("CALLGATE_RENEWAL_GRACE")
    assert repr(text) in fault
