"""Vapi's field names and message types are spelled in `service/vapi` only; the sandbox plays Vapi."""

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent / "service"

NAMES = frozenset(
    {
        "assistantId",
        "squadId",
        "workflowId",
        "assistantOverrides",
        "squadOverrides",
        "fallbackDestination",
        "call.ringing",
        "call.ending",
        "call.ringing.hook-executed-say",
        "assistant-request-failed",
        "campaign.predial",
        "status-update",
        "end-of-call-report",
        "conversation-update",
        "speech-update",
        "transfer-destination-request",
        "handoff-destination-request",
    }
)

SPELLED_ELSEWHERE = {
    "domain/coverage/coverage.py": "below the client, so it cannot import it",
    "domain/wording/calls.py": "a table from Vapi's names to sentences",
    "web/api/examples/bodies.py": "examples of the public API, which takes answers by Vapi's names",
    "web/shapes/fields.py": "the public API takes overrides by Vapi's names",
    "admin/phone_numbers/coverage.py": "an example of an answer",
}
"""Files that may spell one of the names, each with its reason."""


def spelled_in(path: Path) -> set[str]:
    """The names among the string literals of a file; docstrings are whole texts and never equal."""
    nodes = ast.walk(ast.parse(path.read_text()))
    texts = {node.value for node in nodes if isinstance(node, ast.Constant)}
    return {text for text in texts if isinstance(text, str)} & NAMES


def test_vapis_names_are_spelled_in_its_room_only() -> None:
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if name.split("/")[0] not in ("vapi", "sandbox") and (names := spelled_in(path)):
            found[name] = names
    assert {name: names for name, names in found.items() if name not in SPELLED_ELSEWHERE} == {}
    assert set(found) == set(SPELLED_ELSEWHERE), "an exception that is no longer needed is removed"
    spelled = {name for path in (ROOT / "vapi").rglob("*.py") for name in spelled_in(path)}
    assert spelled == NAMES, "the list holds names of the room only"
