"""The benchmark's tables and pictures are right for figures that are known."""

import tomllib
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from aiohttp import web

from tests.bench.__main__ import ALL, NAMES
from tests.bench.baselines.servers import Baseline, NotMeasuredError, prepare
from tests.bench.parts.drawing import Bar, Line, draw_bars, draw_lines
from tests.bench.parts.report import BEGIN, END, Goal, Part, Table, write, write_readme
from tests.bench.parts.throughput import CEILING, NAIVE, SERVICE, Row, build_part
from tests.support.documents import README, ROOT
from tests.support.load import Load, LoadResult
from tests.support.paced import run_paced
from tests.support.service import unused_port


def result(rate: float, failures: int = 0) -> LoadResult:
    return LoadResult(int(rate), 1.0, failures, 0.001, 0.002, 0.003, 1 / rate)


def rows(*, failures: int = 0) -> list[Row]:
    load = Load("http://127.0.0.1:1/", b"{}", "secret")
    names = [CEILING, *SERVICE.values(), NAIVE]
    found = [Row(name, load, 1, [result(1000), result(2000)]) for name in names]
    found[1].results = [result(900), result(1000, failures)]
    return found


def test_ratios_are_those_of_each_round() -> None:
    """Not of the medians: what else the machine does meets both servers of a round."""
    part = build_part(rows(), {})
    cells = next(row for row in part.tables[0].rows if row[0] == SERVICE["later"])
    assert cells[2] == "0.7 (0.5–0.9)"
    assert part.goals[0].value == pytest.approx(0.7)
    assert not part.goals[0].met
    assert part.failures == []


def test_other_answers_are_failures_and_missing_baselines_are_named() -> None:
    part = build_part(rows(failures=3), {"Fastify": "node is missing"})
    assert part.failures == [f"{SERVICE['later']}: 3 answers"]
    assert ("Fastify", "not measured: node is missing") in [row[:2] for row in part.tables[0].rows]
    assert ("Fastify", "not measured: node is missing", "", "") in part.readme
    assert {len(row) for row in part.tables[0].rows} == {len(part.tables[0].head)}


async def test_a_baseline_without_node_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NotMeasuredError, match="node is missing"):
        await prepare(Baseline("Fastify", ("node",), "fastify"))


def test_the_document_shows_goals_tables_and_failures(tmp_path: Path) -> None:
    goals = [Goal("late", 7, 5, "ms"), Goal("fast", 0.9, 0.85, "", least=True)]
    table = Table("Speed", "How.", ("a", "b"), (("x", "1"),), "speed.svg")
    part = Part([table], goals, {"x": 1.5}, {"speed.svg": "<svg/>"}, ["one"])
    write(part, tmp_path, "here", "the command")
    text = (tmp_path / "README.md").read_text()
    assert "| late | < 5 ms | 7 ms | **no** |\n| fast | ≥ 0.85 | 0.9 | yes |" in text
    assert "| a | b |\n|---|---|\n| x | 1 |\n\n![Speed](speed.svg)" in text
    assert "## Failures\n\n- one" in text
    assert (tmp_path / "speed.svg").read_text() == "<svg/>"


def test_only_the_table_of_the_readme_changes(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_readme(Part(readme=[("Callgate", "1", "2", "3")]), readme)
    text = readme.read_text()
    assert text.startswith(f"before\n{BEGIN}\n\n|")
    assert text.endswith(f"|Callgate|1|2|3|\n\n{END}\nafter\n")
    assert "old" not in text


def test_the_readme_has_the_marks() -> None:
    assert BEGIN in README.read_text()


def test_pictures_are_well_formed_and_bars_are_in_proportion() -> None:
    bars = [Bar("a <b>", 100, 90, 110, "100/s"), Bar("b", 50, 50, 50, "50/s", own=True)]
    root = ET.fromstring(draw_bars("Speed & ease", bars))
    widths = [float(one.attrib["width"]) for one in root.findall("{*}rect")[1:]]
    assert widths[0] == pytest.approx(2 * widths[1], abs=0.2)
    ET.fromstring(draw_lines("Late", "x", "y", [Line("a", [(1, 10), (1000, 20), (2000, 0)])]))


async def test_a_fixed_rate_is_kept_and_every_answer_counted() -> None:
    async def handle(request: web.Request) -> web.Response:
        body = await request.json()
        seen.add(body["id"])
        return web.json_response({}, status=500 if len(seen) % 10 == 0 else 200)

    seen: set[str] = set()
    app = web.Application()
    app.router.add_post("/hook", handle)
    runner, port = web.AppRunner(app), unused_port()
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    load = Load(f"http://127.0.0.1:{port}/hook", b'{"id": "CALL-ID"}', "secret")
    found = await run_paced(load, 100, 1.0)
    await runner.cleanup()
    assert found.statuses == {200: 90, 500: 10}
    assert found.failures == 10
    assert len(seen) == 200, "a second of warming, and no call twice"
    assert 0.9 < found.seconds < 5
    assert 0 < found.share(0.5) <= found.share(0.99) < 1


async def test_answers_that_do_not_come_are_failures() -> None:
    load = Load(f"http://127.0.0.1:{unused_port()}/", b"{}", "secret")
    assert (await run_paced(load, 20, 0.5)).failures == 10


def test_every_benchmark_is_listed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    listed = project["tool"]["poe"]["tasks"]["bench"]["help"].partition(": ")[2]
    assert sorted(listed.strip(".").split(", ")) == [name for name in NAMES if name != ALL]
