"""The scene that most tests of the scan and the child play on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from embedded.test_server import find_or_get_test_server, time_skipping
from settings import Settings
from stand_ins.smtp_sink import SmtpSink
from stand_ins.telegram_api import TelegramApi
from temporal_connection import DATA_CONVERTER, register_search_attributes
from tests.conftest import MakeSettings, RunWorker
from tests.data import Platform
from tests.workflows.deactivations import Deactivations
from tests.workflows.due_scans import DueScans
from tests.workflows.renewals import Renewals
from tests.workflows.scene import Scene
from tests.workflows.time_skipping import SkippingScene


@pytest.fixture
def scene(
    temporal: Client,
    settings: Settings,
    platform: Platform,
    smtp_sink: SmtpSink,
    telegram_api: TelegramApi,
    run_worker: RunWorker,
) -> Scene:
    return Scene(temporal, settings, platform, smtp_sink, telegram_api, run_worker)


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
        await register_search_attributes(environment.client)
        yield SkippingScene(environment, engine, settings, platform, smtp_sink, telegram_api)


@pytest.fixture
def deactivations(platform: Platform, settings: Settings) -> Deactivations:
    """Deactivations of the application's default settings, and at times that the test chooses."""
    return Deactivations(platform, settings)


@pytest.fixture
def renew(platform: Platform) -> Renewals:
    """`await renew(slug, until)`."""
    return Renewals(platform)
