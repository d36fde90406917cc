"""Running a command: what may go wrong becomes one line on stderr and an exit status."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, NoReturn

import asyncpg
import typer
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.service import RPCError, RPCStatusCode

from channels.configured import scrub
from db.engine import create_engine
from runtime.logs import configure_logging
from settings import Settings, SettingsError
from temporal.client import connect

OK, FAILED, WRONG_ARGUMENT = 0, 1, 2
"""The exit statuses; one that was cut off by Ctrl-C has 130."""

CONNECT_SECONDS = 15
_TABLE_OR_COLUMN_MISSING = ("42P01", "42703")


class CommandFailed(Exception):
    """The job could not be done. The message is one line for an operator."""


def run(command: Coroutine[Any, Any, int]) -> NoReturn:
    """Runs a command to its end; raises `typer.Exit` with its status, or with 1 or 2 for what it raised."""
    configure_logging("console", "warning", scrub)
    try:
        status = asyncio.run(command)
    except SettingsError as error:
        complain(f"cli: {error}")
        status = WRONG_ARGUMENT
    except CommandFailed as error:
        complain(f"cli: {error}")
        status = FAILED
    raise typer.Exit(status)


def complain(line: str) -> None:
    """Writes a line for people to stderr: stdout is for results only."""
    sys.stderr.write(line + "\n")


@asynccontextmanager
async def database(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """An engine; what goes wrong with PostgreSQL inside comes out as `CommandFailed`."""
    engine = create_engine(settings, "cli")
    try:
        async with database_errors():
            yield engine
    finally:
        await engine.dispose()


@asynccontextmanager
async def database_errors() -> AsyncIterator[None]:
    """Turns PostgreSQL's and the network's errors into `CommandFailed`. Nothing else should be done inside."""
    try:
        yield
    except DBAPIError as error:
        reason = _one_line(error.orig)
        if getattr(error.orig, "sqlstate", None) in _TABLE_OR_COLUMN_MISSING:
            reason += "; run `python cli.py migrate` first"
        raise CommandFailed(f"PostgreSQL: {reason}") from error
    except (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise CommandFailed(f"PostgreSQL: {_one_line(error)}") from error
    except OSError as error:  # TimeoutError too
        reason = _one_line(error) or "no answer in time"
        raise CommandFailed(f"PostgreSQL cannot be reached at DATABASE_URL: {reason}") from error


async def temporal_client() -> Client:
    """Connected by TEMPORAL_*. Raises `CommandFailed` if nothing answers, `SettingsError` if they make no sense."""
    try:
        ClientConfig.load_client_connect_config()
    except Exception as error:  # the SDK's ConfigError has no public name
        raise SettingsError(f"TEMPORAL_*: {_one_line(error)}") from error
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            return await connect()
    except TimeoutError:
        raise CommandFailed(f"Temporal does not answer within {CONNECT_SECONDS} s: see TEMPORAL_ADDRESS") from None
    except RuntimeError as error:
        raise CommandFailed(f"Temporal cannot be reached at TEMPORAL_ADDRESS: {_one_line(error)}") from error
    except ValueError as error:
        raise SettingsError(f"TEMPORAL_ADDRESS: no address such as localhost:7233: {_one_line(error)}") from error


@asynccontextmanager
async def temporal_errors() -> AsyncIterator[None]:
    """Turns the errors of calls to Temporal into `CommandFailed`, an unknown namespace into `SettingsError`."""
    try:
        yield
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND and "namespace" in error.message.lower():
            raise SettingsError(f"TEMPORAL_NAMESPACE: {_one_line(error.message)}") from error
        raise CommandFailed(f"Temporal: {error.status.name.lower()}: {_one_line(error.message)}") from error


def _one_line(error: object) -> str:
    return " ".join(str(error).split())
