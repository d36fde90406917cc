"""A Postfix for each test, and the application's two ways to it: a whole run, and one attempt."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from settings import Settings
from tests.mta.attempts import Attempts, StartAttempts, attempts_at
from tests.mta.certificates import Certificates, make_certificates
from tests.mta.postfix import PATH, Postfix, StartPostfix
from tests.support.data import Platform
from tests.support.settings_for import MakeSettings

PROGRAMS = {
    "postfix": "postfix",
    "postgrey": "postgrey",
    "saslpasswd2": "sasl2-bin libsasl2-modules",
    "pgbouncer": "pgbouncer",
}
"""Programs, and Debian's packages that bring them."""


@pytest.fixture(scope="session", autouse=True)
def _programs() -> None:
    if missing := [program for program in PROGRAMS if shutil.which(program, path=PATH) is None]:
        packages = " ".join(PROGRAMS[program] for program in missing)
        pytest.fail(f"These tests need {', '.join(missing)}. On Debian: apt-get install {packages}")
    if os.geteuid() != 0:
        pytest.fail("These tests need root: Postfix starts as root and gives up its rights itself.")


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def postfix_folder(tmp_path: Path) -> Path:
    return tmp_path / "postfix"


@pytest.fixture
async def start_postfix(postfix_folder: Path, certificates: Certificates) -> AsyncIterator[StartPostfix]:
    """`await start_postfix()`, with parameters of postconf(5) and a certificate other than the right one."""
    async with AsyncExitStack() as stack:

        async def start(*, certificate: Path | None = None, **parameters: str) -> Postfix:
            server = Postfix(postfix_folder, certificate or certificates.right, **parameters)
            await stack.enter_async_context(server)
            stack.callback(lambda: sys.stdout.write(server.log))  # pytest shows it where the test fails
            return server

        yield start


@pytest.fixture
def make_settings(make_settings: MakeSettings, certificates: Certificates) -> MakeSettings:
    """The settings of all tests, trusting the tests' authority."""

    def make(**overrides: object) -> Settings:
        return make_settings(**{"smtp_tls_ca_file": certificates.authority} | overrides)

    return make


@pytest.fixture
async def start_attempts(
    engine: AsyncEngine, platform: Platform, make_settings: MakeSettings
) -> AsyncIterator[StartAttempts]:
    """`start_attempts(postfix)`: a worker's connections to it, and no worker."""
    async with AsyncExitStack() as stack:

        async def start(postfix: Postfix) -> Attempts:
            settings = make_settings(**postfix.client())
            return await stack.enter_async_context(attempts_at(engine, platform, settings))

        yield start
