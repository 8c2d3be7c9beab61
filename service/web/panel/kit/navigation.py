"""The panel's menu and its keyboard shortcuts. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MenuEntry:
    """A page of the menu. `path` is below the panel's root; `key` follows the key g."""

    path: str
    name: str
    key: str
    admins_only: bool = False


@dataclass(frozen=True, slots=True)
class MenuGroup:
    """Entries under one title; the first group has none."""

    title: str
    entries: Sequence[MenuEntry]


MENU = (
    MenuGroup(
        "",
        (
            MenuEntry("", "Overview", "h"),
            MenuEntry("organizations", "Organizations", "o"),
            MenuEntry("numbers", "Numbers", "n"),
            MenuEntry("calls", "Calls", "c"),
            MenuEntry("usage", "Usage", "b"),
        ),
    ),
    MenuGroup(
        "Operations",
        (
            MenuEntry("repairs", "Repairs", "r"),
            MenuEntry("unknown-numbers", "Unknown numbers", "u"),
            MenuEntry("policies", "Policies", "p"),
            MenuEntry("health", "Settings and health", "s"),
        ),
    ),
    MenuGroup(
        "People",
        (
            MenuEntry("audit", "Audit", "a"),
            MenuEntry("people", "Admins", "m", admins_only=True),
            MenuEntry("tokens", "API tokens", "t", admins_only=True),
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class MenuLink:
    """An entry as one page shows it."""

    address: str
    name: str
    key: str
    current: bool


def menu_of(root: str, current: str, *, is_admin: bool) -> list[tuple[str, list[MenuLink]]]:
    """The menu's groups with the links that a visitor may follow. `current` is a path below the root."""
    family = current.strip("/").partition("/")[0]
    return [
        (
            group.title,
            [
                MenuLink(
                    f"{root}/{entry.path}" if entry.path else root,
                    entry.name,
                    entry.key,
                    entry.path == family,
                )
                for entry in group.entries
                if is_admin or not entry.admins_only
            ],
        )
        for group in MENU
    ]


def page_name(path: str) -> str:
    """The name of the page at a path below the root, as the menu has it; "page" for another one."""
    family = path.strip("/").partition("/")[0].partition("?")[0]
    names = {entry.path: entry.name for group in MENU for entry in group.entries}
    return names.get(family, "page")
