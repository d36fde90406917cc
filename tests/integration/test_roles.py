"""deploy/postgres/init/10-roles.sql, run by psql by hand: without its files it makes no role."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.embedded.postgres import EmbeddedPostgres
from tests.support.product import ROOT
from tests.support.psql import psql

SCRIPT = ROOT / "deploy" / "postgres" / "init" / "10-roles.sql"


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "database_url").write_text("postgresql://expiry:first@db.example:5432/expiry\n")
    (folder / "temporal_password").write_text("second\n")
    return folder


async def run_script(postgres: EmbeddedPostgres, secrets: Path) -> tuple[int, str]:
    script = secrets.parent / "roles.sql"
    script.write_text(SCRIPT.read_text().replace("/run/secrets", str(secrets)))
    status, _, err = await psql(postgres, f"--file={script}")
    return status, err


async def roles(postgres: EmbeddedPostgres) -> str:
    _, out, _ = await psql(
        postgres,
        "--tuples-only",
        "--no-align",
        "--command=SELECT rolname, rolpassword LIKE 'SCRAM%' FROM pg_authid"
        " WHERE rolname IN ('expiry', 'temporal') ORDER BY 1",
    )
    return out


async def test_with_its_files_it_makes_both_roles(own_postgres: EmbeddedPostgres, secrets: Path) -> None:
    assert await run_script(own_postgres, secrets) == (0, "")
    assert await roles(own_postgres) == "expiry|t\ntemporal|t\n"


@pytest.mark.parametrize("file", ["database_url", "temporal_password"])
@pytest.mark.parametrize("content", [None, "", "\n"])
async def test_without_one_of_them_it_stops_and_makes_none(
    own_postgres: EmbeddedPostgres, secrets: Path, file: str, content: str | None
) -> None:
    if content is None:
        (secrets / file).unlink()
    else:
        (secrets / file).write_text(content)
    status, err = await run_script(own_postgres, secrets)
    assert status == 3
    assert f"no password in {secrets}/{file}: write" in err
    assert await roles(own_postgres) == ""


async def test_a_url_without_a_password_is_not_taken(own_postgres: EmbeddedPostgres, secrets: Path) -> None:
    (secrets / "database_url").write_text("postgresql://db.example/expiry\n")
    assert (await run_script(own_postgres, secrets))[0] == 3
    assert await roles(own_postgres) == ""
