"""Settings as platforms set them and as people paste them."""

import pytest

from service.settings import Settings, SettingsError, load_settings, read_settings
from tests.test_settings import GOOD


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but what a test sets."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


LINKS = {
    "CALLGATE_PORT": "tcp://10.0.0.7:8080",
    "CALLGATE_PORT_8080_TCP": "tcp://10.0.0.7:8080",
    "CALLGATE_PORT_8080_TCP_ADDR": "10.0.0.7",
    "CALLGATE_PORT_8080_TCP_PORT": "8080",
    "CALLGATE_PORT_8080_TCP_PROTO": "tcp",
    "CALLGATE_SERVICE_HOST": "10.0.0.7",
    "CALLGATE_SERVICE_PORT": "8080",
    "CALLGATE_SERVICE_PORT_HTTP": "8080",
    "CALLGATE_ADMIN_PORT": "tcp://10.0.0.8:9000",
    "CALLGATE_ADMIN_SERVICE_HOST": "10.0.0.8",
}


def test_what_kubernetes_sets_by_itself_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**GOOD, **LINKS}.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert (settings.callgate_port, settings.callgate_admin_port) == (8080, None)
    assert load_settings(callgate_port=9090).callgate_port == 9090
    monkeypatch.setenv("CALLGATE_SERVICES", "1")
    with pytest.raises(SettingsError, match="CALLGATE_SERVICES is not a setting"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value", "field", "meant"),
    [
        ("VAPI_API_KEY", "private-key-1\n", "vapi_api_key", "private-key-1"),
        ("VAPI_API_KEY", "Bearer private-key-1", "vapi_api_key", "private-key-1"),
        (
            "VAPI_WEBHOOK_SECRET",
            '"one-secret-of-the-tests-0" ,\nanother-secret-of-the-tests\r\n',
            "vapi_webhook_secret",
            "one-secret-of-the-tests-0,another-secret-of-the-tests",
        ),
        (
            "VAPI_WEBHOOK_SECRET",
            '"one-secret-of-the-tests-0,another-secret-of-the-tests"\n',
            "vapi_webhook_secret",
            "one-secret-of-the-tests-0,another-secret-of-the-tests",
        ),
        ("VAPI_API_KEY", "a,,b, c", "vapi_api_key", "a,,b, c"),
        (
            "CALLGATE_OIDC_CLIENT_SECRET",
            "'gehäuse,, 1'\n",
            "callgate_oidc_client_secret",
            "'gehäuse,, 1'",
        ),
        (
            "CALLGATE_ENCRYPTION_KEY",
            "schlüssel-0123456789-abcdef\n",
            "callgate_encryption_key",
            "schlüssel-0123456789-abcdef",
        ),
        (
            "DATABASE_URL",
            "postgres://u:p/w@h/db?schema=public",
            "database_url",
            "postgresql://u:p%2Fw@h/db",
        ),
    ],
)
def test_pasted_secrets_are_read_as_they_were_meant(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, field: str, meant: str
) -> None:
    for variable, given in {**GOOD, name: value}.items():
        monkeypatch.setenv(variable, given)
    assert getattr(load_settings(), field).get_secret_value() == meant


@pytest.mark.parametrize(
    "url",
    [
        "https://calls.agency.net/api/vapi/webhook/",
        "https://calls.agency.net",
        "HTTPS://CALLS.agency.net:443/api/vapi/webhook",
    ],
)
def test_the_webhook_url_is_written_in_one_form(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    for name, value in {**GOOD, "VAPI_WEBHOOK_URL": url}.items():
        monkeypatch.setenv(name, value)
    assert load_settings().webhook_url == GOOD["VAPI_WEBHOOK_URL"]


@pytest.mark.parametrize("text", ["Hello {company}", "Hello {0}", "Hello {", "\u202e"])
def test_a_blocked_message_that_would_be_spoken_wrongly_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    for name, value in {**GOOD, "CALLGATE_BLOCKED_MESSAGE": text}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match="CALLGATE_BLOCKED_MESSAGE has "):
        load_settings()


def test_an_ipv6_address_to_listen_on_stands_in_brackets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLGATE_HOST", "::1")
    assert load_settings(sandbox=True).webhook_url == "http://[::1]:8080/api/vapi/webhook"


PROXY_VARIABLES = ("https_proxy", "http_proxy", "all_proxy", "no_proxy")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"HTTPS_PROXY": "socks5://user:pass-word@proxy.corp:1080"}, ["HTTPS_PROXY"]),
        ({"https_proxy": "socks5h://proxy.corp:1080"}, ["https_proxy"]),
        ({"ALL_PROXY": "socks4://proxy.corp"}, ["ALL_PROXY"]),
        ({"HTTPS_PROXY": "http://user:pass-word/1@proxy.corp:3128"}, ["HTTPS_PROXY"]),
        ({"HTTPS_PROXY": "http://a:port", "HTTP_PROXY": "http://"}, ["HTTPS_PROXY", "HTTP_PROXY"]),
        ({"HTTPS_PROXY": "http://[proxy:3128"}, ["HTTPS_PROXY"]),
        ({"HTTPS_PROXY": "http://user:pass-word@proxy.corp:3128", "HTTP_PROXY": "proxy.corp:3128"}, []),
        ({"HTTPS_PROXY": "https://proxy.corp", "HTTP_PROXY": "a", "ALL_PROXY": "socks5://a"}, []),
        ({"HTTPS_PROXY": "socks5://proxy.corp", "NO_PROXY": "*"}, []),
        ({"HTTPS_PROXY": ""}, []),
    ],
)  # fmt: skip
def test_a_proxy_that_cannot_be_used_stops_the_start_without_being_repeated(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], named: list[str]
) -> None:
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for variable, value in {**GOOD, **given}.items():
        monkeypatch.setenv(variable, value)
    settings, found = read_settings()
    faults = [*found, *settings.faults()]
    assert [fault.split()[0] for fault in faults] == named
    assert "pass-word" not in " ".join(faults)
    assert load_settings(sandbox=True).sandbox
