"""deploy/postgres/roles.sql: the owner migrates, the application does its whole job, the reader reads, and no more."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import TextClause, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool
from temporalio.client import Client

from db.migrate import downgrade, upgrade
from db.models import Base
from local.embedded.postgres import EmbeddedPostgres
from local.embedded.postgres_install import find_programs
from local.stand_ins.smtp_sink import SmtpSink
from local.stand_ins.telegram_api import TelegramApi
from settings import Settings
from temporal import schedules
from tests.support.calling_api import calling
from tests.support.command_line import WHY, cli
from tests.support.data import Platform, in_days
from tests.support.health_scene import ADMIN
from tests.support.product import ROOT, python_files
from tests.support.psql import psql
from tests.support.scene import Scene
from tests.support.serving import RunWorker
from tests.support.settings_for import settings_for
from tests.support.worker_process import environment

SCRIPT = ROOT / "deploy" / "postgres" / "roles.sql"
OWNER, APP, READER = "expiry_owner", "expiry_app", "expiry_reader"
DATABASE = "with_roles"

INSUFFICIENT_PRIVILEGE = "42501"
WITHHELD = {
    "ar_contents": {"title"},
    "companies": {"name"},
    "contacts": {"address", "address_key", "label"},
    "deliveries": {
        *("recipient", "subject", "body", "body_html", "provider_reply", "refusal"),
        *("text_sha256", "html_sha256", "earlier_attempts"),
    },
    "interventions": {"why", "address", "before"},
    "notifications": {"subject", "message", "metadata"},
    "pauses": {"why"},
    "problems": {"subject"},
    "projects": {"name", "tags", "metadata"},
    "requested_tests": {"api_key", "idempotency_key", "fingerprint"},
    "suppressions": {"address", "provider_reply"},
}
"""What the reader may not see: a column that is added is decided here and in the script."""


class Roles:
    """A database that the owner has migrated, with an engine for each role."""

    def __init__(self, postgres: EmbeddedPostgres) -> None:
        self.postgres = postgres

    def url(self, role: str) -> str:
        return make_url(self.postgres.database_url(DATABASE)).set(username=role).render_as_string(hide_password=False)

    def settings(self, role: str) -> Settings:
        return Settings(database_url=SecretStr(self.url(role)))

    @asynccontextmanager
    async def connected(self, role: str) -> AsyncIterator[AsyncConnection]:
        """A transaction of the role, which is rolled back."""
        engine = create_async_engine(self.url(role), poolclass=NullPool)
        async with engine.connect() as connection:
            yield connection
        await engine.dispose()

    async def run_script(self, *arguments: str) -> tuple[int, str]:
        status, _, err = await psql(self.postgres, "--quiet", f"--dbname={DATABASE}", *arguments, f"--file={SCRIPT}")
        return status, err


@pytest.fixture(scope="module")
async def roles(postgres: EmbeddedPostgres) -> AsyncIterator[Roles]:
    """As an operator does it: the roles, the migration by the owner, and the roles again. At the end the owner takes it
    all down."""
    await postgres.create_database(DATABASE)
    roles = Roles(postgres)
    assert await roles.run_script() == (0, "")
    await upgrade(roles.settings(OWNER))
    assert await roles.run_script() == (0, "")
    yield roles
    await downgrade(roles.settings(OWNER))
    await postgres.drop_database(DATABASE)


@pytest.fixture
async def platform(roles: Roles) -> AsyncIterator[Platform]:
    """Rows made by the superuser."""
    engine = create_async_engine(roles.url("postgres"), poolclass=NullPool)
    yield Platform(engine)
    await engine.dispose()


@pytest.fixture
async def app_scene(
    roles: Roles,
    platform: Platform,
    temporal: Client,
    smtp_sink: SmtpSink,
    telegram_api: TelegramApi,
    postgres: EmbeddedPostgres,
    run_worker: RunWorker,
) -> Scene:
    """A scene whose worker, API and commands are the application's role."""
    settings = settings_for(roles.url(APP), smtp_sink, telegram_api, admin_email=ADMIN)
    return Scene(temporal, settings, platform, smtp_sink, telegram_api, postgres, run_worker)


async def test_the_application_does_its_whole_job(app_scene: Scene, app_engine: AsyncEngine) -> None:
    scene = app_scene
    await schedules.apply(scene.client, scene.settings)
    await scene.due_project(slug="harbour")
    ended = await scene.platform.company(contact_email="b@customer.example", telegram_chat_id=78)
    project = await scene.platform.project(ended, slug="walk", expires_at=in_days(-1))
    await scene.platform.content(ended, project)
    run = environment(scene.client, scene.settings)
    async with scene.worker():
        await scene.scan()
        await scene.deactivate()
        async with calling(scene.settings, app_engine, scene.client) as http:
            body = {"email": "test@customer.example", "subject": "T"}
            answer = await http.post("/notifications/test", json=body, headers={"Idempotency-Key": "one"})
            assert answer.status_code == 202, answer.text
            assert (await http.get("/readyz")).status_code == 200
            assert (await http.get("/notifications")).status_code == 200
        checked = await cli("check-health", "--wait", "--json", environment=run)
        assert not [code for code in checked.json["problems"] if "database" in code or "unchecked" in code], checked.out
        await scene.children_end()
        renewing = ("renew", "walk", "--until", "+365d", *WHY)
        ran = await asyncio.gather(
            *(cli(*each, environment=run) for each in (("import", "examples"), renewing, ("pause", *WHY)))
        )
        ran.append(await cli("resume", "--by", "anna", environment=run))
        assert [(each.status, each.err) for each in ran if each.status] == []

    statuses = {(each.notification_type, each.status) for each in await scene.platform.notifications()}
    assert {("expiring", "delivered"), ("expired", "delivered"), ("test", "delivered")} <= statuses
    assert await scene.platform.rows("SELECT code FROM problems WHERE code = 'database_refuses'") == []


@pytest.fixture
async def app_engine(roles: Roles) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(roles.url(APP), poolclass=NullPool)
    yield engine
    await engine.dispose()


def statements() -> Iterator[tuple[str, TextClause]]:
    """Every statement that a module of `db` has made, by its place."""
    for file in python_files("db"):
        if "migrations" in file.parts or file.stem == "__init__":
            continue
        module = importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
        for name, value in vars(module).items():
            if isinstance(value, TextClause):
                yield f"{module.__name__}.{name}", value


async def test_the_application_may_run_every_statement(roles: Roles) -> None:
    """PostgreSQL checks the grants of a statement that it only explains."""
    explained = 0
    async with roles.connected(APP) as connection:
        for place, statement in statements():
            if not statement.text.lstrip().upper().startswith(("SELECT", "WITH", "INSERT", "UPDATE", "DELETE", "(")):
                continue
            parameters = dict.fromkeys(statement._bindparams)
            explain = text(f"EXPLAIN {statement.text}").bindparams(*statement._bindparams.values())
            try:
                await connection.execute(explain, parameters)
            except DBAPIError as error:
                pytest.fail(f"{place}: {error.orig}")
            explained += 1
    assert explained > 60


REFUSED_TO_THE_APPLICATION = (
    "SELECT nextval('companies_id_seq')",
    "SELECT setval('companies_id_seq', 1)",
    "DROP TABLE leases",
    "ALTER TABLE leases ADD COLUMN x int",
    "TRUNCATE leases",
    "CREATE TABLE x (x int)",
    "CREATE TEMPORARY TABLE x (x int)",
    "CREATE ROLE x",
    "CREATE INDEX ON leases (until)",
    "UPDATE alembic_version SET version_num = '0001'",
    "DELETE FROM companies",
    "DELETE FROM deliveries",
    "UPDATE interventions SET operator = 'x'",
    "UPDATE requested_tests SET api_key = 'x'",
)
REFUSED_TO_THE_READER = (
    "INSERT INTO pauses (operator, why) VALUES ('x', 'x')",
    "UPDATE problems SET subject = 'x'",
    "DELETE FROM problems",
    "TRUNCATE problems",
    "CREATE TABLE x (x int)",
    "CREATE TEMPORARY TABLE x (x int)",
    "SELECT * FROM deliveries",
    "SELECT address FROM contacts",
    "SELECT message FROM notifications_flat",
    "SELECT id FROM notifications FOR UPDATE",
)


async def test_the_application_backs_up_and_another_role_verifies(roles: Roles, tmp_path: Path) -> None:
    backup = partial(cli, "--programs", str(find_programs()), "create", str(tmp_path), program=("-m", "deploy.backup"))
    for role in (APP, OWNER):
        alone = await backup(environment={"DATABASE_URL": roles.url(role)})
        assert (alone.status, "permission denied to create database" in alone.err) == (1, True), alone.err
    verified = await backup("--server", roles.url("postgres"), environment={"DATABASE_URL": roles.url(APP)})
    assert (verified.status, ": verified, taken " in verified.out) == (0, True), verified.err


@pytest.mark.parametrize(
    ("role", "statements"), [(APP, REFUSED_TO_THE_APPLICATION), (READER, REFUSED_TO_THE_READER)], ids=[APP, READER]
)
async def test_it_is_refused_what_it_need_not_do(roles: Roles, role: str, statements: tuple[str, ...]) -> None:
    for statement in statements:
        async with roles.connected(role) as connection:
            await connection.execute(text("SET TRANSACTION READ WRITE"))
            with pytest.raises(DBAPIError) as error:
                await connection.execute(text(statement))
            assert getattr(error.value.orig, "sqlstate", None) == INSUFFICIENT_PRIVILEGE, statement


async def test_the_reader_sees_every_column_that_is_nobodys_data_or_secret(roles: Roles) -> None:
    async with roles.connected(READER) as connection:
        rows = await connection.execute(
            text(
                "SELECT table_name, column_name, has_column_privilege(format('public.%I', table_name), column_name,"
                " 'SELECT') AS readable FROM information_schema.columns WHERE table_schema = 'public'"
            )
        )
        seen: dict[str, set[str]] = {}
        for row in rows:
            if row.readable:
                seen.setdefault(row.table_name, set()).add(row.column_name)
        for table in seen:
            await connection.execute(text(f"SELECT count(*) FROM {table}"))  # noqa: S608 - the schema's own names
        assert await connection.scalar(text("SHOW transaction_read_only")) == "on"
    columns = {table.name: {column.name for column in table.columns} for table in Base.metadata.sorted_tables}
    columns["alembic_version"] = {"version_num"}
    assert seen == {name: every - WITHHELD.get(name, set()) for name, every in columns.items()}


async def test_a_table_of_a_later_release_is_open_to_the_application_and_closed_to_the_reader(roles: Roles) -> None:
    owner = Platform(create_async_engine(roles.url(OWNER), poolclass=NullPool))
    await owner.execute("CREATE TABLE later (id bigint GENERATED ALWAYS AS IDENTITY, x text)")
    async with roles.connected(APP) as connection:
        await connection.execute(text("INSERT INTO later (x) VALUES ('y')"))
        await connection.execute(text("DELETE FROM later"))
        await connection.execute(text("SELECT last_value FROM later_id_seq"))
    async with roles.connected(READER) as connection:
        with pytest.raises(DBAPIError):
            await connection.execute(text("SELECT x FROM later"))
    assert await roles.run_script() == (0, "")
    async with roles.connected(APP) as connection:
        await connection.execute(text("UPDATE later SET x = 'z'"))
    await owner.execute("DROP TABLE later")
    await owner.engine.dispose()


async def test_the_roles_have_the_names_that_the_operator_gives_and_must_differ(roles: Roles) -> None:
    status, err = await roles.run_script("--set=owner=expiry_owner", "--set=app=expiry_owner")
    assert status == 3
    assert "owner, app and reader must be three roles" in err
    assert await roles.run_script("--set=app=Another app") == (0, "")
    async with roles.connected("Another app") as connection:
        await connection.execute(text("SELECT count(*) FROM companies"))
