"""Bounded text: the length is judged first, and only one module normalizes."""

import ast
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.domain import people
from service.domain.errors import InvalidError
from service.domain.texts import TooLongError, bounded, fold, is_all, normalize

SERVICE = Path(__file__).parents[2] / "service"
MARKS = "\u0300\u0316" * 2**19
"""Combining marks of two classes in turn: normalization sorts them in quadratic time."""


def seconds_of(began: float) -> float:
    return time.perf_counter() - began


@pytest.mark.parametrize("text", [MARKS, "a" + MARKS, "x" * 257])
def test_a_long_text_is_refused_before_any_work(text: str) -> None:
    began = time.perf_counter()
    for work in (people.key_of, people.canonical_password, fold):
        with pytest.raises(TooLongError):
            work(text)
    with pytest.raises(TooLongError):
        normalize(text, "NFC")
    with pytest.raises(InvalidError, match="1 to 100"):
        people.parse_name(text)
    with pytest.raises(InvalidError, match="12 to 256"):
        people.check_password(text, "Ada")
    assert not is_all(r"(\s|.)*", text)
    assert seconds_of(began) < 0.5


def test_the_limit_itself_is_allowed() -> None:
    assert bounded("x" * 256) == "x" * 256
    assert people.canonical_password("p" * 256) == "p" * 256
    assert fold("ÅDA\ufdfa" * 64)
    assert people.key_of("ÀDA") == people.key_of("a\u0300da")


def calls_in(path: Path) -> Iterator[str]:
    """The names of the functions and methods that a module calls."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute):
                yield node.func.attr
            elif isinstance(node.func, ast.Name):
                yield node.func.id


def product() -> Iterator[tuple[str, Path]]:
    """The modules of the service, by their path in it, and those of the policies; not the sandbox."""
    for path in SERVICE.rglob("*.py"):
        if "sandbox" not in path.parts:
            yield str(path.relative_to(SERVICE)), path
    for path in (SERVICE.parent / "policies").rglob("*.py"):
        yield str(path.relative_to(SERVICE.parent)), path


def test_only_bounded_modules_normalize_or_fold() -> None:
    found = {
        name
        for name, path in product()
        if "unicodedata" in path.read_text() or "casefold" in calls_in(path)
    }
    assert found == {"domain/texts.py", "policies/host/marks.py"}


BOUNDED_BY = {
    "access/policies/plugins.py": "names of distributions",
    "admin/imports/csv_file.py": "10,000 characters a line",
    "admin/imports/known_numbers.py": "names at Vapi",
    "cli/policy_kit/commands.py": "the pattern: at most 63 characters",
    "domain/call_records/details.py": "100 characters, or 40 of a message",
    "domain/calls.py": "200 characters",
    "domain/network/forward_urls.py": "2,000 characters by its field",
    "domain/organization_secret.py": "the pattern: 81 characters",
    "domain/texts.py": "its own limit",
    "domain/wording/blocked_messages.py": "1,000 characters by its field",
    "inputs/database_urls.py": "4,096 characters",
    "inputs/hosts.py": "256 characters",
    "inputs/languages.py": "256 characters",
    "inputs/names.py": "256 characters; of a longer text by its field, in linear time",
    "inputs/urls.py": "2,000 characters",
    "log.py": "20,000 characters, in linear time",
    "policies/caller_rules.py": "256 characters",
    "policies/host/callers.py": "a message's address of a caller, in linear time",
    "policies/host/diversions.py": "the patterns: at most 506 characters",
    "policies/host/ids.py": "100 characters, or the pattern",
    "policies/host/isolation.py": "names of classes",
    "policies/host/marks.py": "one character, or 256",
    "policies/host/phone_numbers.py": "256 characters",
    "policies/host/registration.py": "the pattern: at most 63 characters",
    "policies/host/spoken.py": "1,000 characters by its field or a setting",
    "policies/host/verdicts.py": "the pattern: at most 63 characters",
    "policies/host/week.py": "a setting of 16 KiB, in linear time",
    "relay/redaction.py": "valid JSON up to the limit of a body, in linear time",
    "settings/webhook.py": "settings",
    "settings/policies.py": "the pattern: at most 63 characters",
    "settings/durations.py": "a setting, and at most 10 characters by the pattern",
    "settings/loading.py": "names and values of the environment",
    "settings/strength.py": "a setting",
    "store/postgres/server.py": "a setting",
    "store/schema.py": "our own files",
    "vapi/answers.py": "what is kept of an answer of Vapi's; a header of Vapi's",
    "vapi/authenticity.py": "a header of 8 KiB",
    "vapi/control.py": "2,048 characters",
    "vapi/elements.py": "an answer of Vapi's of 16 MiB; the pattern: at most 200 characters",
    "vapi/message_heads.py": "the pattern: at most 128 characters, a cut text, or our own fields",
    "web/api/idempotency.py": "a header of 8 KiB",
    "web/api/preconditions.py": "a header of 8 KiB",
    "web/api/operations.py": "our own paths",
    "web/exports/csv_files.py": "the pattern: at most 16 characters",
    "web/panel/organizations/policies.py": "2,000 characters of a setting's description",
    "web/panel/people/account.py": "300 characters of a header",
}
"""Every module that runs regular expressions, and what bounds the text before it does."""

METHODS = {"fullmatch", "match", "search", "sub", "subn", "finditer", "findall", "split"}


def runs_patterns(path: Path) -> bool:
    """Whether a module calls `re` or a compiled pattern, which is named in capitals."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            name = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
            if node.func.attr in METHODS and (name == "re" or name.isupper()):
                return True
    return False


def test_no_regular_expression_runs_on_text_without_a_limit() -> None:
    found = {name for name, path in product() if runs_patterns(path)}
    assert found == set(BOUNDED_BY), "say what bounds the text, or use `texts.is_all`"
