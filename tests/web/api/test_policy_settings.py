"""Settings of a policy that its model refuses, over the API."""

from typing import Any

import pytest

from tests.support.api import ApiClient


@pytest.mark.parametrize(
    ("settings", "errors"),
    [
        ({}, ["settings: give calls or plan_limits"]),
        ({"calls": 2, "kept_for_inbound": 3}, ["settings: kept_for_inbound is larger than calls"]),
        ({"foo": 1}, ["settings.foo: is not a setting"]),
        ({"calls": "many", "foo": 1}, ["settings.foo: is not a setting", "settings.calls: Input"]),
        (
            {"calls": 1, "divert_to": "moon"},
            ["settings.divert_to: “moon” is no phone"],
        ),
    ],
)
async def test_all_that_is_wrong_with_settings_is_told_in_plain_words(
    api: ApiClient, settings: dict[str, Any], errors: list[str]
) -> None:
    owner = (await api.organization())["id"]
    path = f"/organizations/{owner}/policies/concurrency"
    refused = await api.ask("PUT", path, {"settings": settings})
    assert (refused.status, refused.code) == (422, "policy_settings_invalid")
    told = [f"{one['field']}: {one['message']}" for one in refused.json["errors"]]
    assert len(told) == len(errors), told
    for one, words in zip(told, errors, strict=True):
        assert one.startswith(words)
    assert "Value error" not in refused.json["detail"]
