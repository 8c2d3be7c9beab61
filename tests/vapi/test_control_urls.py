"""Which control URLs may be posted to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.vapi.control import HostileUrlError, check_control_url
from service.vapi.errors import VapiError
from tests.support.control_urls import HOSTILE

HOSTS = (".vapi.ai", "http://127.0.0.1:9000", "https://stub.internal:8443/")


@pytest.mark.parametrize(
    "url",
    [
        "https://phone-call-websocket.aws-us-west-2-backend-production1.vapi.ai/c1/control",
        "https://a.vapi.ai/",
        "https://a.vapi.ai",
        "https://a.vapi.ai:443/c1/control?token=x%20y&z=",
        "HTTPS://A.Vapi.AI/c1/control",
        "https://a.b.c.d.e.vapi.ai/%2e%2e/x",
        "https://1.vapi.ai/",
        "http://127.0.0.1:9000/c1/control",
        "https://stub.internal:8443/c1/control",
        "HTTPS://Stub.Internal:8443/c1/control",
        "https://a.vapi.ai/" + "x" * 2030,
    ],
)
def test_urls_of_vapi_and_of_configured_origins_pass_unchanged(url: str) -> None:
    checked = check_control_url(url, HOSTS)
    assert checked.raw_path_qs in url or checked.raw_path == "/"


@pytest.mark.parametrize("url", HOSTILE)
def test_hostile_urls_are_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(HostileUrlError) as caught:
        check_control_url(url, HOSTS)
    assert isinstance(caught.value, VapiError)
    assert len(url) < 10 or url not in str(caught.value)
    assert "evil" not in str(caught.value)


def test_the_usual_port_of_an_origin_may_be_written_or_not() -> None:
    for origin in ("https://stub.internal", "https://stub.internal:443", "https://Stub.internal/"):
        for url in ("https://stub.internal/c1", "https://stub.internal:443/c1"):
            check_control_url(url, (origin,))
        for url in ("http://stub.internal/c1", "https://stub.internal:8443/c1"):
            with pytest.raises(HostileUrlError):
                check_control_url(url, (origin,))


def test_a_suffix_ends_at_a_dot_however_it_is_written() -> None:
    for hosts in ((".vapi.ai",), ("vapi.ai",), (".VAPI.AI",)):
        check_control_url("https://a.vapi.ai/", hosts)
        for url in ("https://vapi.ai/", "https://evilvapi.ai/", "https://a.vapi.ai.evil.com/"):
            with pytest.raises(HostileUrlError):
                check_control_url(url, hosts)


@pytest.mark.parametrize("hosts", [(), ("",), (".",), ("..",), ("http://127.0.0.1:9000",)])
def test_without_a_suffix_no_name_passes(hosts: tuple[str, ...]) -> None:
    with pytest.raises(HostileUrlError):
        check_control_url("https://a.vapi.ai/", hosts)


def test_an_address_is_no_name_below_a_suffix() -> None:
    with pytest.raises(HostileUrlError):
        check_control_url("https://127.0.0.1/", (".0.0.1", ".1"))


@given(
    st.one_of(
        st.text(max_size=80),
        st.builds(
            "{}{}{}{}".format,
            st.sampled_from(["https://", "http://", "https:", "//", "https:\\\\"]),
            st.text(alphabet="a.@:/\\#?[]%0-vpi", max_size=12),
            st.sampled_from([".vapi.ai", "vapi.ai", ".vapi.ai.evil.com", "127.0.0.1:9000"]),
            st.text(alphabet="a.@:/\\#?[]%0", max_size=12),
        ),
    )
)
def test_whatever_passes_leads_to_vapi_or_to_a_configured_origin(url: str) -> None:
    try:
        checked = check_control_url(url, HOSTS)
    except HostileUrlError:
        return
    assert checked.user is None
    assert checked.password is None
    if checked.host == "127.0.0.1":
        assert (checked.scheme, checked.port) == ("http", 9000)
    else:
        assert (checked.scheme, checked.port) == ("https", 443)
        assert (checked.host or "").endswith(".vapi.ai")
