"""Names of time zones as people write them."""

import pytest

from policies.host.marks import BadTextError
from policies.host.time_zones import parse_time_zone, zones


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        (" europe/berlin\n", "Europe/Berlin"),
        ("America/new york", "America/New_York"),
        ("utc", "UTC"),
        ("Asia/Kolkata\u200b", "Asia/Kolkata"),
    ],
)
def test_a_zone_is_found_however_it_is_written(text: str, name: str) -> None:
    assert parse_time_zone(text) == name


@pytest.mark.parametrize(
    "text",
    ["", "Mars/Olympus", "../../etc/passwd", "/etc/localtime", "Europe", "localtime", "+02:00",
     "Europe/Berlin\x00", "x" * 300],
)  # fmt: skip
def test_what_is_no_zone_is_refused(text: str) -> None:
    with pytest.raises(BadTextError):
        parse_time_zone(text)


def test_parsing_twice_changes_nothing_more() -> None:
    assert all(parse_time_zone(name) == name for name in zones().values())
