"""A real Chromium, and a scan that has run, for tests that look at what people see."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Locator, Page, async_playwright, expect
from temporalio.client import Client

from db.engine import create_engine
from local.embedded.postgres import EmbeddedPostgres
from local.embedded.temporal import EmbeddedTemporal
from local.stand_ins.smtp_sink import SmtpSink
from local.stand_ins.telegram_api import TelegramApi
from temporal import schedules
from temporal.attributes import register_search_attributes
from temporal.client import DATA_CONVERTER
from temporal.runners import UNSANDBOXED
from tests.browser.pictures import TakePicture
from tests.browser.story import Story, tell
from tests.support.api_process import running
from tests.support.data import Platform
from tests.support.databases import TEMPLATE
from tests.support.serving import serving
from tests.support.settings_for import API_KEY, SUPPORT_EMAIL, settings_for

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # What needs the internet must fail here on a machine that has it, too.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)
PATIENCE = 30_000
"""Milliseconds that an expectation has to come true; a page of the Web UI is there within one or two."""

IMAGES = Path(__file__).parents[2] / "docs" / "images"

WIDTH = 1280
MARGIN = 24


@pytest.fixture(scope="session")
async def chromium(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    """Chromium from PATH with an empty profile, which Playwright removes at the end."""
    executable = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if executable is None:
        pytest.fail(
            f"The browser tests need Chromium on PATH, as one of {', '.join(CHROMIUM)}. "
            "On Debian: apt-get install chromium"
        )
    expect.set_options(timeout=PATIENCE)
    # Debian's Chromium keeps its crash reports in the home folder, whatever the profile.
    home = str(tmp_path_factory.mktemp("home"))
    environment: dict[str, str | float | bool] = {**os.environ, "HOME": home, "XDG_CONFIG_HOME": home}
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=ARGUMENTS, env=environment)
        try:
            yield browser
        finally:
            await browser.close()


@pytest.fixture
async def page(chromium: Browser) -> AsyncIterator[Page]:
    """A page without any past. That it asks nobody but this machine is part of every test."""
    requested: list[str] = []
    context = await chromium.new_context(
        viewport={"width": WIDTH, "height": 800}, color_scheme="light", locale="en-US", timezone_id="UTC"
    )
    async with context:
        context.set_default_timeout(PATIENCE)
        context.on("request", lambda request: requested.append(request.url))
        yield await context.new_page()
    assert {urlsplit(url).hostname for url in requested if not url.startswith("data:")} <= {"127.0.0.1"}


@pytest.fixture
async def operators_page(chromium: Browser) -> AsyncIterator[Page]:
    """A page whose browser answers the API's login with one of its keys."""
    context = await chromium.new_context(
        viewport={"width": WIDTH, "height": 800},
        color_scheme="light",
        locale="en-US",
        http_credentials={"username": "anna", "password": API_KEY},
    )
    async with context:
        context.set_default_timeout(PATIENCE)
        yield await context.new_page()


@pytest.fixture
def take_picture(tmp_path: Path) -> TakePicture:
    """Pictures for the README with SAVE_PICTURES=1, else for this run only."""
    folder = IMAGES if os.environ.get("SAVE_PICTURES") == "1" else tmp_path

    async def take(page: Page, name: str, *, down_to: Locator | None = None) -> None:
        if down_to is not None:
            # The Web UI scrolls inside its page, so that the page must be as high as what it is to show.
            await page.set_viewport_size({"width": WIDTH, "height": 4000})
            box = await down_to.bounding_box()
            assert box is not None
            await page.set_viewport_size({"width": WIDTH, "height": math.ceil(box["y"] + box["height"]) + MARGIN})
            await page.mouse.move(WIDTH - 1, 400)  # away from whatever shows more when it is hovered over
        await page.screenshot(path=folder / name, animations="disabled", full_page=True)

    return take


@pytest.fixture(scope="session")
async def story(postgres: EmbeddedPostgres, temporal_server: EmbeddedTemporal) -> AsyncIterator[Story]:
    """One scan for all tests, which only look at it. The worker stays: it answers the Web UI's queries."""
    async with AsyncExitStack() as stack:
        await postgres.create_database("browser", template=TEMPLATE)
        stack.push_async_callback(postgres.drop_database, "browser")
        smtp_sink = await stack.enter_async_context(SmtpSink())
        telegram_api = await stack.enter_async_context(TelegramApi())
        api = await stack.enter_async_context(
            running(
                DATABASE_URL=postgres.database_url("browser"),
                TEMPORAL_ADDRESS=temporal_server.address,
                TEMPORAL_NAMESPACE=temporal_server.namespace,
                TEMPORAL_UI_URL=temporal_server.ui_url,
                SUPPORT_EMAIL=SUPPORT_EMAIL,
                API_KEYS=API_KEY,
                API_PORT="0",
            )
        )
        settings = settings_for(
            postgres.database_url("browser"),
            smtp_sink,
            telegram_api,
            api_url=api.url,
            expiry_scan_cron="0 0 29 2 *",  # only when the story triggers it
        )
        # The namespace whose name means nothing: the README shows the pictures.
        client = await Client.connect(
            temporal_server.address, namespace=temporal_server.namespace, data_converter=DATA_CONVERTER
        )
        await register_search_attributes(client)
        await schedules.apply(client, settings)
        engine = create_engine(settings, "test")
        stack.push_async_callback(engine.dispose)
        await stack.enter_async_context(serving(client, UNSANDBOXED)(settings))
        yield await tell(temporal_server.ui_url, client, settings, Platform(engine), smtp_sink, telegram_api)
