"""The state that persists between runs of the sandbox."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from service.sandbox import samples
from service.sandbox.server import SandboxVapi


async def test_what_is_on_shelves_outlives_a_run_and_calls_do_not(tmp_path: Path) -> None:
    path = tmp_path / "sandbox" / "state.json"
    first = SandboxVapi(state_path=path, seed=samples.seed)
    await first.start()
    server = {"url": "http://127.0.0.1:8080/", "headers": {"X-Vapi-Secret": "secret"}}
    first.edit_number(samples.BLOCKED_NUMBER, server=server)
    first.numbers.remove(samples.SPARE_NUMBERS[0])
    added = first.add_assistant(name="Mine")
    tool = first.add_tool(server={"url": "https://tool.example.com/"})
    first.live_call(samples.BLOCKED_NUMBER)
    kept = list(first.numbers)
    # No stop: a killed process writes nothing more.
    second = SandboxVapi(state_path=path, seed=samples.seed)
    await second.start()
    try:
        assert list(second.numbers) == kept
        assert second.assistants.find(added["id"]) == added
        assert second.tools.find(tool["id"]) == tool
        assert second.calls == {}
        assert path.stat().st_mode & 0o077 == 0
        assert [item.name for item in path.parent.iterdir()] == ["state.json"]
    finally:
        await second.stop()
        await first.stop()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version":99}', '{"version":1,"numbers":[{}]}'])
async def test_a_broken_file_is_put_aside(tmp_path: Path, text: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(text)
    sandbox = SandboxVapi(state_path=path, seed=samples.seed)
    with capture_logs() as events:
        await sandbox.start()
    await sandbox.stop()
    assert [event["event"] for event in events] == ["sandbox.state_unreadable"]
    assert samples.BLOCKED_NUMBER in sandbox.numbers
    assert path.with_suffix(".json.broken").read_text() == text
