"""The snippets of the authors' page run as they stand."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from policies import abstain, limit
from policies.host.documents import dump, load_request, load_verdict
from policies.testing import request

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "policies" / "README.md").read_text()
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
DOCUMENTS = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_a_snippet_can_be_run(snippet: str, tmp_path: Path) -> None:
    """Each by itself, but for the test of the complete example, which imports its module."""
    if "callgate_fair_use" in snippet:
        (tmp_path / "callgate_fair_use.py").write_text(SNIPPETS[0])
    (tmp_path / "test_snippet.py").write_text(snippet)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "policies.pytest_plugin", "."]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    wanted = 0 if "def test_" in snippet else 5  # pytest's word for: no test found
    assert done.returncode == wanted, done.stdout


def test_the_json_of_the_external_policy_is_what_is_sent_and_taken() -> None:
    asked, verdict = DOCUMENTS
    built = load_request(asked["request"], request())
    assert dump(built) == asked["request"]
    assert load_verdict(verdict).reason == "credit_used_up"


def test_every_fact_is_in_the_page() -> None:
    sent = DOCUMENTS[0]["request"]
    assert set(sent) == set(dump(request()))


def test_the_json_of_a_verdict_may_have_limits() -> None:
    given = {"name": "calls", "capacity": 5, "reason": "too_many"}
    verdict = load_verdict({"effect": "abstain", "limits": [given]})
    assert verdict == abstain(limits=[limit("calls", 5, reason="too_many")])
