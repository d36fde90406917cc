"""The scene that most tests of the scan and the child play on."""

from __future__ import annotations

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from settings import Settings
from stand_ins.smtp_sink import SmtpSink
from stand_ins.telegram_api import TelegramApi
from tests.conftest import RunWorker
from tests.data import Platform
from tests.workflows.due_scans import DueScans
from tests.workflows.scene import Scene


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
