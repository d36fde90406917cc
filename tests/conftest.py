"""Real servers for all tests: one PostgreSQL and one Temporal a session, a database and a namespace a test."""

from __future__ import annotations

import atexit
import itertools
import logging
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path

import hypothesis
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from db.engine import create_engine
from db.migrate import upgrade
from local.embedded.postgres import NOT_DURABLE, EmbeddedPostgres
from local.embedded.temporal import EmbeddedTemporal
from local.stand_ins.smtp_sink import SmtpSink
from local.stand_ins.telegram_api import TelegramApi
from runtime import leaving
from settings import Settings
from temporal.attributes import register_search_attributes
from temporal.client import DATA_CONVERTER
from tests.replay.replaying import replay_namespace
from tests.support.data import Platform
from tests.support.databases import TEMPLATE
from tests.support.reserved import ReservedPort
from tests.support.serving import RunWorker, serving
from tests.support.settings_for import MakeSettings, settings_for

pytest_plugins = ["tests.support.fixtures"]

hypothesis.settings.register_profile("untimed", deadline=None)  # a test never asserts how long something took
hypothesis.settings.load_profile("untimed")


_sessions: list[pytest.Session] = []


def pytest_configure(config: pytest.Config) -> None:
    """All that a run writes is in one temporary folder, which goes with it. pytest-xdist's processes share that of the
    process that started them.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell starts what it puts in the background with Ctrl-C ignored; the programs under test would inherit that.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(config, "workerinput"):
        return
    folder = tempfile.TemporaryDirectory(prefix="expiry-tests-", ignore_cleanup_errors=True)
    config.add_cleanup(folder.cleanup)
    variables = pytest.MonkeyPatch()
    config.add_cleanup(variables.undo)
    variables.setenv("TMPDIR", folder.name)
    variables.setattr(tempfile, "tempdir", folder.name)
    config.option.basetemp = config.option.basetemp or f"{folder.name}/pytest"


def _leave() -> None:
    leaving.leave(int(_sessions[-1].exitstatus))


def pytest_sessionstart(session: pytest.Session) -> None:
    """The environment of whoever runs the tests has no say in them. At the end the process leaves by `runtime.leaving`:
    the interpreter's own exit sometimes aborts after the Temporal client was used, when all has passed. What was
    registered with `atexit` after this still runs.
    """
    if not _sessions:
        atexit.register(_leave)
    _sessions.append(session)
    for name in Settings.model_fields:
        os.environ.pop(name.upper(), None)
    for name in [name for name in os.environ if name.startswith("TEMPORAL_")]:
        del os.environ[name]


@pytest.fixture(scope="session")
def servers_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="expiry-servers-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
async def postgres(servers_folder: Path) -> AsyncIterator[EmbeddedPostgres]:
    async with EmbeddedPostgres(servers_folder / "postgres", settings=NOT_DURABLE) as server:
        await server.create_database(TEMPLATE)
        await upgrade(Settings(database_url=server.database_url(TEMPLATE)))
        yield server


@pytest.fixture(scope="session")
def namespaces(request: pytest.FixtureRequest) -> list[str]:
    """One for each test that needs one; of several processes each gets three quarters of them, since they share the
    tests unevenly.

    Made when the server starts: one that is made later takes seconds until every part of the server knows it. No more
    than needed: the server runs a worker of its own in each.
    """
    tests = sum("temporal" in getattr(item, "fixturenames", ()) for item in request.session.items)
    alone = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) == 1
    share = tests if alone else max(tests * 3 // 4 + 10, min(tests, 60))  # one process may get all of a few
    return [f"test-{number}" for number in range(share)]


@pytest.fixture(scope="session")
async def temporal_server(servers_folder: Path, namespaces: list[str]) -> AsyncIterator[EmbeddedTemporal]:
    async with EmbeddedTemporal(servers_folder / "temporal.log", extra_namespaces=namespaces) as server:
        yield server


@pytest.fixture(scope="session")
def unused_namespaces(namespaces: list[str]) -> Iterator[str]:
    return iter(namespaces)


@pytest.fixture
async def new_namespace(temporal_server: EmbeddedTemporal, unused_namespaces: Iterator[str]) -> AsyncIterator[Client]:
    """A client in a namespace of this test's own, which does not know our search attributes. At the end every workflow
    that ran there is replayed."""
    namespace = next(unused_namespaces, None)
    assert namespace is not None, "this process got more tests than it has namespaces"
    client = await Client.connect(temporal_server.address, namespace=namespace, data_converter=DATA_CONVERTER)
    yield client
    await replay_namespace(client)


@pytest.fixture
async def temporal(new_namespace: Client) -> Client:
    """A client in a namespace of this test's own, ready for workflows."""
    await register_search_attributes(new_namespace)
    return new_namespace


_database_numbers = itertools.count(1)


@pytest.fixture
async def database_url(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """A migrated, empty database of this test's own."""
    name = f"test_{next(_database_numbers)}"
    await postgres.create_database(name, template=TEMPLATE)
    yield postgres.database_url(name)
    await postgres.drop_database(name)


@pytest.fixture
def reserved_port() -> Iterator[Callable[[], int]]:
    """Gives ports that nobody else gets until the test has ended, also while the test's server is stopped."""
    reserved: list[ReservedPort] = []

    def reserve() -> int:
        reserved.append(ReservedPort())
        return reserved[-1].number

    yield reserve
    for each in reserved:
        each.release()


@pytest.fixture
async def smtp_sink(reserved_port: Callable[[], int]) -> AsyncIterator[SmtpSink]:
    async with SmtpSink(port=reserved_port()) as sink:
        yield sink


@pytest.fixture
async def telegram_api(reserved_port: Callable[[], int]) -> AsyncIterator[TelegramApi]:
    async with TelegramApi(port=reserved_port()) as api:
        yield api


@pytest.fixture
def make_settings(database_url: str, smtp_sink: SmtpSink, telegram_api: TelegramApi) -> MakeSettings:
    """Settings for this test's servers; keyword arguments go before."""
    return partial(settings_for, database_url, smtp_sink, telegram_api)


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    return make_settings()


@pytest.fixture
async def engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(settings, "test")
    yield engine
    await engine.dispose()


@pytest.fixture
def platform(engine: AsyncEngine) -> Platform:
    """Companies and projects to be made in this test's database."""
    return Platform(engine)


@pytest.fixture
def run_worker(temporal: Client) -> RunWorker:
    """Workers in the test's own namespace."""
    return serving(temporal)


@pytest.fixture(autouse=True)
def _quiet_temporal(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, logger="temporalio")
