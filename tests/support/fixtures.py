"""The scenes that tests play on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from pydantic import HttpUrl, SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool
from temporalio.client import Client

from channels import registry
from db.migrate import upgrade
from local.embedded.postgres import NOT_DURABLE, EmbeddedPostgres
from local.embedded.test_server import find_or_get_test_server, time_skipping
from local.stand_ins.smtp_sink import SmtpSink
from local.stand_ins.telegram_api import TelegramApi
from settings import Settings
from temporal import schedules
from temporal.attributes import add_search_attributes
from temporal.client import DATA_CONVERTER
from tests.sms_channel.plan import SMS
from tests.sms_channel.stand_in import SmsGateway
from tests.support.channels_under_test import SmsUnderTest
from tests.support.data import Platform
from tests.support.databases import OWN_DATABASE
from tests.support.deactivations import Deactivations
from tests.support.due_scans import DueScans
from tests.support.health_scene import ADMIN, ADMIN_CHAT, PING_PATH, HealthScene, Pages
from tests.support.renewals import Renewals
from tests.support.scanning import schedules_answer
from tests.support.scene import Scene
from tests.support.serving import RunWorker
from tests.support.settings_for import MakeSettings
from tests.support.time_skipping import SkippingScene
from workflows import search_attributes


@pytest.fixture
def scene(
    temporal: Client,
    settings: Settings,
    platform: Platform,
    smtp_sink: SmtpSink,
    telegram_api: TelegramApi,
    postgres: EmbeddedPostgres,
    run_worker: RunWorker,
) -> Scene:
    return Scene(temporal, settings, platform, smtp_sink, telegram_api, postgres, run_worker)


@pytest.fixture
def scans(engine: AsyncEngine, settings: Settings) -> DueScans:
    """Scans of the application's default settings, and at times that the test chooses."""
    return DueScans(engine, settings)


@pytest.fixture(scope="session")
async def test_server() -> list[str]:
    """The command of Temporal's test server; the first time on a machine it is fetched."""
    return await find_or_get_test_server()


@pytest.fixture
async def skipping(
    test_server: list[str],
    tmp_path: Path,
    engine: AsyncEngine,
    make_settings: MakeSettings,
    platform: Platform,
    smtp_sink: SmtpSink,
    telegram_api: TelegramApi,
) -> AsyncIterator[SkippingScene]:
    """With the application's own gaps between attempts, and a server of the test's own: its time only goes forward."""
    settings = make_settings(email_retry_initial=30, telegram_retry_initial=5)
    async with time_skipping(test_server, tmp_path, DATA_CONVERTER) as environment:
        await add_search_attributes(environment.client, search_attributes.ALL)  # this server lists none
        yield SkippingScene(environment, engine, settings, platform, smtp_sink, telegram_api)


@pytest.fixture
def deactivations(platform: Platform, settings: Settings) -> Deactivations:
    """Deactivations of the application's default settings, and at times that the test chooses."""
    return Deactivations(platform, settings)


@pytest.fixture
def renew(platform: Platform) -> Renewals:
    """`await renew(slug, until)`."""
    return Renewals(platform)


@pytest.fixture
async def own_postgres(tmp_path: Path) -> AsyncIterator[EmbeddedPostgres]:
    """A server of the test's own, since all others share the session's."""
    async with EmbeddedPostgres(tmp_path / "postgres", settings=NOT_DURABLE) as server:
        await server.create_database(OWN_DATABASE)
        yield server


@pytest.fixture
async def scene_on_own_postgres(
    temporal: Client,
    settings: Settings,
    smtp_sink: SmtpSink,
    telegram_api: TelegramApi,
    run_worker: RunWorker,
    own_postgres: EmbeddedPostgres,
) -> AsyncIterator[Scene]:
    """A scene with its rows on a server that the test may stop."""
    url = own_postgres.database_url(OWN_DATABASE)
    settings = settings.model_copy(update={"database_url": SecretStr(url)})
    await upgrade(settings)
    engine = create_async_engine(url, poolclass=NullPool)  # no connection of ours that the stop would break
    yield Scene(temporal, settings, Platform(engine), smtp_sink, telegram_api, own_postgres, run_worker)
    await engine.dispose()


@pytest.fixture
async def health(scene: Scene) -> AsyncIterator[HealthScene]:
    """All is well, and checks find it so."""
    pages = Pages()
    await pages.start()
    await schedules.apply(scene.client, scene.settings)
    scene = scene.with_settings(
        admin_email=ADMIN,
        telegram_admin_chat_id=ADMIN_CHAT,
        health_api_url=HttpUrl(pages.url),
        health_ping_url=HttpUrl(pages.url + PING_PATH),
    )
    await schedules_answer(scene.client, scene.settings)
    yield HealthScene(scene, pages)
    await pages.stop()


@pytest.fixture
async def sms_gateway(reserved_port: Callable[[], int]) -> AsyncIterator[SmsGateway]:
    async with SmsGateway(port=reserved_port()) as gateway:
        yield gateway


@pytest.fixture
def sms_registered(monkeypatch: pytest.MonkeyPatch, sms_gateway: SmsGateway) -> SmsUnderTest:
    """The third channel, known to this process and configured until the test has ended.

    Name it in `usefixtures`: what a test's workflows did is replayed at its end, and the channel has to be there still.
    """
    sms = SmsUnderTest(sms_gateway)
    monkeypatch.setitem(registry._plans, SMS.name, SMS)
    for name, value in sms.environment.items():
        monkeypatch.setenv(name, value)
    return sms
