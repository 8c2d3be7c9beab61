"""Plain English in everything that a person reads: the list of words to avoid, and what to write.

Checked are docstrings, comments, sentences in code (errors, logs' prose, help), templates and
documents. Text in backticks, links and single words in code are names, not prose.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]

ACTOR = "name the actor: caller, admin, operator, replica, worker, plugin"

BETTER = {
    r"nobody|no one": ACTOR,
    r"somebody|someone": ACTOR,
    r"everybody|everyone": ACTOR,
    r"anybody|anyone": ACTOR,
    r"whoever|whosoever": ACTOR,
    r"strangers?|strangers?'s?": "third-party plugin, unknown sender, another process",
    r"of old": "previous, earlier",
    r"(?:is|are|was|were|be|been|being) told": "say who reports what, in the active voice",
    r"as told": "as given",
    r"what (?:is|was|were|stands|stood) there": "the existing …, the previous …",
    r"what (?:is|was|came|comes|became|becomes) of": "the result, the state",
    r"what (?:was|is) before": "the previous …",
    r"for ever": "until cancelled, permanently",
    r"for good": "permanently",
    r"in each other's way": "interfered with each other",
    r"as (?:it|they|all) should be": "in sync, healthy",
    r"ha(?:s|ve|d) (?:no|its|their|his) say": "no opinion",
    r"once more": "again",
    r"giv(?:e|es|en|ing) up|gave up": "release; retries are exhausted; discard",
    r"now and then": "periodically, occasionally",
    r"at another instant": "at another time",
    r"put aside|puts aside|putting aside": "ignored, quarantined, kept",
    r"one of ours": "invalid, unknown, known",
    r"heed(?:s|ed|ing)?": "stop ignoring",
    r"inbox": "unknown numbers",
    r"mend(?:s|ed|ing)?": "repair, fix",
    r"your word|somebody's word": "your approval",
    r"refuses? to tell": "denied the query",
    r"got nowhere": "failed",
    r"tall(?:y|ies)": "metrics",
    r"come to pass|comes to pass": "happen",
    r"it (?:is|was) not well|not well": "unhealthy",
    r"in whatever way|by whatever way": "any",
    r"without a word": "silently",
    r"lets us not in": "rejected the sign-in",
    r"long past": "old, expired",
    r"out of the way": "remove",
    r"asked about by itself": "checked individually",
    r"(?:is|are|was) there twice": "is repeated",
    r"may not touch": "lacks the scope",
    r"what (?:stands|lies) there": "the existing …",
    r"overruled": "shadowed",
    r"is no concern of": "does not concern",
    r"(?:goes|go|going|went|come|comes) back to what": "is restored to",
    r"what (?:comes|happens) by itself": "upcoming changes",
    r"only a look": "dry run",
    r"look(?:s|ed)? of its own": "check",
    r"never heard of": "unknown, unregistered",
    r"answered for": "acknowledged",
    r"lock(?:s|ed|ing)? each other out": "deadlock",
    r"last words": "last output, final message",
    r"to the letter of": "exactly as in",
    r"doing it twice changes nothing": "idempotent",
    r"the likes? of": "such as",
    r"as good as none": "equivalent to none",
    r"in its turn": "when due",
}
"""Words and phrases that are not plain English here, each with what to write in its place."""

ALLOWED: dict[tuple[str, str], str] = {
    ("service/web/panel/templates/unknown_numbers/list.html", "heed"): "a part of an address",
}
"""(file, phrase as it stands): why the phrase reads best there."""

PYTHON = ("service", "policies", "migrations", "tests")
PROSE = ("*.md", "deploy/**/*.md", "deploy/**/*.yaml", "deploy/**/*.yml", "service/**/*.md")
TEMPLATES = ("service/web/panel/templates/**/*.html", "service/web/panel/static/*.js")
SKIPPED = frozenset({"tests/test_language.py", "CHANGELOG.md"})

SQL = re.compile(r"\b(?:SELECT|INSERT INTO|UPDATE|DELETE FROM|CREATE|ALTER|WHERE)\b")
CODE = re.compile(r"```.*?```|`[^`\n]*`|https?://\S+", re.DOTALL)

GAP = r"\s+"
ADVICE = {f"phrase_{index}": better for index, better in enumerate(BETTER.values())}
PHRASES = re.compile(
    r"(?<![\w-])(?:"
    + "|".join(
        f"(?P<phrase_{index}>{pattern.replace(' ', GAP)})" for index, pattern in enumerate(BETTER)
    )
    + r")(?![\w-])",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Passage:
    """Some prose, the file it stands in and its first line."""

    file: str
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Slip:
    """A phrase to avoid, where it stands, and what to write."""

    passage: Passage
    line: int
    phrase: str
    better: str

    def __str__(self) -> str:
        return f"{self.passage.file}:{self.line}: {self.phrase!r} → {self.better}"


def read_passages() -> Iterator[Passage]:
    """Every piece of prose in the product, its tests and its documents."""
    for folder in PYTHON:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield from read_python(path)
    for pattern in (*PROSE, *TEMPLATES):
        for path in sorted(ROOT.glob(pattern)):
            yield Passage(name_of(path), 1, path.read_text())


def read_python(path: Path) -> Iterator[Passage]:
    """Docstrings and sentences of a module, then its comments."""
    source = path.read_text()
    wanted = read_docstrings if name_of(path).startswith("tests/") else read_strings
    for node, text in wanted(ast.parse(source)):
        if is_prose(text):
            yield Passage(name_of(path), node.lineno, text)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield Passage(name_of(path), token.start[0], token.string)


def read_strings(tree: ast.Module) -> Iterator[tuple[ast.expr, str]]:
    """Every string of a module, docstrings included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node, node.value


def read_docstrings(tree: ast.Module) -> Iterator[tuple[ast.expr, str]]:
    """The strings that are statements of their own. In tests all others are data or quotations."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            value = node.value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield value, value.value


def is_prose(text: str) -> bool:
    """Whether a string in code is a sentence, as opposed to a name or a statement for PostgreSQL."""
    return " " in text and SQL.search(text) is None


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blank(match: re.Match[str]) -> str:
    """As many spaces as the code has letters, so that lines keep their numbers."""
    return re.sub(r"[^\n]", " ", match[0])


def find_slips(passage: Passage) -> Iterator[Slip]:
    """The phrases of a passage that the list names."""
    text = CODE.sub(blank, passage.text)
    for found in PHRASES.finditer(text):
        phrase = " ".join(found[0].split())
        if (passage.file, phrase) not in ALLOWED:
            line = passage.line + text.count("\n", 0, found.start())
            yield Slip(passage, line, phrase, ADVICE[str(found.lastgroup)])


def is_held(file: str) -> bool:
    return file not in SKIPPED


def test_what_people_read_is_plain_english() -> None:
    slips = [
        str(slip)
        for passage in read_passages()
        if is_held(passage.file)
        for slip in find_slips(passage)
    ]
    assert not slips, "\n".join([f"{len(slips)} phrases to rewrite:", *slips])


def test_a_slip_is_found_where_it_stands() -> None:
    passage = Passage("a.py", 7, "Ask the caller.\nThen `nobody` calls;\nsomebody is told.")
    assert [(slip.line, slip.phrase) for slip in find_slips(passage)] == [
        (9, "somebody"),
        (9, "is told"),
    ]


def test_every_exception_is_still_needed() -> None:
    unused = [
        f"{file}: {phrase}"
        for file, phrase in ALLOWED
        if phrase not in " ".join((ROOT / file).read_text().split())
    ]
    assert not unused, "remove from ALLOWED: " + ", ".join(unused)
