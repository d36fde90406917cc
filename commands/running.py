"""Runs a command. An expected error becomes one line on stderr and an exit status."""

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
from temporalio.service import RPCError

from channels.configured import scrub
from commands.output import printable
from db.engine import create_engine
from runtime.logs import configure_logging
from settings import Settings, SettingsError
from temporal.client import connect
from temporal.reasons import is_unknown_namespace, why_away

OK, FAILED, WRONG_ARGUMENT = 0, 1, 2
"""The exit statuses; after Ctrl-C it is 130."""

CONNECT_SECONDS = 15
_TABLE_OR_COLUMN_MISSING = ("42P01", "42703")


class CommandFailed(Exception):
    """The job could not be done. The message is one line for an operator."""


class WrongArgument(Exception):
    """An argument is wrong, as only the database can tell. The message is one line that quotes it."""


def run(command: Coroutine[Any, Any, int]) -> NoReturn:
    """Runs a command, then raises `typer.Exit` with its status: 1 after `CommandFailed`, 2 after `SettingsError` and
    `WrongArgument`."""
    configure_logging("console", "warning", scrub)
    try:
        status = asyncio.run(command)
    except (SettingsError, WrongArgument) as error:
        complain(f"cli: {error}")
        status = WRONG_ARGUMENT
    except CommandFailed as error:
        complain(f"cli: {error}")
        status = FAILED
    raise typer.Exit(status)


def complain(line: str) -> None:
    """Writes a line for people to stderr, since stdout is for results only."""
    sys.stderr.write(printable(line) + "\n")


@asynccontextmanager
async def database(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """Opens an engine. Turns errors of PostgreSQL inside the block into `CommandFailed`."""
    engine = create_engine(settings, "cli")
    try:
        async with database_errors():
            yield engine
    finally:
        await engine.dispose()


@asynccontextmanager
async def database_errors() -> AsyncIterator[None]:
    """Turns errors of PostgreSQL and the network into `CommandFailed`. Do nothing else in the block."""
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
        raise CommandFailed(f"cannot reach PostgreSQL at DATABASE_URL: {reason}") from error


async def temporal_client() -> Client:
    """Connects by the settings TEMPORAL_*. Raises `CommandFailed` if nothing answers, `SettingsError` if a setting is
    wrong."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            return await connect()
    except TimeoutError:
        raise CommandFailed(f"Temporal did not answer within {CONNECT_SECONDS} s: check TEMPORAL_ADDRESS") from None
    except RuntimeError as error:
        raise CommandFailed(why_away(error)) from error
    except ValueError as error:
        reason = _one_line(error)
        if "URL" in reason:
            raise SettingsError(f"TEMPORAL_ADDRESS: write host:port, such as localhost:7233: {reason}") from error
        raise SettingsError(f"TEMPORAL_*: {reason}") from error


@asynccontextmanager
async def temporal_errors() -> AsyncIterator[None]:
    """Turns errors of calls to Temporal into `CommandFailed`, and an unknown namespace into `SettingsError`."""
    try:
        yield
    except RPCError as error:
        if is_unknown_namespace(error):
            raise SettingsError(f"TEMPORAL_NAMESPACE: {_one_line(error.message)}") from error
        raise CommandFailed(f"Temporal: {error.status.name.lower()}: {_one_line(error.message)}") from error


def _one_line(error: object) -> str:
    return " ".join(str(error).split())
