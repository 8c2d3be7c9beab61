"""What cannot be read, kept or meant: a clear 4xx with a stable code, and nothing changed."""

from typing import Any
from urllib.parse import quote

from tests.support.api import ApiClient
from tests.support.bad_input import unchanged

DEEP = b'{"name":"x","attributes":' + b'{"a":' * 40 + b"1" + b"}" * 41


VERY_DEEP = b'{"name":"x","attributes":{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}}"


UNFIT: list[tuple[bytes, int, str]] = [
    (b"", 400, "malformed_json"),
    (b"name=x", 400, "malformed_json"),
    (b'{"name":"x"', 400, "malformed_json"),
    (b'{"name":"x"} {}', 400, "malformed_json"),
    (b'\xef\xbb\xbf{"name":"x"}', 400, "malformed_json"),
    (b'{"name":"\xff"}', 400, "malformed_json"),
    ('{"name":"x"}'.encode("utf-16"), 400, "malformed_json"),
    (b'{"name":"x","attributes":{"a":NaN}}', 400, "malformed_json"),
    (b'{"name":"x","attributes":{"a":-Infinity}}', 400, "malformed_json"),
    (b'{"name":"x","name":"y"}', 400, "malformed_json"),
    (b'{"name":"x","attributes":{"a":1,"a":2}}', 400, "malformed_json"),
    (b'{"name":"\\ud800"}', 422, "unfit_value"),
    (b'{"name":"x","attributes":{"\\udfff":1}}', 422, "unfit_value"),
    (b'{"name":"a\\u0000b"}', 422, "unfit_value"),
    (b'{"name":"x","attributes":{"a":["\\u0000"]}}', 422, "unfit_value"),
    (b'{"name":"x","attributes":{"a":1e999}}', 422, "unfit_value"),
    (b'{"name":"x","attributes":{"a":9223372036854775808}}', 422, "unfit_value"),
    (b'{"name":"x","attributes":{"a":' + b"9" * 5000 + b"}}", 422, "unfit_value"),
    (DEEP, 422, "unfit_value"),
    (VERY_DEEP, 422, "unfit_value"),
    (b"[]", 422, "invalid_body"),
    (b"null", 422, "invalid_body"),
    (b'"name"', 422, "invalid_body"),
    (b"7", 422, "invalid_body"),
]


async def test_a_body_that_is_no_fit_json_object_is_refused(api: ApiClient) -> None:
    for case in UNFIT:
        raw, status, code = case
        reply = await api.ask("POST", "/organizations", raw=raw)
        assert (reply.status, reply.code) == (status, code), case
        assert await unchanged(api)


SENSELESS: list[dict[str, Any]] = [
    {},
    {"name": None},
    {"name": ""},
    {"name": "   "},
    {"name": 7},
    {"name": ["x"]},
    {"name": "x" * 201},
    {"name": "line\nbreak"},
    {"name": "carriage\rreturn"},
    {"name": "tab\tbed"},
    {"name": "bell\x07"},
    {"name": "csi\x9b"},
    {"name": "moc\u202e.elgoog"},
    {"name": "a\u2066b"},
    {"name": "a\u200eb"},
    {"name": "a\u2028b"},
    {"name": "a\ufeffb"},
    {"name": "x", "unknown": 1},
    {"name": "x", "id": "00000000-0000-0000-0000-000000000000"},
    {"name": "x", "plan": None},
    {"name": "x", "external_id": ""},
    {"name": "x", "external_id": 7},
    {"name": "x", "blocked_message": "x" * 1001},
    {"name": "x", "blocked_message": "a\u202eb"},
    {"name": "x", "attributes": None},
    {"name": "x", "attributes": []},
    {"name": "x", "attributes": "{}"},
    {"name": "x", "attributes": {"a": "x" * 16_400}},
    {"name": "x", "assistant_ids": "asst"},
    {"name": "x", "assistant_ids": [1]},
    {"name": "x", "assistant_ids": ["../call"]},
    {"name": "x", "assistant_ids": [""]},
]


async def test_an_organization_that_makes_no_sense_is_refused(api: ApiClient) -> None:
    for body in SENSELESS:
        reply = await api.ask("POST", "/organizations", body)
        assert (reply.status, reply.code) == (422, "invalid_body"), body
        assert reply.json["errors"][0]["field"].split(".")[0] in {"name", *body}
        assert reply.json["errors"][0]["message"]
        assert await unchanged(api)


HOSTILE_URLS: list[str] = [
    "http://example.com/",
    "ftp://example.com/",
    "//example.com/",
    "example.com",
    "javascript:alert(1)",
    "https://",
    "https:///path",
    "https://user@example.com/",
    "https://user:pw@example.com/",
    "https://@example.com/",
    "https://example.com:0/",
    "https://example.com:99999/",
    "https://example.com:x/",
    "https://example.com/#fragment",
    "https://exa mple.com/",
    "https://example.com\\@evil.example/",
    "https://example.com/\r\nX: y",
    "https://localhost/",
    "https://LOCALHOST./",
    "https://api.localhost/",
    "https://intranet/",
    "https://db.internal/",
    "https://printer.local/",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f.0.0.1/",
    "https://0x7f000001/",
    "https://0177.0.0.1/",
    "https://10.0.0.8/",
    "https://192.168.1.1:8443/",
    "https://169.254.169.254/latest/meta-data/",
    "https://100.64.0.1/",
    "https://0.0.0.0/",
    "https://224.0.0.1/",
    "https://[::1]/",
    "https://[::]/",
    "https://[fe80::1]/",
    "https://[fe80::1%25eth0]/",
    "https://[fd00::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[2002:7f00:1::]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[::1/",
]


async def test_events_are_not_relayed_to_hostile_urls(api: ApiClient) -> None:
    for url in HOSTILE_URLS:
        reply = await api.ask("POST", "/organizations", {"name": "x", "forward_url": url})
        assert (reply.status, reply.code) == (422, "invalid_forward_url"), url
        assert await unchanged(api)


PUBLIC_URLS: list[str] = [
    "https://hooks.example.com/vapi?a=b&c=d",
    "https://HOOKS.example.com:8443",
    "https://8.8.8.8/",
    "https://[2606:4700:4700::1111]/x",
    "https://xn--bcher-kva.example/",
]


async def test_events_may_be_relayed_to_public_hosts(api: ApiClient) -> None:
    for url in PUBLIC_URLS:
        assert (await api.organization(forward_url=url))["forward_url"] == url


SENSELESS_ENTITLEMENTS: list[tuple[str, dict[str, Any], str]] = [
    ("plan", {}, "code"),
    ("plan", {"code": "x", "status": "gone"}, "status"),
    ("plan", {"code": "", "status": "active"}, "code"),
    ("plan", {"code": "x", "status": "active", "trial": 1}, "trial"),
    ("trial", {}, "ends_at"),
    ("trial", {"ends_at": None}, "ends_at"),
    ("override", {"effect": "abstain", "reason": "x"}, "effect"),
    ("override", {"effect": "allow"}, "reason"),
    ("override", {"effect": "allow", "reason": "x", "author": "me"}, "author"),
]


async def test_an_entitlement_that_makes_no_sense_is_refused(api: ApiClient) -> None:
    for case in SENSELESS_ENTITLEMENTS:
        kind, body, field = case
        made = await api.organization()
        reply = await api.ask("PUT", f"/organizations/{made['id']}/{kind}", body)
        assert (reply.status, reply.code) == (422, "invalid_body"), case
        assert field in {fault["field"] for fault in reply.json["errors"]}
        assert await api.get(f"/organizations/{made['id']}") == made


NO_INSTANTS: list[object] = [
    "2030-01-01T00:00:00",
    "2030-01-01",
    "2030-01-01 00:00:00Z",
    "2030-02-30T00:00:00Z",
    "2030-01-01T24:00:01Z",
    "2030-01-01T00:00:00+24:00",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00+01:00",
    "9999-12-31T23:59:59-01:00",
    "12030-01-01T00:00:00Z",
    "٢٠٣٠-01-01T00:00:00Z",
    "1893456000",
    "tomorrow",
    "",
    1893456000,
    1893456000.5,
    True,
    {},
    ["2030-01-01T00:00:00Z"],
]


async def test_an_instant_is_rfc_3339_with_its_zone(api: ApiClient) -> None:
    for instant in NO_INSTANTS:
        made = await api.organization()
        path = f"/organizations/{made['id']}"
        for kind, body in [
            ("trial", {"starts_at": "2020-01-01T00:00:00Z", "ends_at": instant}),
            ("plan", {"code": "x", "status": "active", "current_period_end": instant}),
        ]:
            reply = await api.ask("PUT", f"{path}/{kind}", body)
            assert (reply.status, reply.code) == (422, "invalid_body"), instant
        if isinstance(instant, str):
            reply = await api.ask("GET", f"{path}/access?at={quote(instant)}")
            assert (reply.status, reply.code) == (422, "invalid_query"), instant
        assert await api.get(path) == made
