"""What live calls need is reckoned by rule, and the document has all of it."""

from pathlib import Path

import orjson

from tests.bench.parts.model import (
    LIMITS,
    Assumptions,
    Costs,
    curve,
    needs_of,
    reached,
    sharded,
    simulate_core,
)
from tests.bench.scale import BEGIN, DOCUMENT, END, write_scale

COSTS = Costs(
    message=80e-6,
    call=2e-3,
    miss=400e-6,
    postgres_call=1.5e-3,
    postgres_miss=200e-6,
    rows=10,
    wal=6000,
    connections=20,
    notification=60e-6,
    delivery=10e-6,
)


def test_needs_grow_with_calls_and_limits_come_in_order() -> None:
    needs = curve(COSTS, Assumptions())
    assert [one.replicas for one in needs] == sorted(one.replicas for one in needs)
    assert needs[0].replicas == 1
    assert needs[-1].notify_cores > 10 * needs[-4].notify_cores, "they grow with the square"
    found = list(reached(COSTS, Assumptions()))
    assert len(found) == len(LIMITS)
    assert [live for _, live in found] == sorted(live for _, live in found)
    assert {one.name: live for one, live in found}["calls that a replica remembers"] == 50_000


def test_a_busier_core_answers_later() -> None:
    late = [simulate_core(COSTS, Assumptions(), busy, 0.003, seed=1) for busy in (0.3, 0.7, 0.95)]
    assert late == sorted(late)
    assert 2 * late[0] < late[-1] < 1


def test_shards_of_one_size_need_the_same_each() -> None:
    given = Assumptions(shard=20_000)
    shards, all_of_them = sharded(100_000, COSTS, given)
    assert shards == 5
    one = needs_of(20_000, COSTS, given)
    assert all_of_them.live == 100_000
    assert all_of_them.replicas == 5 * one.replicas
    assert all_of_them.notify_cores < needs_of(100_000, COSTS, given).notify_cores


def test_only_the_tables_of_the_document_change(tmp_path: Path) -> None:
    document, figures = tmp_path / "scale.md", tmp_path / "figures.json"
    (tmp_path / "pictures").mkdir()
    document.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    slugs = ("granted_call", "message_of_an_unknown_call")
    costs = {
        f"cost.{slug}.{what}": 0.001
        for slug in slugs
        for what in ("service", "postgres", "rows", "wal")
    }
    others = ("cost.connections", "cost.notification", "cost.delivery", "numbers.pause_ms")
    figures.write_bytes(orjson.dumps(costs | dict.fromkeys(others, 0.001) | {"cpu.later": 80e-6}))
    write_scale(figures, document)
    text = document.read_text()
    assert text.startswith(f"before\n{BEGIN}\n\n|")
    assert text.endswith(f"|\n\n{END}\nafter\n")
    assert "| 1,000,000 |" in text
    assert all(limit.remedy in text for limit in LIMITS)
    assert "<svg" in (tmp_path / "pictures" / "scale.svg").read_text()


def test_the_document_of_operators_has_the_marks() -> None:
    assert BEGIN in DOCUMENT.read_text()
