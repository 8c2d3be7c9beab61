"""Commands find an organization by what people have at hand: also by the name that the panel shows."""

import json
from pathlib import Path
from typing import Any

from tests.support.commands import clean_environment, run_beside
from tests.support.service import Replica, unused_port


async def explain(dsn: str, folder: Path, word: str) -> Any:
    given = {"DATABASE_URL": dsn, "CALLGATE_PORT": str(unused_port())}
    environment = clean_environment(**given, CALLGATE_DATA_DIR=str(folder))
    return await run_beside(environment, "explain", word, "--json")


async def test_an_organization_is_found_by_its_exact_name(
    callgate: Replica, dsn: str, tmp_path: Path
) -> None:
    made = await callgate.add_organization("Café  du\u00a0Nord", external_id="crm/1 ü")
    for word in (made.upper(), "crm/1 ü", "Café du Nord", " Cafe\u0301 du\u00a0 Nord "):
        done = await explain(dsn, tmp_path, word)
        assert (done.returncode, json.loads(done.stdout)["organization_id"]) == (0, made), word


async def test_no_name_or_one_of_several_is_refused_with_the_remedy(
    callgate: Replica, dsn: str, tmp_path: Path
) -> None:
    for _ in range(2):
        await callgate.add_organization("Twins")
    for word in ("Twins", "Nord"):
        done = await explain(dsn, tmp_path, word)
        assert (done.returncode, done.stdout) == (1, "")
        assert f"There is no organization '{word}'. Give its id, its external id" in done.stderr
